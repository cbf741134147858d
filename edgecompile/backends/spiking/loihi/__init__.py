"""Intel Loihi 2."""
