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
from edgecompile.backends.spiking.network import INPUT, RateNetwork
from edgecompile.graph.hub import Array

if TYPE_CHECKING:
    import torch

LEVELS = 8
"""Steps of the staircase that a ceiling is chosen for."""
_BATCH = 64
_MOST_VALUES = 200_000
"""Activities of a layer that its ceiling is chosen by, evenly spread."""
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


def with_ceilings(network: RateNetwork, samples: Array) -> RateNetwork:
    """The ceilings that make the least squared error of the staircase on `samples`, layer by layer
    in the float network; and the scale of the input."""
    import torch

    weights = tensors(network)
    collected: dict[str, list[Array]] = {layer.name: [] for layer in network.layers[:-1]}
    kept = max(1, _MOST_VALUES // max(1, len(samples)))
    with torch.no_grad():
        for start in range(0, len(samples), _BATCH):
            seen: dict[str, Any] = {}
            part = samples[start : start + _BATCH]
            forward(network, images(part, network), weights, seen=seen)
            for name, activity in seen.items():
                flat = activity.flatten(1).numpy()
                # A prime stride visits all channels and places; the rest of a row is left out.
                stride = max(1, flat.shape[1] // kept) | 1
                collected[name].append(flat[:, ::stride].ravel())
    layers = tuple(
        replace(layer, ceiling=best_ceiling(np.concatenate(collected[layer.name])))
        for layer in network.layers[:-1]
    )
    return replace(
        network,
        layers=(*layers, network.layers[-1]),
        input_scale=float(np.abs(samples).max()) or 1.0,
        input_signed=bool((samples < 0).any()),
    )


def best_ceiling(activity: Array, levels: int = LEVELS) -> float:
    """The ceiling at which the staircase has the least mean squared error on `activity`."""
    largest = float(activity.max())
    if largest <= 0:
        return 1.0  # a layer that is silent: any will do
    positive = activity[activity > 0].astype(np.float64)
    errors = []
    for share in _CANDIDATES:
        ceiling = share * largest
        steps = np.clip(np.floor(positive * levels / ceiling + 0.5), 0, levels) / levels
        errors.append(float(np.square(steps * ceiling - positive).sum()))
    return float(_CANDIDATES[int(np.argmin(errors))] * largest)
