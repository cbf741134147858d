"""The chip's configuration in the names that samna has for its fields, as plain data.

Names and orders are those that sinabs 3.1.3 writes (`DynapcnnConfigBuilder`): kernels as
(output, input, x, y), potentials as (feature, x, y). samna itself was not at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecompile.backends.spiking.network import INPUT, Connection, SpikingNetwork
from edgecompile.backends.spiking.speck.events import FLOOR
from edgecompile.graph.hub import Array

FORMAT = "edgecompile.speck/1"
WARNING = "not validated by the vendor: samna was not at hand when this file was made"


def configuration_of(
    network: SpikingNetwork, cores: Sequence[int], chip: str, steps: int
) -> dict[str, Any]:
    """The body of ``speck2f.json``; `cores` are those of the layers before the read-out."""
    layers = network.layers[:-1]
    core_of = {layer.name: core for layer, core in zip(layers, cores, strict=True)}
    bodies: dict[str, Any] = {}
    for layer in layers:
        (connection,) = layer.connections
        destinations = [
            {"enable": True, "layer": core_of[reader.name], "pooling": c.pool[0]}
            for reader in layers
            for c in reader.connections
            if c.source == layer.name
        ]
        assert layer.threshold is not None
        bodies[str(core_of[layer.name])] = {
            "dimensions": _dimensions(network, connection, layer.shape),
            "weights": _whole(connection.weight.swapaxes(2, 3)),
            "biases": _whole(layer.bias),
            "leak_enable": bool(layer.bias.any()),
            "threshold_high": int(layer.threshold),
            "threshold_low": FLOOR,
            "return_to_zero": False,
            "neurons_initial_value": _whole(
                np.broadcast_to(
                    layer.v0[:, None, None], (layer.shape[0], layer.shape[2], layer.shape[1])
                )
            ),
            "monitor_enable": layer is layers[-1],
            "destinations": destinations,
        }
    first = next(x for x in layers if x.connections[0].source == INPUT)
    return {
        "format": FORMAT,
        "validated": WARNING,
        "chip": chip,
        "steps": steps,
        "input": {"layer": core_of[first.name], "features": network.input_shape[0]},
        "output": {
            "layer": core_of[layers[-1].name],
            "features": layers[-1].shape[0],
            "spikes_per_unit_and_step": network.readout_scale,
        },
        "configuration": {
            "dvs_layer": {"pass_sensor_events": False},
            "cnn_layers": bodies,
        },
    }


def _dimensions(
    network: SpikingNetwork, connection: Connection, shape: tuple[int, int, int]
) -> dict[str, Any]:
    channels, *sizes = network.shape_of(connection.source)
    height, width = (sizes[i] // connection.pool[i] for i in range(2))
    return {
        "input_shape": {"feature_count": channels, "size": {"x": width, "y": height}},
        "output_shape": {"feature_count": shape[0], "size": {"x": shape[2], "y": shape[1]}},
        "padding": {"x": connection.pads[1], "y": connection.pads[0]},
        "stride": {"x": connection.stride[1], "y": connection.stride[0]},
        "kernel_size": connection.weight.shape[2],
    }


def _whole(values: Array) -> Any:
    return np.rint(values).astype(np.int64).tolist()
