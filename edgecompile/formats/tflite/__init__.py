"""TFLite files: a hub written as a flatbuffer, a file read back, a file run by LiteRT."""
