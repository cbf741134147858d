"""One folder per toolchain; they are found through the registry and import nothing of each other."""
