"""Sigma-delta neurons: they add up what they are sent, and send by how much their activity changed.

Of a sample that stands still each neuron changes once, from 0 to its activity, and sends it as one
graded spike: a layer works when all of its inputs are there, and not before. So it starts in the
step that is its depth, and connections that skip layers wait for those that do not (`delays`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgecompile.backends.spiking.coding import Encoder
from edgecompile.backends.spiking.loihi.fixed_point import LARGEST_WEIGHT, ROOM, in_whole_numbers
from edgecompile.backends.spiking.maps import apply
from edgecompile.backends.spiking.network import (
    INPUT,
    InputCoding,
    Message,
    RateLayer,
    RateNetwork,
    SpikingLayer,
    SpikingNetwork,
    depths,
)
from edgecompile.backends.spiking.rates import rescaled
from edgecompile.backends.spiking.simulate import Trace, exact_weights
from edgecompile.graph.hub import Array

if TYPE_CHECKING:
    import torch

LARGEST_MESSAGE = 255
"""A graded spike may carry up to 24 bits; a byte is what activations need."""
LARGEST_SUM = 2**23 - 1
LONGEST_DELAY = 62
"""Steps that a synapse may hold a spike back (6 bits, of which lava-dl 0.6.0 uses up to 62)."""
_MOST_APART = 4
"""Bits by which connections into one layer may differ in size."""
_BATCH = 50


def to_sigma_delta(network: RateNetwork, peak: float) -> tuple[SpikingNetwork, dict[str, Array]]:
    """The network in the chip's whole numbers, and by layer what each channel was scaled by. Every
    hidden layer must have a ceiling.

    Each channel has a scale of its own, so that its weights use all 8 bits; what a message of it
    stands for goes into the weights that it meets. No sum of a hidden neuron can leave 24 bits,
    whatever the input; the read-out's holds twice the largest output that is expected, `peak`.
    """
    coding = InputCoding("graded", network.input_scale, network.input_signed)
    channels = network.input_shape[0]
    unit = {INPUT: np.full(channels, coding.unit)}
    most = {INPUT: np.full(channels, LARGEST_MESSAGE)}
    layers, by_layer = [], {}
    for layer in network.layers:
        real = _in_messages(layer, unit)
        if layer.ceiling is None:
            scale = min(float(_finest(real).min()), LARGEST_SUM / max(ROOM * peak, 1e-9))
            by_layer[layer.name] = np.full(layer.shape[0], scale)
            layers.append(in_whole_numbers(real, scale))
            continue
        scales = np.minimum(_finest(real), LARGEST_SUM / _largest_sums(real, most))
        wanted = layer.ceiling * scales
        shift = np.maximum(0, np.ceil(np.log2(wanted / LARGEST_MESSAGE))).astype(np.int64)
        top = np.clip(np.rint(wanted / 2.0**shift), 1, LARGEST_MESSAGE).astype(np.int64)
        by_layer[layer.name] = scales
        unit[layer.name], most[layer.name] = 2.0**shift / scales, top
        whole = in_whole_numbers(real, scales)
        message = Message(top, shift)
        layers.append(replace(whole, threshold=float(top.max()), message=message))
    whole_network = SpikingNetwork(
        network.input_shape,
        tuple(layers),
        coding,
        "sigma-delta",
        readout_scale=scale,
        output_shape=network.output_shape,
        sample_shape=network.sample_shape,
    )
    return whole_network, by_layer


def _in_messages(layer: RateLayer, unit: Mapping[str, Array]) -> SpikingLayer:
    """The layer with weights for what a unit of its sources' messages stands for."""
    zero = np.zeros(layer.shape[0])
    weighted = tuple(
        replace(c, weight=rescaled(c, unit[c.source], zero + 1)) for c in layer.connections
    )
    return SpikingLayer(layer.name, layer.shape, weighted, layer.bias, None, zero, layer.origin)


def _finest(layer: SpikingLayer) -> Array:
    """The largest scale of each channel that all of its weights have room for.

    Connections into one layer differ by powers of two, as their usual sizes do.
    """
    sizes = np.stack([_rows(c.weight).max(1) for c in layer.connections])
    usual = np.array([np.median(row[row > 0]) if row.any() else 0 for row in sizes])
    least = usual[usual > 0].min() if usual.any() else 1.0
    apart = np.clip(np.floor(np.log2(np.maximum(usual, least) / least)), 0, _MOST_APART)
    needed = (sizes / 2.0 ** apart[:, None]).max(0)
    # A channel without weights takes the scale of the others.
    needed = np.where(needed > 0, needed, np.median(needed[needed > 0]) if needed.any() else 1.0)
    finest: Array = LARGEST_WEIGHT / needed
    return finest


