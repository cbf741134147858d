"""Load, save and read the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir

from edgecompile.errors import UserError

Array = npt.NDArray[Any]


def load(path: Path) -> ir.Model:
    """Read a hub from an ONNX file; external data are not followed.

    Raises:
        UserError: the bytes are no ONNX model.
    """
    from google.protobuf.message import DecodeError

    try:
        return ir.from_proto(onnx.load(path, load_external_data=False))
    except (DecodeError, ValueError, TypeError) as error:
        raise UserError(f"{path.name} is not an ONNX model") from error


def save(model: ir.Model, path: Path) -> None:
    """Write a hub; the same graph gives the same bytes."""
    path.write_bytes(serialize(model))


def serialize(model: ir.Model) -> bytes:
    """The hub as bytes, for ONNX Runtime or a file."""
    data: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return data


def infer_shapes(model: ir.Model) -> ir.Model:
    """A copy of the hub in which every tensor has a dtype and a static shape."""
    return ir.from_proto(onnx.shape_inference.infer_shapes(ir.to_proto(model), strict_mode=True))


def constant(value: ir.Value | None) -> Array | None:
    """The array of an initializer or of a Constant node's output; None for an activation."""
    if value is None:
        return None
    if value.const_value is not None:
        return np.asarray(value.const_value.numpy())
    node = value.producer()
    if node is not None and node.op_type == "Constant" and "value" in node.attributes:
        return np.asarray(node.attributes["value"].as_tensor().numpy())
    return None


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The static shape of a tensor (after `infer_shapes`)."""
    assert value.shape is not None, f"{value.name} has no shape"
    return tuple(int(size) for size in value.shape.numpy())


def name_of(value: ir.Value) -> str:
    """The name of a tensor; every tensor of a hub has one."""
    assert value.name is not None
    return value.name


def activations(node: ir.Node) -> Iterator[tuple[int, ir.Value]]:
    """The float inputs of a node that are no constants, with their position."""
    for index, value in enumerate(node.inputs):
        if value is not None and constant(value) is None and is_float(value):
            yield index, value


def is_float(value: ir.Value) -> bool:
    """Is the tensor float32?"""
    return value.dtype == ir.DataType.FLOAT


def add_constant(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """A new initializer; its name must be free."""
    assert name not in graph.initializers, name
    value = ir.Value(
        name=name,
        const_value=ir.tensor(array, name=name),
        type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
        shape=ir.Shape(array.shape),
    )
    graph.register_initializer(value)
    return value


def require_opset(model: ir.Model, opset: int) -> None:
    """Raise the opset of a hub, in place, if it is lower. From 20 to 21 only types were added
    (onnx/docs/Changelog.md, version 21 of the default operator set)."""
    model.graph.opset_imports[""] = max(opset, model.graph.opset_imports[""])


def remove_unused_constants(graph: ir.Graph) -> None:
    """Drop the initializers that no node reads and that are no graph output."""
    for name in [n for n, v in graph.initializers.items() if not v.uses()]:
        if not graph.initializers[name].is_graph_output():
            del graph.initializers[name]
