"""Integrate and fire, step by step, for many samples at a time.

With whole numbers it is exact: float32 holds each sum below 2**24, and beyond that bound float64 is
taken. So a chip's fixed-point arithmetic is this with the chip's numbers and its `Dynamics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edgecompile.backends.spiking.coding import Encoder
from edgecompile.backends.spiking.maps import apply, fan_out
from edgecompile.backends.spiking.network import (
    GRADED_LEVELS,
    INPUT,
    SpikingLayer,
    SpikingNetwork,
    connections,
)
from edgecompile.graph.hub import Array

if TYPE_CHECKING:
    import torch

_BATCH = 50
_FLOAT32_EXACT = 2**24


@dataclass(frozen=True)
class Dynamics:
    """How a chip's neurons step.

    `strict`: they fire beyond the threshold, not at it. Potentials stay within `limits`. With
    `delay`, a spike arrives in the step after it was sent, else in the same. `several`: a neuron
    sends as many spikes in a step as its potential holds thresholds.
    """

    strict: bool = True
    limits: tuple[float, float] | None = None
    delay: bool = False
    several: bool = False


@dataclass
class Trace:
    """What a simulation saw.

    `potentials`: of the read-out, by step, float64 (samples, *read-out shape), without bounds.
    `spikes`: how often each neuron fired, by population, summed over samples and all steps (graded
    spikes count once). `trains`: if recorded, the spikes themselves, (steps, samples, *shape).
    """

    samples: int
    steps: int
    potentials: dict[int, Array] = field(default_factory=dict)
    spikes: dict[str, Array] = field(default_factory=dict)
    trains: dict[str, Array] = field(default_factory=dict)


def simulate(
    network: SpikingNetwork,
    samples: Array,
    checkpoints: Sequence[int],
    dynamics: Dynamics = Dynamics(),
    *,
    record: bool = False,
    given: Array | None = None,
) -> Trace:
    """Run every sample for max(checkpoints) steps; note the read-out's potential at each of them.

    `samples` are in the user's shape; `given` are spikes of the input in their place, (steps,
    samples, *input shape).
    """
    import torch

    steps = max(checkpoints)
    count = len(samples) if given is None else given.shape[1]
    trace = Trace(count, steps)
    weights = exact_weights(network)
    kind = next(iter(weights.values())).dtype
    with torch.no_grad():
        for start in range(0, count, _BATCH):
            chosen = slice(start, start + _BATCH)
            source: _Given | Encoder
            if given is None:
                part = np.ascontiguousarray(samples[chosen], np.float32)
                images = torch.from_numpy(part).reshape(len(part), *_plain_shape(network))
                source = Encoder(network.coding, images)
            else:
                part = given[:, chosen]
                source = _Given(torch.from_numpy(np.ascontiguousarray(part)).to(kind))
            _run(network, weights, dynamics, source, checkpoints, trace, record=record)
    return trace


def _plain_shape(network: SpikingNetwork) -> tuple[int, ...]:
    channels, height, width = network.input_shape
    return (channels // 2 if network.coding.on_off else channels, height, width)


class _Given:
    """Spikes that are there already."""

    def __init__(self, spikes: torch.Tensor) -> None:
        self._steps = iter(spikes)

    def step(self) -> torch.Tensor:
        spikes: torch.Tensor = next(self._steps)
        return spikes


def exact_weights(network: SpikingNetwork, largest_spike: int = 1) -> dict[str, torch.Tensor]:
    """Weights by connection, of a type that holds every sum exactly if they are whole numbers and
    hidden neurons send no more than `largest_spike`."""
    import torch

    largest = 0.0
    found = {}
    for layer, connection in connections(network):
        real = connection.weight.astype(np.float64) * 2.0**connection.exponent
        units = network.coding.kind in {"graded", "given"} and connection.source == INPUT
        sums = np.abs(real).reshape(len(real), -1).sum(1).max() * connection.area
        largest = max(largest, float(sums) * (GRADED_LEVELS if units else largest_spike))
        index = layer.connections.index(connection)
        found[f"{layer.name}.{index}"] = torch.from_numpy(real)
    kind = torch.float32 if largest < _FLOAT32_EXACT / 2 else torch.float64
    return {name: value.to(kind) for name, value in found.items()}


class _Layer:
    """The state of one layer of some samples."""

    def __init__(self, layer: SpikingLayer, dynamics: Dynamics, network: SpikingNetwork) -> None:
        self.layer, self.dynamics, self.network = layer, dynamics, network
        self.potential: torch.Tensor | None = None
        self.balance: torch.Tensor | None = None

    def step(self, current: torch.Tensor) -> torch.Tensor:
        import torch

        def per_channel(values: Array) -> torch.Tensor:
            return torch.tensor(values, dtype=current.dtype)[:, None, None]

        if self.potential is None:
            self.potential = torch.zeros_like(current) + per_channel(self.layer.v0)
            self.bias = per_channel(self.layer.bias)
            self.balance = torch.zeros_like(current) if self.network.signed else None
        v = self.potential
        v += current
        v += self.bias
        if self.dynamics.limits is not None:
            v.clamp_(*self.dynamics.limits)
        threshold = self.layer.threshold
        assert threshold is not None
        fired = ((v > threshold) if self.dynamics.strict else (v >= threshold)).to(v.dtype)
        if self.dynamics.several:
            fired *= torch.floor(v / threshold)
        if self.balance is not None:
            fired -= ((v < 0) & (self.balance > 0)).to(v.dtype)
            self.balance += fired
        if self.network.reset == "zero":
            v *= 1 - fired
        else:
            v -= fired * threshold
        return fired


def _run(
    network: SpikingNetwork,
    weights: Mapping[str, torch.Tensor],
    dynamics: Dynamics,
    source: Encoder | _Given,
    checkpoints: Sequence[int],
    trace: Trace,
    *,
    record: bool,
) -> None:
    """Some samples, added to `trace`.

    The read-out is linear in the number of its sources' spikes: it is computed at checkpoints only.
    """
    import torch

    hidden = [_Layer(layer, dynamics, network) for layer in network.layers[:-1]]
    readout = network.layers[-1]
    counted: dict[str, torch.Tensor] = {}
    trains: dict[str, list[torch.Tensor]] = {}
    kind = next(iter(weights.values())).dtype
    before: dict[str, torch.Tensor] = {}
    for step in range(1, max(checkpoints) + 1):
        now = {INPUT: source.step().to(kind)}
        if dynamics.delay and not before:
            before = {INPUT: torch.zeros_like(now[INPUT])}
            for layer in network.layers[:-1]:
                before[layer.name] = torch.zeros((len(now[INPUT]), *layer.shape), dtype=kind)
        arriving = before if dynamics.delay else now
        # What arrived so far at the read-out; without delay, after this step's spikes.
        if dynamics.delay:
            _count(readout, arriving, counted)
        for state in hidden:
            layer = state.layer
            parts = [
                apply(c, weights[f"{layer.name}.{i}"], arriving[c.source])
                for i, c in enumerate(layer.connections)
            ]
            now[layer.name] = state.step(sum(parts[1:], parts[0]))
        if not dynamics.delay:
            _count(readout, now, counted)
        _tally(now, trace)
        if record:
            for name, spikes in now.items():
                trains.setdefault(name, []).append(spikes.to(torch.int16))
        if step in checkpoints:
            value = _readout(readout, weights, counted, step)
            past = trace.potentials.get(step)
            trace.potentials[step] = value if past is None else np.concatenate([past, value])
        before = now
    for name, listed in trains.items():
        train = torch.stack(listed).numpy()
        old = trace.trains.get(name)
        trace.trains[name] = train if old is None else np.concatenate([old, train], axis=1)


def _count(
    readout: SpikingLayer, arriving: Mapping[str, torch.Tensor], counted: dict[str, torch.Tensor]
) -> None:
    for connection in readout.connections:
        name = connection.source
        spikes = arriving[name].double()
        counted[name] = counted[name] + spikes if name in counted else spikes


def _tally(now: Mapping[str, torch.Tensor], trace: Trace) -> None:
    for name, spikes in now.items():
        total = (spikes != 0).sum(0).numpy() if name == INPUT else spikes.abs().sum(0).numpy()
        old = trace.spikes.get(name)
        trace.spikes[name] = total.astype(np.float64) if old is None else old + total


def _readout(
    layer: SpikingLayer,
    weights: Mapping[str, torch.Tensor],
    counted: Mapping[str, torch.Tensor],
    step: int,
) -> Array:
    import torch

    parts = [
        apply(c, weights[f"{layer.name}.{i}"].double(), counted[c.source])
        for i, c in enumerate(layer.connections)
    ]
    constant = torch.as_tensor(layer.v0 + step * layer.bias.astype(np.float64))
    value: Array = (sum(parts[1:], parts[0]) + constant[:, None, None]).numpy()
    return value


def outputs_at(network: SpikingNetwork, trace: Trace, steps: int) -> Array:
    """The model's outputs from the second half of `steps`, float32 (samples, *output shape)."""
    start = steps // 2
    grown = trace.potentials[steps] - trace.potentials[start]
    values = grown / (network.readout_scale * (steps - start))
    result: Array = values.astype(np.float32).reshape(len(values), *network.output_shape)
    return result


@dataclass(frozen=True)
class Activity:
    """What one inference costs on average: spikes of all populations, and synaptic operations: the
    synapses that these spikes reached, by layer and in all."""

    spikes: float
    operations: float
    by_layer: dict[str, float]


def activity_of(network: SpikingNetwork, trace: Trace) -> Activity:
    """Spikes and synaptic operations per sample of a simulation, over all of its steps."""
    reached: dict[str, float] = {}
    for layer, connection in connections(network):
        spread = fan_out(connection, network.shape_of(connection.source))
        total = float((trace.spikes[connection.source] * spread).sum()) / trace.samples
        reached[layer.name] = reached.get(layer.name, 0.0) + total
    spikes = sum(float(count.sum()) for count in trace.spikes.values()) / trace.samples
    return Activity(spikes, sum(reached.values()), reached)
