"""Pruning: which weights can go, which go first, and the training that makes up for them."""
