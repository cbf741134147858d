"""The hub: the ONNX model between the frontend and the backends, as a typed graph."""
