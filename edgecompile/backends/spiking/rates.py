"""The ANN of a `RateNetwork` as a torch module, its activities, and the ceilings that they suggest.

The activation is ReLU below a ceiling, or its staircase (Bu et al., Optimal ANN-SNN conversion,
ICLR 2022): ``floor(x * levels / ceiling + 1/2)`` steps, the rate that an integrate-and-fire neuron
which starts half full reaches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecompile.backends.spiking.maps import apply
from edgecompile.backends.spiking.network import INPUT, Connection, RateNetwork
from edgecompile.graph.hub import Array

if TYPE_CHECKING:
    import torch

LEVELS = 8
"""Steps of the staircase that a ceiling is chosen for, unless said otherwise."""
_BATCH = 64
_MOST_VALUES = 20_000
"""Activities of a channel that its ceiling is chosen by, evenly spread."""
_LEAST_SHARE = 0.25
"""Of a layer's ceiling: the least that a channel's may be."""
_CANDIDATES = np.linspace(0.1, 1.0, 46)
"""Ceilings tried, as shares of the largest activity."""


def images(samples: Array, network: RateNetwork) -> torch.Tensor:
    """Samples in the user's shape -> (samples, channels, height, width), float32."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(samples, np.float32)).reshape(
        -1, *network.input_shape
    )


