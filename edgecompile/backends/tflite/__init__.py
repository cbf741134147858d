"""TFLite (LiteRT): the hub's own numbers, written straight into a flatbuffer."""
