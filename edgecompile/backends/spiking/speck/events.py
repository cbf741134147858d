"""The chip event by event: each spike, when it arrives, changes neurons that may fire at once.

There are no steps on the chip. A step is what the host sends in a time: the events of one step
arrive in an order that nobody decides. Here it is by chance, from the events themselves: the same
sample takes the same course on every machine and in every batch.

A neuron is touched by the events of its own window only, and cores hand events on in the order in
which they made them. So layers are computed one after the other, and within a layer all windows of
many samples at a time: the first event of each, the second of each, and so on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecompile.backends.spiking.coding import Encoder
from edgecompile.backends.spiking.network import INPUT, Connection, Shape, SpikingNetwork
from edgecompile.backends.spiking.simulate import Trace
from edgecompile.graph.hub import Array

FLOOR = -(2**15) + 128
"""Where potentials stop falling (the field `threshold_low`): 16 bits hold any weight below it."""
_SAMPLES = 128
_LANES = 2**18
"""States of windows that are stepped together: they stay in a core's cache."""


@dataclass(frozen=True)
class _Events:
    """What a population sent for one sample, in order: the neuron (of `shape`, flat), the step."""

    neuron: Array
    step: Array


@dataclass(frozen=True)
class _Schedule:
    """The events of every window of a layer, window by window, of one sample: the `row` of the
    layer's table that each adds, and its `key`, which numbers the events of the sample, ticks among
    them, as they arrive. `lengths` are those of the windows, `starts` the keys of the ticks."""

    row: Array
    key: Array
    lengths: Array
    starts: Array


def simulate_events(
    network: SpikingNetwork,
    samples: Array,
    checkpoints: Sequence[int],
    *,
    record: bool = False,
    given: Array | None = None,
) -> Trace:
    """Run every sample for max(checkpoints) steps; what the read-out counted at each of them.

    `network` has whole numbers, one connection per layer, and a read-out that counts. As
    `simulate.simulate`, of which the trace is one too: recorded trains hold how often a neuron
    fired in a step. `given` are spikes of the input in place of `samples`.
    """
    steps = max(checkpoints)
    count = len(samples) if given is None else given.shape[1]
    trace = Trace(count, steps)
    shapes = {INPUT: network.input_shape} | {x.name: x.shape for x in network.layers[:-1]}
    parts = []
    for start in range(0, count, _SAMPLES):
        chosen = slice(start, start + _SAMPLES)
        if given is None:
            trains = _encoded(network, samples[chosen], steps)
        else:
            trains = np.asarray(given[:, chosen])
        sent = _run(network, trains)
        for name, events in sent.items():
            neurons = np.concatenate([e.neuron for e in events])
            total = np.bincount(neurons, minlength=math.prod(shapes[name])).astype(np.float64)
            trace.spikes[name] = trace.spikes.get(name, 0.0) + total.reshape(shapes[name])
        _read_out(network, sent, checkpoints, trace)
        if record:
            parts.append({n: _counted(e, shapes[n], steps) for n, e in sent.items()})
    if record:
        trace.trains = {name: np.concatenate([p[name] for p in parts], 1) for name in shapes}
    return trace


def _encoded(network: SpikingNetwork, samples: Array, steps: int) -> Array:
    import torch

    channels, height, width = network.input_shape
    channels //= 2 if network.coding.on_off else 1
    part = np.ascontiguousarray(samples, np.float32).reshape(-1, channels, height, width)
    encoder = Encoder(network.coding, torch.from_numpy(part))
    return np.stack([encoder.step().numpy() for _ in range(steps)]).astype(np.int8)


