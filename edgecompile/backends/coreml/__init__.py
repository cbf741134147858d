"""Core ML: the hub's own numbers in an ML Program, executed here by an interpreter of MIL."""
