"""ONNX Runtime: the hub, with the runtime's own fusions written into the file."""
