"""Graphs for every operator that the TFLite backend writes."""

from tests.formats.tflite.cases import (
    activation,
    convolution,
    elementwise,
    matrix,
    moving,
    normalization,
    pooling,
    resizing,
)

CASES = [
    *convolution.CASES,
    *matrix.CASES,
    *elementwise.CASES,
    *activation.CASES,
    *pooling.CASES,
    *moving.CASES,
    *resizing.CASES,
    *normalization.CASES,
]
