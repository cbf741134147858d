"""Graphs for every operator that a backend with a table of operators writes."""

from edgecompile.conformance.cases import (
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

FIRST = list({case.op: case for case in reversed(CASES)}.values())
"""One for each operator."""
