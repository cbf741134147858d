"""The C generator: a hub becomes one `model.c` and one `model.h`."""
