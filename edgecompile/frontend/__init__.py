"""PyTorch in: load the module and its weights safely, export to ONNX, keep where nodes came from."""