def forward(
    network: RateNetwork,
    x: torch.Tensor,
    weights: dict[str, torch.Tensor],
    *,
    levels: int | None = None,
    seen: dict[str, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Outputs (samples, *output shape) of images. `weights` as `tensors` gives them; with `levels`,
    activations are staircases; `seen` collects the activity of each layer."""
    import torch

    activity = {INPUT: x}
    total = x
    for layer in network.layers:
        parts = [
            apply(connection, weights[f"{layer.name}.{index}"], activity[connection.source])
            for index, connection in enumerate(layer.connections)
        ]
        total = sum(parts[1:], parts[0]) + weights[f"{layer.name}.bias"][:, None, None]
        if layer is network.layers[-1]:
            break
        ceiling = weights.get(f"{layer.name}.ceiling")
        if ceiling is None:
            total = torch.relu(total)
        elif levels is None:
            total = torch.minimum(torch.relu(total), ceiling)
        else:
            share = (total / ceiling).clamp(0, 1)
            steps = torch.floor(share * levels + 0.5) / levels
            total = (share + (steps - share).detach()) * ceiling  # straight-through
        activity[layer.name] = total
        if seen is not None:
            seen[layer.name] = total
    return total.reshape(len(x), *network.output_shape)


def tensors(network: RateNetwork) -> dict[str, torch.Tensor]:
    """Weights, biases and ceilings by name, copied."""
    import torch

    found = {}
    for layer in network.layers:
        for index, connection in enumerate(layer.connections):
            found[f"{layer.name}.{index}"] = torch.tensor(connection.weight, dtype=torch.float32)
        found[f"{layer.name}.bias"] = torch.tensor(layer.bias, dtype=torch.float32)
        if layer.ceiling is not None:
            found[f"{layer.name}.ceiling"] = torch.tensor(layer.ceiling, dtype=torch.float32)
    return found


def with_tensors(network: RateNetwork, values: dict[str, torch.Tensor]) -> RateNetwork:
    """The network with the numbers of `values`."""
    layers = []
    for layer in network.layers:
        connections = tuple(
            replace(c, weight=values[f"{layer.name}.{index}"].detach().numpy().copy())
            for index, c in enumerate(layer.connections)
        )
        ceiling = values.get(f"{layer.name}.ceiling")
        layers.append(
            replace(
                layer,
                connections=connections,
                bias=values[f"{layer.name}.bias"].detach().numpy().copy(),
                ceiling=None if ceiling is None else float(ceiling.detach()),
            )
        )
    return replace(network, layers=tuple(layers))


def outputs_of(network: RateNetwork, samples: Array, levels: int | None = None) -> Array:
    """The ANN's outputs, float32 (samples, *output shape)."""
    import torch

    weights, x = tensors(network), images(samples, network)
    with torch.no_grad():
        parts = [forward(network, part, weights, levels=levels) for part in torch.split(x, _BATCH)]
    result: Array = torch.cat(parts).numpy()
    return result


def with_average_pools(network: RateNetwork) -> RateNetwork:
    """Maximum pools as averages: another function, which fine-tuning has to make good."""
    layers = tuple(
        replace(
            layer,
            connections=tuple(
                replace(c, pooling="sum", weight=c.weight / np.float32(c.area))
                if c.pooling == "max"
                else c
                for c in layer.connections
            ),
        )
        for layer in network.layers
    )
    return replace(network, layers=layers)


def with_ceilings(network: RateNetwork, samples: Array, levels: int = LEVELS) -> RateNetwork:
    """Every activation at most 1, and the scale of the input.

    A channel's ceiling has the least squared error of the staircase of `levels` on `samples`, in
    the float network. The channel's weights are divided by it, and those that its activity meets
    are multiplied: the same function up to the ceilings, with neurons of one threshold that all
    use the whole range of rates, and weights of similar size, which a chip's few bits hold better.
    """
    found = _channel_ceilings(network, samples, levels)
    found[INPUT] = np.ones(network.input_shape[0])
    layers = []
    for layer in network.layers:
        own = found.get(layer.name, np.ones(layer.shape[0]))
        connections = tuple(
            replace(c, weight=rescaled(c, found[c.source], own)) for c in layer.connections
        )
        bias = (layer.bias / own).astype(np.float32)
        ceiling = 1.0 if layer.name in found else None
        layers.append(replace(layer, connections=connections, bias=bias, ceiling=ceiling))
    return replace(
        network,
        layers=tuple(layers),
        input_scale=float(np.abs(samples).max()) or 1.0,
        input_signed=bool((samples < 0).any()),
    )


def rescaled(connection: Connection, before: Array, own: Array) -> Array:
    """The weights of activities that are in units of `before`, for currents in units of `own`."""
    weight = connection.weight.astype(np.float64)
    if connection.is_dense:
        pixels = weight.shape[1] // len(before)
        dense: Array = (weight * np.repeat(before, pixels) / own[:, None]).astype(np.float32)
        return dense
    outputs, each = weight.shape[0] // connection.groups, weight.shape[1]
    for group in range(connection.groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        weight[rows] *= before[group * each : (group + 1) * each, None, None]
    rescaled: Array = (weight / own[:, None, None, None]).astype(np.float32)
    return rescaled


def _channel_ceilings(network: RateNetwork, samples: Array, levels: int) -> dict[str, Array]:
    import torch

    weights = tensors(network)
    collected: dict[str, list[Array]] = {layer.name: [] for layer in network.layers[:-1]}
    with torch.no_grad():
        for part in torch.split(images(samples, network), _BATCH):
            seen: dict[str, Any] = {}
            forward(network, part, weights, seen=seen)
            for name, activity in seen.items():
                rows = activity.flatten(2).numpy()
                kept = max(1, _MOST_VALUES // len(samples))
                # An odd stride visits all rows of an image in turn; the rest is left out.
                stride = -(-rows.shape[2] // kept) | 1
                chosen = rows[:, :, ::stride].swapaxes(0, 1)
                collected[name].append(chosen.reshape(len(chosen), -1))
    found = {}
    for name, parts in collected.items():
        activity = np.concatenate(parts, axis=1)
        ceilings = np.array([best_ceiling(channel, levels) for channel in activity])
        # A channel that is seldom active tells little about itself.
        found[name] = np.maximum(ceilings, _LEAST_SHARE * ceilings.max() or 1.0)
    return found


def best_ceiling(activity: Array, levels: int = LEVELS) -> float:
    """The ceiling with the least squared error of the staircase on `activity`; 0 if all is 0."""
    largest = float(activity.max())
    if largest <= 0:
        return 0.0
    positive = activity[activity > 0].astype(np.float64)
    errors = []
    for share in _CANDIDATES:
        ceiling = share * largest
        steps = np.clip(np.floor(positive * levels / ceiling + 0.5), 0, levels) / levels
        errors.append(float(np.square(steps * ceiling - positive).sum()))
    return float(_CANDIDATES[int(np.argmin(errors))] * largest)
