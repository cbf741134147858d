"""How each ONNX operator is written in C."""
