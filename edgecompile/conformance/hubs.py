"""Small hubs written as ONNX text, and samples for them."""

from __future__ import annotations

import zlib

import numpy as np
import onnx
import onnx_ir as ir

from edgecompile.graph.hub import Array, infer_shapes, shape_of
from edgecompile.graph.provenance import MODULE_KEY, SOURCE_KEY


def hub_of(inputs: str, body: str, constants: str = "", outputs: str = "float[] y") -> ir.Model:
    """The hub of a graph in ONNX text. Declared constants without values get random ones.

    Each node knows where it came from: module ``net.NODE``, source ``model.py:LINE``.
    """
    listed = f"<{constants}>" if constants else ""
    proto = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]>\n'
        f"tiny ({inputs}) => ({outputs}) {listed} {{ {body} }}"
    )
    graph = proto.graph
    known = {i.name for i in graph.initializer} | {o for n in graph.node for o in n.output}
    for info in [v for v in graph.value_info if v.name not in known]:
        shape = tuple(d.dim_value for d in info.type.tensor_type.shape.dim)
        graph.initializer.append(onnx.numpy_helper.from_array(_random(info.name, shape), info.name))
    del graph.value_info[:]
    for line, node in enumerate(graph.node, start=1):
        node.name = node.name or f"{node.op_type.lower()}{line}"
        for key, value in ((MODULE_KEY, f"net.{node.name}"), (SOURCE_KEY, f"model.py:{line}")):
            node.metadata_props.add(key=key, value=value)
    return infer_shapes(ir.from_proto(proto))


def _random(name: str, shape: tuple[int, ...]) -> Array:
    rng = np.random.default_rng(zlib.crc32(f"{name}{shape}".encode()))
    fan_in = float(np.prod(shape[1:])) if len(shape) > 1 else 4.0
    values: Array = (rng.normal(size=shape) / np.sqrt(fan_in)).astype(np.float32)
    return values


def samples_for(
    hub: ir.Model, count: int = 12, *, spread: float = 1.0, positive: bool = False, seed: int = 7
) -> Array:
    """Random samples (count, *shape without batch) for the hub's one input."""
    shape = shape_of(hub.graph.inputs[0])[1:]
    values = np.random.default_rng(seed).normal(0, spread, (count, *shape))
    return (np.abs(values) + 0.1 if positive else values).astype(np.float32)
