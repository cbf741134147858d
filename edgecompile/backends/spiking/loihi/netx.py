"""The network as Lava's network exchange file (netx), an HDF5 file that lava-dl loads.

It holds a chain of convolutions and dense layers of LIF neurons: no addition of two layers, no
pool (which is folded into kernels), no initial potential, no reset by subtraction.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.backends.spiking.loihi.fixed_point import bias_exponent
from edgecompile.backends.spiking.network import (
    INPUT,
    Connection,
    Shape,
    SpikingLayer,
    SpikingNetwork,
)
from edgecompile.backends.spiking.symmetric import with_equal_pads, with_pool_in_kernel

_NO_CURRENT_MEMORY = 4096
"""iDecay: the current of a step is gone in the next; vDecay 0: potentials do not leak."""
_UNREACHED = 2**17 - 1


def netx_refusal(network: SpikingNetwork) -> str | None:
    """Why the network cannot be such a file; None if it can."""
    if network.reset == "sigma-delta":
        return "netx's sigma-delta neurons have no ceiling, and work from the first step on"
    before = INPUT
    for layer in network.layers:
        if len(layer.connections) > 1:
            return f"{layer.name} adds several layers, and a netx file holds chains only"
        (connection,) = layer.connections
        if connection.source != before:
            return f"{layer.name} does not follow {before}, and a netx file holds chains only"
        if connection.exponent or bias_exponent(layer):
            return f"{layer.name} has weights or biases with an exponent, which netx does not read"
        before = layer.name
    return None


def write_netx(network: SpikingNetwork, path: Path, steps: int) -> None:
    """Write the chain; the same network gives the same bytes."""
    import h5py

    with h5py.File(path, "w") as file:
        first = _group(file, 0, "input")
        first["shape"] = np.array(network.input_shape)
        number, shape = 1, network.input_shape
        for layer in network.layers:
            (connection,) = layer.connections
            if connection.is_dense and shape[1:] != (1, 1):
                flat = _group(file, number, "flatten")
                flat["shape"] = np.array([int(np.prod(shape)), 1, 1])
                number += 1
            _write_layer(_group(file, number, _kind(connection)), layer, connection, shape)
            number, shape = number + 1, layer.shape
        simulation = file.create_group("simulation")
        simulation["Ts"], simulation["tSample"] = 1, steps


def _kind(connection: Connection) -> str:
    return "dense" if connection.is_dense else "conv"


def _group(file: Any, number: int, kind: str) -> Any:
    group = file.create_group(f"layer/{number}")
    group.create_dataset("type", (1,), "S10", [kind.encode("ascii")])
    return group


def _write_layer(group: Any, layer: SpikingLayer, connection: Connection, source: Shape) -> None:
    if connection.is_dense:
        weight = spread_over_windows(connection, source)
        group["shape"] = np.array([weight.shape[0], 1, 1])
        group["inFeatures"], group["outFeatures"] = weight.shape[1], weight.shape[0]
    else:
        connection = with_pool_in_kernel(with_equal_pads(connection))
        weight = connection.weight
        group["shape"] = np.array(layer.shape)
        group["inChannels"], group["outChannels"] = source[0], weight.shape[0]
        group["kernelSize"] = np.array(weight.shape[2:])
        group["stride"] = np.array(connection.stride)
        group["padding"] = np.array(connection.pads[:2])
        group["dilation"] = np.array(connection.dilation)
        group["groups"] = connection.groups
    group["weight"] = weight.astype(np.float32)
    group["bias"] = layer.bias.astype(np.float32)
    neuron = group.create_group("neuron")
    neuron["type"] = "LOIHI"
    neuron["iDecay"], neuron["vDecay"] = _NO_CURRENT_MEMORY, 0
    neuron["vThMant"] = _UNREACHED if layer.threshold is None else int(layer.threshold)
    neuron["refDelay"], neuron["wgtExp"] = 1, 0


def spread_over_windows(connection: Connection, source: Shape) -> np.ndarray[Any, Any]:
    """The matrix of a dense connection whose source is pooled first, over the unpooled source."""
    if connection.area == 1:
        return connection.weight
    height, width = source[1] // connection.pool[0], source[2] // connection.pool[1]
    weight = connection.weight.reshape(-1, source[0], height, width)
    weight = weight.repeat(connection.pool[0], axis=2).repeat(connection.pool[1], axis=3)
    missing = (source[1] - weight.shape[2], source[2] - weight.shape[3])
    weight = np.pad(weight, ((0, 0), (0, 0), (0, missing[0]), (0, missing[1])))
    return weight.reshape(len(weight), -1)
