"""What the mapped operators take of the Edge TPU's memory, as ranges.

The parameter data that the vendor's compiler laid out are to be read in its files: the program of
an ``edgetpu-custom-op`` says how many bytes are cached, and how much activation memory each tile
uses (libedgetpu, executable/executable.fbs: `parameters`, `used_narrow_memory_bytes_per_tile`).
The bounds here hold on the five pairs of google-coral/test_data that we have, and on the one layer
whose report is published to the byte (a Dense of 256 x 256: 66 KiB). A test checks the pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from edgecompile.backends.edgetpu.mapping import Placement
from edgecompile.formats.tflite.graph import FileOperator

Range = tuple[int, int]

SRAM = 8 << 20
"""https://coral.ai/docs/edgetpu/compiler/#parameter-data-caching: "roughly 8 MB", of which the
program takes its part first."""

RESERVED: Range = (100 << 10, 1200 << 10)
"""What is not there for parameters: 8 MiB less what the compiler reports as used and remaining, in
the logs of google-coral/edgetpu (issues 512, 651, 671, 714). Models with activations of several
MiB lose more."""

BYTES_PER_CHANNEL = 8
"""Bias and scale of an output channel: what the Dense of 256 x 256 takes beyond its weights."""

PADDED_OUTPUTS, PADDED_INPUTS, PADDED_DEPTHWISE, DEPTHWISE_FACTOR = 32, 16, 64, 4
"""Multiples to which a layout fills up channels, and copies of a depthwise filter: of those that we
tried the nearest to the three convolutional pairs (+1 %, -4 %, -1 %)."""

PER_OPERATOR = 1 << 10
"""Tables and the rest, at most: the pairs' remainder is 64 to 700 bytes for each operator."""

LSTM_FACTOR = 8
"""Copies of an LSTM's weights, at most (pair keras_lstm_mnist_ptq: 7)."""

TILES, BYTES_PER_TILE = 16, 5 << 10
"""Activation memory that every program takes (pairs split_concat and keras_lstm_mnist_ptq)."""

_LSTM_WEIGHTS = range(1, 9)


@dataclass(frozen=True)
class Memory:
    """Bytes, each from the least to the most."""

    parameters: Range
    cached: Range
    streamed: Range
    """Parameters that cross the bus at every inference."""
    activations: Range


def memory_of(placements: Sequence[Placement]) -> Memory:
    """The memory of what is mapped."""
    mapped = [p.operator for p in placements if p.is_mapped]
    least = sum(_least_parameters(operator) for operator in mapped)
    most = sum(_most_parameters(operator) + PER_OPERATOR for operator in mapped)
    room = (SRAM - RESERVED[1], SRAM - RESERVED[0])
    return Memory(
        (least, most),
        (min(least, room[0]), min(most, room[1])),
        (max(least - room[1], 0), max(most - room[0], 0)),
        _activations(mapped),
    )


def _least_parameters(operator: FileOperator) -> int:
    shape = _weight_shape(operator)
    if shape is None:
        return _lstm_weights(operator)
    return prod(shape) + BYTES_PER_CHANNEL * _channels(operator, shape)


def _most_parameters(operator: FileOperator) -> int:
    shape = _weight_shape(operator)
    if shape is None:
        return LSTM_FACTOR * _lstm_weights(operator) + _constants(operator)
    if operator.name == "DEPTHWISE_CONV_2D":
        channels = _padded(shape[-1], PADDED_DEPTHWISE)
        return channels * (DEPTHWISE_FACTOR * prod(shape[:-1]) + BYTES_PER_CHANNEL)
    outputs, inputs = _padded(shape[0], PADDED_OUTPUTS), _padded(shape[-1], PADDED_INPUTS)
    return outputs * (prod(shape[1:-1]) * inputs + BYTES_PER_CHANNEL)


def _weight_shape(operator: FileOperator) -> tuple[int, ...] | None:
    """The shape of the weights that the multipliers read; None for another operator."""
    weighted = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
    weight = operator.input(1) if operator.name in weighted else None
    return None if weight is None or not weight.shape else weight.shape


def _channels(operator: FileOperator, shape: tuple[int, ...]) -> int:
    return shape[-1] if operator.name == "DEPTHWISE_CONV_2D" else shape[0]


def _lstm_weights(operator: FileOperator) -> int:
    if not operator.name.endswith("LSTM"):
        return 0
    weights = [operator.input(index) for index in _LSTM_WEIGHTS]
    return sum(weight.elements for weight in weights if weight is not None)


def _constants(operator: FileOperator) -> int:
    return sum(t.elements for t in operator.inputs if t is not None and t.is_constant)


def _padded(size: int, step: int) -> int:
    return -(-size // step) * step


def _activations(mapped: Sequence[FileOperator]) -> Range:
    """From nine tenths of the largest tensor (a pair computes one in stripes) to half as much again
    as all tensors that are alive at once."""
    last = {t.index: operator.index for operator in mapped for t in operator.activations}
    alive: dict[int, int] = {}
    largest = peak = 0
    for operator in mapped:
        for tensor in (*operator.activations, *operator.outputs):
            alive[tensor.index] = tensor.elements
            largest = max(largest, tensor.elements)
        peak = max(peak, sum(alive.values()))
        alive = {
            index: size for index, size in alive.items() if last.get(index, -1) > operator.index
        }
    return largest * 9 // 10, peak * 3 // 2 + TILES * BYTES_PER_TILE
