"""The same black-box cases over any backend: what it builds, refuses, or computes wrongly."""
