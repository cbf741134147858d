"""edgecompile: one PyTorch model in, one validated artifact per edge device out."""

__version__ = "0.1.0"
