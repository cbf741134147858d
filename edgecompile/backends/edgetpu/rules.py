"""Which operators the Edge TPU maps, and under which conditions: the one table.

`mapping.py` asks it, the documentation is written from it. A rule's source is one of:

- ``table``: Coral's table of supported operations, https://coral.ai/docs/edgetpu/models-intro/
- ``log``: a log of `edgetpu_compiler` in the issues of https://github.com/google-coral/edgetpu
- ``pair``: a file and what the vendor's compiler made of it (google-coral/test_data)
- ``assumed``: nobody has said it; what we do to be on the safe side
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from edgecompile.formats.tflite.graph import FileOperator, FileTensor

Source = Literal["table", "log", "pair", "assumed"]

INNERMOST = 3
"""Only so many of a tensor's last dimensions may be larger than 1 (table)."""

MOST_SOFTMAX_ELEMENTS = 16_000
"""table: Softmax."""

FINEST_INTERPOLATION = 16
"""A bilinear resize by a larger factor needs weights finer than 8 bits (1/16 by 1/16). The table
says that some sizes are not mapped "to avoid loss in precision"; of the pairs, 1x1 -> 33x33 stays
on the CPU."""

LARGEST_RESIZE = 4 << 20
"""Bytes of a resize's result. log, issue 31: 128x128x32 is mapped, 512x512x32 is not; the bound
between the two is assumed."""

LARGEST_MEAN = 16_384
"""Numbers that a mean or a sum may take together. log, issue 461: 64x128 are mapped, 256x128 are
not; the bound between the two is assumed."""


@dataclass(frozen=True)
class Condition:
    """`broken` says in a sentence what is wrong with an operator, or None."""

    broken: Callable[[FileOperator], str | None]
    words: str
    """The condition, as the documentation states it."""
    source: Source = "table"


@dataclass(frozen=True)
class Rule:
    """One operator. `runtime` is the Edge TPU runtime that it needs."""

    runtime: int = 10
    conditions: tuple[Condition, ...] = ()


def _tensor(operator: FileOperator, index: int) -> FileTensor:
    found = operator.input(index)
    if found is None:
        raise ValueError(f"{operator.name} has no input {index}")
    return found


def _result(operator: FileOperator) -> FileTensor:
    if not operator.outputs:
        raise ValueError(f"{operator.name} has no result")
    return operator.outputs[0]


def _integers(operator: FileOperator, index: int) -> list[int]:
    """The numbers of a constant operand (axes, paddings, strides)."""
    values = _tensor(operator, index).values()
    if values is None:
        raise ValueError(f"input {index} is not constant")
    return [int(value) for value in np.ravel(values)]


def _fuses(operator: FileOperator) -> str | None:
    fused = operator.option("fusedActivationFunction")
    return "it has a fused activation function" if fused else None


def _dilates_unevenly(operator: FileOperator) -> str | None:
    height, width = operator.option("dilationHFactor", 1), operator.option("dilationWFactor", 1)
    return None if height == width else f"its dilations differ: {height} and {width}"


def _computed_weights(index: int) -> Callable[[FileOperator], str | None]:
    def broken(operator: FileOperator) -> str | None:
        return None if _tensor(operator, index).is_constant else "its weights are not constant"

    return broken


def _joins_constant(operator: FileOperator) -> str | None:
    constants = [t for t in operator.inputs if t is not None and t.is_constant]
    if not constants:
        return None
    if len(operator.inputs) != 2:
        return "it joins a constant with more than one tensor"
    values = constants[0].values()
    zero = constants[0].zero_point[0] if constants[0].zero_point else 0
    if values is None or np.any(values != zero):
        return "it joins a constant that is not all zeros"
    return None


def _shuffled_weights(operator: FileOperator) -> str | None:
    return "its weights are shuffled" if operator.option("weightsFormat") else None


def _several_rows(operator: FileOperator) -> str | None:
    rows = prod(_result(operator).shape[:-1])
    return None if rows == 1 else f"its result has {rows} rows"


