"""Small hubs written as ONNX text, and samples for them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import onnx
import onnx_ir as ir

from edgecompile.compress.ptq import PtqResult
from edgecompile.compress.quantize import quantize
from edgecompile.compress.scheme import QuantScheme
from edgecompile.compress.weights import integer_weights
from edgecompile.graph.hub import Array, infer_shapes, shape_of
from edgecompile.graph.provenance import MODULE_KEY, SOURCE_KEY

AFFINE = QuantScheme("affine")


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
    return (rng.normal(size=shape) / np.sqrt(fan_in)).astype(np.float32)


def samples_for(
    hub: ir.Model, count: int = 12, *, spread: float = 1.0, positive: bool = False, seed: int = 7
) -> Array:
    """Random samples (count, *shape without batch) for the hub's one input."""
    shape = shape_of(hub.graph.inputs[0])[1:]
    values = np.random.default_rng(seed).normal(0, spread, (count, *shape))
    return (np.abs(values) + 0.1 if positive else values).astype(np.float32)


def plain_min_max(hub: ir.Model, *_: object) -> PtqResult:
    """What NNCF decides, in a hundredth of its time: int8 weights per channel from their range.

    To stand in for `post_training_quantize` where hundreds of hubs are quantized.
    """
    return PtqResult(integer_weights(hub, per_channel=True, bits=8), {})


def quickly_quantized(
    hub: ir.Model,
    samples: Array,
    scheme: QuantScheme = AFFINE,
    **how: frozenset[str],
) -> ir.Model:
    """The int8 hub by `quantize`, without NNCF."""
    with patch("edgecompile.compress.decision.post_training_quantize", plain_min_max):
        return quantize(hub, samples, scheme, **how)


def node_of(hub: ir.Model, op_type: str) -> ir.Node:
    """The one node of a type."""
    (node,) = (n for n in hub.graph if n.op_type == op_type)
    return node


def changed(hub: ir.Model, change: Callable[[ir.Model], None]) -> ir.Model:
    """A copy of the hub with a change made to it."""
    result = ir.from_proto(ir.to_proto(hub))
    change(result)
    return result