def _rows(weight: Array) -> Array:
    rows: Array = np.abs(weight.astype(np.float64)).reshape(len(weight), -1)
    return rows


def _largest_sums(layer: SpikingLayer, most: Mapping[str, Array]) -> Array:
    """That any messages could give, for each channel: hidden ones have no sign, those of the input
    may have."""
    up = np.maximum(layer.bias, 0).astype(np.float64)
    down = np.maximum(-layer.bias, 0).astype(np.float64)
    for connection in layer.connections:
        filled = rescaled(connection, most[connection.source], np.ones(layer.shape[0]))
        rows = filled.reshape(len(filled), -1).astype(np.float64) * connection.area
        above, below = np.maximum(rows, 0).sum(1), np.maximum(-rows, 0).sum(1)
        if connection.source == INPUT:
            above = below = above + below
        up, down = up + above, down + below
    largest = np.maximum(up, down)
    filled_channels: Array = np.where(largest > 0, largest, 1.0)
    return filled_channels


def steps_of(network: SpikingNetwork) -> int:
    """Steps until the read-out has everything: the input is sent in the first."""
    return network.depth_of(network.layers[-1].name) + 1


def delays(network: RateNetwork | SpikingNetwork) -> dict[str, list[int]]:
    """Steps that each connection holds spikes back, by layer: none in a chain."""
    depth = depths(network.layers)
    return {
        layer.name: [depth[layer.name] - 1 - depth[c.source] for c in layer.connections]
        for layer in network.layers
    }


def simulate_sigma_delta(network: SpikingNetwork, samples: Array, *, record: bool = False) -> Trace:
    """Every sample until the read-out has everything; `potentials` has its sum at that step.

    Layer by layer, which is step by step: each works in one step only.
    """
    import torch

    steps = steps_of(network)
    trace = Trace(len(samples), steps)
    weights = exact_weights(network, LARGEST_MESSAGE)
    kind = next(iter(weights.values())).dtype
    sums = []
    with torch.no_grad():
        for start in range(0, len(samples), _BATCH):
            part = np.ascontiguousarray(samples[start : start + _BATCH], np.float32)
            images = torch.from_numpy(part).reshape(len(part), *network.input_shape)
            sent = {INPUT: Encoder(network.coding, images).step().to(kind)}
            for layer in network.layers:
                total = sum_of(layer, weights, sent, layer.bias)
                if layer.message is None:
                    sent[layer.name] = total.clamp(-LARGEST_SUM, LARGEST_SUM)
                else:
                    sent[layer.name] = message_of(layer.message, total)
            sums.append(sent.pop(network.layers[-1].name).double().numpy())
            _note(network, sent, trace, record=record)
    trace.potentials[steps] = np.concatenate(sums)
    return trace


def sum_of(
    layer: SpikingLayer,
    weights: Mapping[str, torch.Tensor],
    sent: Mapping[str, torch.Tensor],
    bias: Array,
) -> torch.Tensor:
    """What a layer's neurons add up, by `weights` and `bias` in place of its own."""
    import torch

    parts = [
        apply(c, weights[f"{layer.name}.{i}"], sent[c.source])
        for i, c in enumerate(layer.connections)
    ]
    total: torch.Tensor = sum(parts[1:], parts[0])
    return total + torch.tensor(bias, dtype=total.dtype)[:, None, None]


def message_of(message: Message, total: torch.Tensor) -> torch.Tensor:
    """What neurons with these sums send."""
    import torch

    def per_channel(values: Array) -> torch.Tensor:
        return torch.tensor(values, dtype=total.dtype)[:, None, None]

    half = (1 << message.shift) >> 1
    size = per_channel(1 << message.shift)
    rounded = torch.floor((total.clamp(min=0) + per_channel(half)) / size)
    return torch.minimum(rounded, per_channel(message.top))


def _note(
    network: SpikingNetwork, sent: Mapping[str, torch.Tensor], trace: Trace, *, record: bool
) -> None:
    """Add how many messages each neuron sent, and if wished the messages, in the step of each."""
    depth = depths(network.layers)
    for name, messages in sent.items():
        counted = (messages != 0).sum(0).numpy().astype(np.float64)
        trace.spikes[name] = trace.spikes.get(name, 0) + counted
        if record:
            train = np.zeros((trace.steps, *messages.shape), np.int16)
            train[depth[name]] = messages.numpy()
            old = trace.trains.get(name)
            trace.trains[name] = train if old is None else np.concatenate([old, train], axis=1)


def settled_outputs(network: SpikingNetwork, trace: Trace) -> Array:
    """The model's outputs, float32 (samples, *output shape)."""
    values = trace.potentials[trace.steps] / network.readout_scale
    result: Array = values.astype(np.float32).reshape(len(values), *network.output_shape)
    return result
