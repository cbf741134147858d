"""What goes into an artifact's folder to run it on Apple's systems."""
