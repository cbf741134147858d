"""Training as pruning and quantization use it: one loop, its losses, and changes of images."""
