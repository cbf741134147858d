"""SynSense Speck 2e and 2f."""
