"""PyTorch in: load module and weights safely, export to ONNX, keep where nodes came from."""