def _reduces_batch(operator: FileOperator) -> str | None:
    rank = len(_tensor(operator, 0).shape)
    axes = {axis % max(rank, 1) for axis in _integers(operator, 1)}
    return "it reduces the batch" if rank == 4 and 0 in axes else None


def _reduces_odd_depth(operator: FileOperator) -> str | None:
    shape = _tensor(operator, 0).shape
    axes = {axis % max(len(shape), 1) for axis in _integers(operator, 1)}
    reduces_depth = len(shape) - 1 in axes and bool(shape)
    if reduces_depth and shape[-1] % 4:
        return f"it reduces {shape[-1]} channels, no multiple of 4"
    return None


def _reduces_much(operator: FileOperator) -> str | None:
    shape = _tensor(operator, 0).shape
    axes = {axis % max(len(shape), 1) for axis in _integers(operator, 1)}
    count = prod(size for axis, size in enumerate(shape) if axis in axes)
    return None if count <= LARGEST_MEAN else f"it takes {count:,} numbers together"


def _pads_batch(operator: FileOperator) -> str | None:
    paddings = _integers(operator, 1)
    return "it pads the batch" if len(paddings) == 8 and any(paddings[:2]) else None


def _touches_batch(field: str) -> Callable[[FileOperator], str | None]:
    def broken(operator: FileOperator) -> str | None:
        rank = len(_result(operator).shape)
        axis = operator.option(field)
        return "it works along the batch" if rank == 4 and axis % rank == 0 else None

    return broken


def _splits_batch(operator: FileOperator) -> str | None:
    rank = len(_tensor(operator, 1).shape)
    axis = _integers(operator, 0)
    return "it splits the batch" if rank == 4 and axis[:1] in ([0], [-4]) else None


def _slopes_vary_in_space(operator: FileOperator) -> str | None:
    shape = _tensor(operator, 1).shape
    return None if prod(shape[:-1]) == 1 else "its slopes vary beyond the last dimension"


def _softmax_of_rows(operator: FileOperator) -> str | None:
    shape = _tensor(operator, 0).shape
    rows = prod(shape[:-1])
    return None if rows == 1 else f"it has {rows} rows: one is supported"


def _long_softmax(operator: FileOperator) -> str | None:
    length = _tensor(operator, 0).elements
    if length <= MOST_SOFTMAX_ELEMENTS:
        return None
    return f"it has {length:,} elements: at most {MOST_SOFTMAX_ELEMENTS:,} are supported"


def _moves_in_squeeze(operator: FileOperator) -> str | None:
    shape = _tensor(operator, 0).shape
    kept = [size for size in shape if size != 1]
    leads = list(shape[len(shape) - len(kept) :]) == kept
    return None if leads else "it drops a dimension that is not leading: the layout changes"


def _strides(operator: FileOperator) -> str | None:
    steps = _integers(operator, 3)
    return None if all(step == 1 for step in steps) else f"its strides are {steps}"


def _masks(operator: FileOperator) -> str | None:
    masked = operator.option("ellipsisMask") or operator.option("newAxisMask")
    return "it has an ellipsis or a new axis" if masked else None


def _enlarges_finely(operator: FileOperator) -> str | None:
    before, after = _tensor(operator, 0).shape, _result(operator).shape
    if len(before) != 4 or len(after) != 4 or min(before) < 1:
        return "it is no image"
    factor = max(after[1] / before[1], after[2] / before[2])
    if factor <= FINEST_INTERPOLATION:
        return None
    return f"it enlarges {factor:g} times, which 8-bit weights cannot interpolate"


def _large_resize(operator: FileOperator) -> str | None:
    size = _result(operator).elements
    return None if size <= LARGEST_RESIZE else f"its result has {size:,} bytes"


def _moves_batch(operator: FileOperator) -> str | None:
    order = _integers(operator, 1)
    return "it moves the batch" if len(order) >= 4 and order[0] != 0 else None


