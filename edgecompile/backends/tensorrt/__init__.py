"""NVIDIA TensorRT: engines for desktop GPUs, bundles that a Jetson makes its engine from."""
