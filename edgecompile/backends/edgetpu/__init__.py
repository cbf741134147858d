"""Coral Edge TPU: TFLite files that its compiler takes, and what it will make of them."""
