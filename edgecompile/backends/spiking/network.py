"""A network as populations of neurons and linear connections between them, as frozen data.

`RateNetwork` is the ANN: a population's activity is its ReLU. `SpikingNetwork` is what a chip
holds: the same populations, whose neurons integrate and fire. Shapes are (channels, height, width);
a vector is (features, 1, 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgecompile.graph.hub import Array

INPUT = "input"
"""The population that the samples come in by."""

Shape = tuple[int, int, int]
Pair = tuple[int, int]
Pads = tuple[int, int, int, int]
Reset = Literal["subtract", "zero", "sigma-delta"]
CodingKind = Literal["graded", "events", "given"]

GRADED_LEVELS = 255
"""Steps of a graded input between 0 and the largest value: the 8 bits of a pixel."""


@dataclass(frozen=True, eq=False)
class Connection:
    """A linear map from the activity of the population `source`.

    `weight` is (outputs, inputs / groups, kernel height, kernel width) of a convolution, or
    (outputs, inputs) of a dense map, which flattens its input. `pool` is the size of windows whose
    *sum* (or maximum) goes into the map; what does not fill a window is left out. `pads` are top,
    left, bottom, right. The real weights are ``weight * 2**exponent``.
    """

    source: str
    weight: Array
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    pool: Pair = (1, 1)
    pooling: Literal["sum", "max"] = "sum"
    exponent: int = 0

    @property
    def is_dense(self) -> bool:
        """Does it join every input with every output?"""
        return self.weight.ndim == 2

    @property
    def area(self) -> int:
        """Elements of a window."""
        return self.pool[0] * self.pool[1]

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out of a source of `shape`."""
        if self.is_dense:
            return (self.weight.shape[0], 1, 1)
        sizes = [(shape[1 + i] // self.pool[i] + self.pads[i] + self.pads[i + 2]) for i in range(2)]
        kernel = self.weight.shape[2:]
        height, width = (
            (sizes[i] - self.dilation[i] * (kernel[i] - 1) - 1) // self.stride[i] + 1
            for i in range(2)
        )
        return (self.weight.shape[0], height, width)


@dataclass(frozen=True)
class Origin:
    """Where a layer came from: node of the hub, module path, the user's Python line."""

    node: str | None = None
    module: str | None = None
    source: str | None = None


@dataclass(frozen=True, eq=False)
class RateLayer:
    """ReLU(sum of connections + bias), at most `ceiling`; the last layer of a network is linear.

    `bias` has one number per channel.
    """

    name: str
    shape: Shape
    connections: tuple[Connection, ...]
    bias: Array
    ceiling: float | None = None
    origin: Origin = Origin()


@dataclass(frozen=True, eq=False)
class RateNetwork:
    """The ANN. `input_scale` is the size of the largest input of the calibration samples (0: not
    known yet), `input_signed` whether there are negative ones."""

    input_shape: Shape
    layers: tuple[RateLayer, ...]
    input_scale: float = 0.0
    input_signed: bool = True
    sample_shape: tuple[int, ...] = ()
    """The shape of one sample as the user has it."""
    output_shape: tuple[int, ...] = ()

    def shape_of(self, name: str) -> Shape:
        """The shape of a population."""
        return _shape_of(self.input_shape, self.layers, name)

    @property
    def max_pools(self) -> tuple[RateLayer, ...]:
        """Layers that take the maximum of windows, which no spiking neuron does."""
        return tuple(
            layer
            for layer in self.layers
            if any(connection.pooling == "max" for connection in layer.connections)
        )


@dataclass(frozen=True)
class InputCoding:
    """How a sample becomes spikes.

    A value of `scale` is 255 of a graded spike in every step, or one event in every step: an
    integrator that starts half full. `given`: samples are spikes already, step by step. `signed`:
    there are negative values. `on_off`: positive and negative parts as twice as many channels, each
    without a sign.
    """

    kind: CodingKind
    scale: float
    signed: bool
    on_off: bool = False

    @property
    def unit(self) -> float:
        """What one unit of a spike stands for."""
        return self.scale / (GRADED_LEVELS if self.kind == "graded" else 1)


@dataclass(frozen=True, eq=False)
class Message:
    """How a sigma-delta neuron makes a message of its sum, int64 with one number per channel:
    ``min(top, (max(0, sum) + half) >> shift)``, where half rounds."""

    top: Array
    shift: Array


@dataclass(frozen=True, eq=False)
class SpikingLayer:
    """Integrate-and-fire neurons: in each step the currents and `bias` add to the potential, which
    starts at `v0`; beyond `threshold` the neuron fires. The last layer, with `threshold` None, only
    integrates: it is read out.

    Weights are currents per spike of the source; `bias` and `v0` have one number per channel.
    """

    name: str
    shape: Shape
    connections: tuple[Connection, ...]
    bias: Array
    threshold: float | None
    v0: Array
    origin: Origin = Origin()
    message: Message | None = None
    """Of sigma-delta neurons, whose `threshold` is the largest message."""


@dataclass(frozen=True, eq=False)
class SpikingNetwork:
    """What a chip executes.

    `reset` is what a spike does to the potential; `signed` neurons may take a spike back. Neurons
    of reset `sigma-delta` send their activity once instead, as a `Message`. The
    potential of the read-out grows by `readout_scale` for each unit of the model's output in each
    step; it is read at half of the steps and at the end, and the difference counts: the first half
    is the time that the spikes need to get through.
    """

    input_shape: Shape
    layers: tuple[SpikingLayer, ...]
    coding: InputCoding
    reset: Reset = "subtract"
    signed: bool = False
    readout_scale: float = 1.0
    output_shape: tuple[int, ...] = ()
    sample_shape: tuple[int, ...] = ()

    def shape_of(self, name: str) -> Shape:
        """The shape of a population."""
        return _shape_of(self.input_shape, self.layers, name)

    @property
    def neurons(self) -> int:
        """Neurons of all layers, the read-out's too."""
        return sum(int(np.prod(layer.shape)) for layer in self.layers)

    def depth_of(self, name: str) -> int:
        """Connections on the longest way from the input to a population."""
        return depths(self.layers)[name]


def depths(layers: Sequence[RateLayer | SpikingLayer]) -> dict[str, int]:
    """Connections on the longest way from the input, by population."""
    found = {INPUT: 0}
    for layer in layers:
        found[layer.name] = 1 + max(found[connection.source] for connection in layer.connections)
    return found


def connections(network: SpikingNetwork) -> Iterator[tuple[SpikingLayer, Connection]]:
    """Every connection with the layer that it leads to."""
    for layer in network.layers:
        for connection in layer.connections:
            yield layer, connection


def _shape_of(input_shape: Shape, layers: Sequence[RateLayer | SpikingLayer], name: str) -> Shape:
    if name == INPUT:
        return input_shape
    return next(layer.shape for layer in layers if layer.name == name)