def _run(network: SpikingNetwork, trains: Array) -> dict[str, list[_Events]]:
    """What each population sent, by sample."""
    steps = len(trains)
    sent = {INPUT: [_first(trains[:, index]) for index in range(trains.shape[1])]}
    for layer in network.layers[:-1]:
        (connection,) = layer.connections
        core = _Core(connection, network.shape_of(connection.source), layer.bias)
        assert layer.threshold is not None
        fired: list[_Events] = []
        size = max(1, _LANES // (core.windows * core.features))
        events = sent[connection.source]
        for start in range(0, len(events), size):
            chunk = [core.schedule(e, steps) for e in events[start : start + size]]
            fired += core.step(chunk, int(layer.threshold), layer.v0)
        sent[layer.name] = fired
    return sent


def _first(train: Array) -> _Events:
    step, neuron = np.nonzero(train.reshape(len(train), -1))
    order = np.argsort(_arrival(step, neuron))
    return _Events(neuron[order], step[order])


def _arrival(key: Array, neuron: Array) -> Array:
    """Numbers by whose order neurons that fire by one event (or in one step of the input) arrive:
    by chance, which is a mix of both numbers."""
    mixed = key.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + neuron.astype(np.uint64)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    chance = (mixed >> np.uint64(44)).astype(np.int64)
    return (key.astype(np.int64) << 40) | (chance << 20) | neuron.astype(np.int64)


def _counted(fired: Sequence[_Events], shape: Shape, steps: int) -> Array:
    size = int(np.prod(shape))
    counts = [np.bincount(e.step * size + e.neuron, minlength=steps * size) for e in fired]
    result: Array = np.stack(counts, 0).reshape(len(fired), steps, *shape).swapaxes(0, 1)
    return result.astype(np.int16)


class _Core:
    """One layer: its kernel as rows of weights, one for each place in the window of an event."""

    def __init__(self, connection: Connection, source: Shape, bias: Array) -> None:
        self.pool, self.source = connection.pool, source
        channels, height, width = (source[0], *(source[1 + i] // self.pool[i] for i in range(2)))
        kernel = connection.weight
        if connection.is_dense:
            kernel = kernel.reshape(len(kernel), channels, height, width)
        self.size = (height, width)
        self.kernel = kernel.shape[2:]
        self.stride, self.pads = connection.stride, connection.pads[:2]
        self.features, *out = connection.output_shape(source)
        self.out = (out[0], out[1])
        self.windows = out[0] * out[1]
        rows = kernel.transpose(1, 2, 3, 0).reshape(-1, self.features)
        self.table = np.concatenate([rows, bias[None]]).astype(np.int16)
        self.ticks = bool(bias.any())

    def schedule(self, events: _Events, steps: int) -> _Schedule:
        """Which rows reach which window, by the events of one sample."""
        channel, y, x = np.unravel_index(events.neuron, self.source)
        rows, columns = self._reached(y // self.pool[0], 0), self._reached(x // self.pool[1], 1)
        valid = (rows >= 0)[:, :, None] & (columns >= 0)[:, None, :]
        window = (rows[:, :, None] * np.int32(self.out[1]) + columns[:, None, :])[valid]
        area = self.kernel[0] * self.kernel[1]
        places = np.arange(area, dtype=np.int32).reshape(1, *self.kernel)
        row = ((channel * area).astype(np.int32)[:, None, None] + places)[valid]
        reached = valid.sum((1, 2))
        starts = np.searchsorted(events.step, np.arange(steps)) + np.arange(steps)
        key = (np.arange(len(y)) + events.step + 1).astype(np.int32).repeat(reached)
        kind = np.int16 if self.windows < 2**15 else np.int32  # a radix sort
        order = np.argsort(window.astype(kind), kind="stable")
        row, key = row[order], key[order]
        lengths = np.bincount(window, minlength=self.windows)
        if self.ticks:
            step = events.step.repeat(reached)
            row, key = self._with_ticks(window[order], row, key, step[order], lengths, starts)
            lengths = lengths + steps
        return _Schedule(row, key, lengths, starts)

    def _with_ticks(
        self, window: Array, row: Array, key: Array, step: Array, lengths: Array, starts: Array
    ) -> tuple[Array, Array]:
        """In every window the row of biases before the events of each step."""
        steps = len(starts)
        place = np.arange(len(row)) + window * steps + step + 1
        counts = np.bincount(window * steps + step, minlength=self.windows * steps)
        before = np.cumsum(counts) - counts  # events of all windows and steps before
        tick = before + np.arange(self.windows * steps)
        rows = np.empty(len(row) + len(tick), np.int32)
        keys = np.empty_like(rows)
        rows[place], keys[place] = row, key
        rows[tick], keys[tick] = len(self.table) - 1, np.tile(starts, self.windows)
        return rows, keys

    def _reached(self, at: Array, axis: int) -> Array:
        """For each place of the kernel the output row (or column) that sees an event through it, or
        -1."""
        stride = self.stride[axis]
        shifted = at[:, None] + self.pads[axis] - np.arange(self.kernel[axis])
        index = shifted // stride
        outside = (shifted % stride != 0) | (index < 0) | (index >= self.out[axis])
        outside |= (at >= self.size[axis])[:, None]
        return np.where(outside, -1, index).astype(np.int32)

    def step(self, schedules: Sequence[_Schedule], threshold: int, v0: Array) -> list[_Events]:
        """The spikes of the layer for some samples."""
        row, key = (np.concatenate([getattr(s, k) for s in schedules]) for k in ("row", "key"))
        lengths = np.concatenate([s.lengths for s in schedules])
        entry, window, feature, times = self._integrate(row, lengths, threshold, v0)
        neuron = feature * self.windows + window % self.windows
        sample, key = window // self.windows, key[entry]
        result = []
        for index, schedule in enumerate(schedules):
            mine = np.flatnonzero(sample == index)
            order = mine[np.argsort(_arrival(key[mine], neuron[mine]))]
            step = np.searchsorted(schedule.starts, key[order], side="right") - 1
            often = times[order]
            result.append(_Events(neuron[order].repeat(often), step.repeat(often)))
        return result

    def _integrate(
        self, row: Array, lengths: Array, threshold: int, v0: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Entries that made a neuron fire: their places in `row`, window, feature, and how many
        times it fired."""
        # The longest first: those that still have events are then the first ones, at any time.
        by_length = np.argsort(-lengths, kind="stable")
        begins = (np.cumsum(lengths) - lengths)[by_length]
        most = int(lengths.max(initial=0))
        left = len(lengths) - np.searchsorted(np.sort(lengths), np.arange(most), side="right")
        potential = np.zeros((len(lengths), self.features), np.int16) + v0.astype(np.int16)
        weights, over = np.empty_like(potential), np.empty(potential.shape, bool)
        none = np.zeros(0, np.int64)
        fired = [(none, none, none, none)]
        for index, count in enumerate(left.tolist()):
            v, w, mask = potential[:count], weights[:count], over[:count]
            np.take(self.table, row[begins[:count] + index], axis=0, out=w, mode="clip")
            v += w
            np.maximum(v, FLOOR, out=v)
            np.greater_equal(v, threshold, out=mask)
            if not mask.any():
                continue
            lane, feature = np.divmod(np.flatnonzero(mask), self.features)
            times = v[lane, feature] // np.int16(threshold)
            v[lane, feature] -= times * np.int16(threshold)
            fired.append((begins[lane] + index, by_length[lane], feature, times))
        entry, window, feature, times = (np.concatenate(part) for part in zip(*fired, strict=True))
        return entry, window, feature, times


def _read_out(
    network: SpikingNetwork,
    sent: dict[str, list[_Events]],
    checkpoints: Sequence[int],
    trace: Trace,
) -> None:
    """What the host makes of the spikes that it counts."""
    (connection,) = network.layers[-1].connections
    shape = network.shape_of(connection.source)
    weight = connection.weight[:, :, 0, 0].astype(np.float64)
    counts = _counted(sent[connection.source], shape, trace.steps).cumsum(0, dtype=np.int64)
    for step in checkpoints:
        value = np.einsum("oc,schw->sohw", weight, counts[step - 1])
        past = trace.potentials.get(step)
        trace.potentials[step] = value if past is None else np.concatenate([past, value])
