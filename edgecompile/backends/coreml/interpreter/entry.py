"""What an operator's function gets, and the table that it enters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]
"""Called with the operator's inputs by their names in MIL: activations and float constants are
float64 tensors of torch, integer constants NumPy arrays, lists of tensors tuples. It sees one
sample: torch.vmap makes the batch. A missing input has the default of MIL's documentation."""
