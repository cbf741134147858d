"""One folder per toolchain, found through the registry; none imports another."""