NOT_FUSED = Condition(_fuses, "no fused activation function")
CONSTANT_WEIGHTS = Condition(_computed_weights(1), "constant weights")
REDUCTION = (
    Condition(_reduces_batch, "no reduction of the batch"),
    Condition(_reduces_odd_depth, "a reduction of channels needs a multiple of 4 of them"),
)
MEAN = (
    *REDUCTION,
    Condition(_reduces_much, f"at most {LARGEST_MEAN:,} numbers into one", "log"),
)
CONVOLUTION = (
    Condition(_dilates_unevenly, "the same dilation in height and width"),
    CONSTANT_WEIGHTS,
)
SMALL_RESIZE = Condition(_large_resize, f"a result of at most {LARGEST_RESIZE:,} bytes", "log")

RULES: dict[str, Rule] = {
    **{
        name: Rule()
        for name in (
            *("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"),
            *("LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1"),
            *("L2_NORMALIZATION", "RESHAPE", "SLICE", "SPACE_TO_DEPTH"),
        )
    },
    "AVERAGE_POOL_2D": Rule(conditions=(NOT_FUSED,)),
    "MAX_POOL_2D": Rule(conditions=(NOT_FUSED,)),
    "CONCATENATION": Rule(
        conditions=(
            NOT_FUSED,
            Condition(_joins_constant, "a constant input only beside one other, and all zeros"),
        )
    ),
    "CONV_2D": Rule(conditions=CONVOLUTION),
    "DEPTHWISE_CONV_2D": Rule(conditions=CONVOLUTION),
    "FULLY_CONNECTED": Rule(
        conditions=(
            Condition(_shuffled_weights, "weights in the default format"),
            CONSTANT_WEIGHTS,
            Condition(_several_rows, "a result of one dimension"),
        )
    ),
    "MEAN": Rule(conditions=MEAN),
    "SUM": Rule(13, MEAN),
    "REDUCE_MAX": Rule(14, REDUCTION),
    "REDUCE_MIN": Rule(14, REDUCTION),
    "PAD": Rule(conditions=(Condition(_pads_batch, "no padding of the batch"),)),
    "PACK": Rule(13, (Condition(_touches_batch("axis"), "not along the batch"),)),
    "PRELU": Rule(
        13, (Condition(_slopes_vary_in_space, "slopes that vary in the last dimension only"),)
    ),
    "SOFTMAX": Rule(
        conditions=(
            Condition(_softmax_of_rows, "an input of one dimension"),
            Condition(_long_softmax, f"at most {MOST_SOFTMAX_ELEMENTS:,} elements"),
        )
    ),
    "SPLIT": Rule(conditions=(Condition(_splits_batch, "not along the batch"),)),
    "SQUEEZE": Rule(conditions=(Condition(_moves_in_squeeze, "only leading dimensions of 1"),)),
    "STRIDED_SLICE": Rule(
        conditions=(
            Condition(_strides, "all strides 1"),
            Condition(_masks, "no ellipsis, no new axis"),
        )
    ),
    "RESIZE_BILINEAR": Rule(
        conditions=(
            Condition(
                _enlarges_finely, f"at most {FINEST_INTERPOLATION} times as high and wide", "pair"
            ),
            SMALL_RESIZE,
        )
    ),
    "RESIZE_NEAREST_NEIGHBOR": Rule(conditions=(SMALL_RESIZE,)),
    "QUANTIZE": Rule(13),
    "EXPAND_DIMS": Rule(13),
    "TRANSPOSE_CONV": Rule(13, (CONSTANT_WEIGHTS,)),
    "TRANSPOSE": Rule(14, (Condition(_moves_batch, "the batch stays first", "assumed"),)),
    "RSQRT": Rule(14),
    "SQUARED_DIFFERENCE": Rule(14),
    "LSTM": Rule(14),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Rule(14),
}
