"""Spiking networks as files of the Neuromorphic Intermediate Representation (NIR), there and back.

NIR's own nodes say what is connected and how; its IF node resets to `v_reset` on a spike and starts
at 0. What a chip does otherwise is in metadata: of each IF node the reset and the initial potential
(`v0`, one number per channel), of the graph the coding of the input and the scale of the read-out.
NIR has no sigma-delta neuron: IF nodes of the reset `sigma-delta` stand for them, with the largest
activity as threshold, and their `shift`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.backends.spiking.network import (
    INPUT,
    Connection,
    InputCoding,
    Message,
    Pair,
    Shape,
    SpikingLayer,
    SpikingNetwork,
)
from edgecompile.backends.spiking.symmetric import with_equal_pads
from edgecompile.errors import UserError
from edgecompile.graph.hub import Array

OUTPUT = "output"
_KEY = "edgecompile"


@dataclass(frozen=True)
class NirModel:
    """A network, and what else its file says about it (how many steps it runs, say)."""

    network: SpikingNetwork
    facts: Mapping[str, Any] = field(default_factory=dict)


def write_nir(network: SpikingNetwork, path: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write a network, and facts of plain data; the same network gives the same bytes.

    Padding that is larger on one side becomes kernels with zeros (NIR has one number for two
    sides), and weights have their exponent multiplied in.
    """
    import nir

    # nir 1.0.8 takes the inputs of one group for all inputs of a convolution, and would refuse it.
    metadata = _metadata(network, facts or {})
    graph = nir.NIRGraph(*_graph(network), metadata=metadata, type_check=False)
    nir.write(path, graph)


def _metadata(network: SpikingNetwork, facts: Mapping[str, Any]) -> dict[str, str]:
    body = {
        "coding": asdict(network.coding),
        "reset": network.reset,
        "signed": network.signed,
        "readout_scale": network.readout_scale,
        "sample_shape": network.sample_shape,
        "output_shape": network.output_shape,
        "order": [layer.name for layer in network.layers],
        "facts": facts,
    }
    return {_KEY: json.dumps(body, sort_keys=True)}


def _graph(network: SpikingNetwork) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    import nir

    vectors = {layer.name for layer in network.layers if _is_vector(layer)}
    if len(network.sample_shape) == 1 and any(
        c.source == INPUT and c.is_dense for layer in network.layers for c in layer.connections
    ):
        vectors.add(INPUT)
    start = network.input_shape[: 1 if INPUT in vectors else 3]
    nodes: dict[str, Any] = {INPUT: nir.Input(input_type={"input": np.array(start)})}
    edges: list[tuple[str, str]] = []
    for layer in network.layers:
        is_readout = layer.threshold is None
        end = OUTPUT if is_readout else layer.name
        for index, connection in enumerate(layer.connections):
            source = network.shape_of(connection.source)
            bias = layer.bias if index == 0 else np.zeros_like(layer.bias)
            chain = _chain(connection, source, bias, connection.source in vectors)
            names = [f"{layer.name}.{index}.{kind}" for kind, _ in chain]
            nodes.update(zip(names, (node for _, node in chain), strict=True))
            path = [connection.source, *names, end]
            edges += pairwise(path)
        shape = layer.shape if not _is_vector(layer) else layer.shape[:1]
        if is_readout:
            metadata = {"v0": layer.v0.astype(np.float64)}
            nodes[end] = nir.Output(output_type={"output": np.array(shape)}, metadata=metadata)
            continue
        full = np.full(shape, layer.threshold, np.float32)
        if layer.message is not None:
            top = layer.message.top.reshape(-1, *[1] * (len(shape) - 1))
            full = np.broadcast_to(top, shape).astype(np.float32)
        nodes[end] = nir.IF(
            r=np.ones(shape, np.float32),
            v_threshold=full,
            v_reset=np.zeros(shape, np.float32),
            metadata=_neuron(network, layer),
        )
    return nodes, edges


def _neuron(network: SpikingNetwork, layer: SpikingLayer) -> dict[str, Any]:
    """What NIR's neuron cannot say."""
    told: dict[str, Any] = {"reset": network.reset, "v0": layer.v0.astype(np.float64)}
    return told if layer.message is None else told | {"shift": layer.message.shift}


def _is_vector(layer: SpikingLayer) -> bool:
    return any(connection.is_dense for connection in layer.connections)


