"""What travels with an artifact to the machine that has the chip."""
