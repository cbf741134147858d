"""Make numbers small: quantization by scheme, half precision."""