def _chain(
    connection: Connection, source: Shape, bias: Array, is_vector: bool
) -> list[tuple[str, Any]]:
    """Pool, flatten and map, as far as the connection has them."""
    import nir

    connection = with_equal_pads(connection)
    chain: list[tuple[str, Any]] = []
    pool, weight = connection.pool, connection.weight.astype(np.float64)
    weight = (weight * 2.0**connection.exponent).astype(np.float32)
    sizes = (source[1] // pool[0], source[2] // pool[1])
    if connection.area > 1:
        window = np.array(pool)
        chain.append(("pool", nir.SumPool2d(window, window, np.array([0, 0]))))
    scale = {"exponent": connection.exponent}
    if is_vector and not connection.is_dense:
        weight = np.diag(np.ravel(weight))  # a residual addition of vectors: one weight each
    if weight.ndim == 2:
        if not is_vector:
            shape = np.array((source[0], *sizes))
            chain.append(("flat", nir.Flatten({"input": shape}, 0, -1)))
        chain.append(("map", nir.Affine(weight, bias.astype(np.float32), metadata=scale)))
        return chain
    node = nir.Conv2d(
        sizes,
        weight,
        connection.stride,
        (connection.pads[0], connection.pads[1]),
        connection.dilation,
        connection.groups,
        bias.astype(np.float32),
        metadata=scale,
    )
    return [*chain, ("map", node)]


def read_nir(path: Path) -> NirModel:
    """Read a file that `write_nir` wrote.

    Raises:
        UserError: it is no NIR file, or none of ours.
    """
    import nir

    try:
        graph = nir.read(path, type_check=False)
        body = json.loads(graph.metadata[_KEY])
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path.name} is no NIR file that edgecompile wrote") from error
    network = _network(graph, body)
    return NirModel(network, body["facts"])


def _network(graph: Any, body: Mapping[str, Any]) -> SpikingNetwork:
    before: dict[str, list[str]] = {}
    for start, end in graph.edges:
        before.setdefault(end, []).append(start)
    nodes = graph.nodes
    channels, *sizes = (int(size) for size in nodes[INPUT].input_type["input"])
    height, width = sizes or (1, 1)
    shapes: dict[str, Shape] = {INPUT: (channels, height, width)}
    layers: dict[str, SpikingLayer] = {}
    ends = {
        name: OUTPUT if index == len(body["order"]) - 1 else name
        for index, name in enumerate(body["order"])
    }
    for name, end in ends.items():
        maps = sorted(before[end], key=lambda map_name: int(map_name.split(".")[-2]))
        joined, bias = [], None
        for map_name in maps:
            connection, own = _connection(nodes, before, map_name)
            joined.append(connection)
            bias = own if bias is None else bias + own
        shape = joined[0].output_shape(shapes[joined[0].source])
        shapes[name] = shape
        node = nodes[end]
        threshold = None if end == OUTPUT else float(np.max(node.v_threshold))
        assert bias is not None
        v0 = np.asarray(node.metadata["v0"], np.float64)
        message = None
        if "shift" in node.metadata:
            top = node.v_threshold.reshape(shape[0], -1)[:, 0].astype(np.int64)
            message = Message(top, np.asarray(node.metadata["shift"], np.int64))
        layers[name] = SpikingLayer(
            name, shape, tuple(joined), bias, threshold, v0, message=message
        )
    return SpikingNetwork(
        shapes[INPUT],
        tuple(layers.values()),
        InputCoding(**body["coding"]),
        body["reset"],
        body["signed"],
        body["readout_scale"],
        tuple(body["output_shape"]),
        tuple(body["sample_shape"]),
    )


def _connection(
    nodes: Mapping[str, Any], before: Mapping[str, list[str]], name: str
) -> tuple[Connection, Array]:
    """The connection that ends in the map `name`, and its bias."""
    import nir

    node = nodes[name]
    exponent = int(node.metadata.get("exponent", 0))
    weight = (np.asarray(node.weight, np.float64) / 2.0**exponent).astype(np.float32)
    pool: Pair = (1, 1)
    (source,) = before[name]
    while isinstance(nodes[source], nir.Flatten | nir.SumPool2d):
        if isinstance(nodes[source], nir.SumPool2d):
            pool = _pair(nodes[source].kernel_size)
        (source,) = before[source]
    bias = np.asarray(node.bias)
    if isinstance(node, nir.Affine):
        return Connection(source, weight, pool=pool, exponent=exponent), bias
    top, left = _pair(node.padding)
    return (
        Connection(
            source,
            weight,
            _pair(node.stride),
            (top, left, top, left),
            _pair(node.dilation),
            int(node.groups),
            pool,
            exponent=exponent,
        ),
        bias,
    )


def _pair(value: Any) -> Pair:
    first, second = (int(number) for number in np.broadcast_to(np.ravel(value), (2,)))
    return first, second
