"""Values of an operator on one number, for the tables of 8-bit integers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx import TensorProto, helper

from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import Array

_OPSET = 20
"""That of the hub (docs: the QDQ conventions)."""


def values_of(node: ir.Node, reals: Array) -> Array:
    """What ONNX Runtime computes from each of `reals` by an operator with one input.

    The table of an integer operator then rounds exactly as the hub does.
    """
    proto = ir.to_proto(node)
    one = helper.make_node(node.op_type, ["x"], ["y"])
    one.attribute.extend(proto.attribute)
    shape = [1, len(reals)]
    graph = helper.make_graph(
        [one],
        "table",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)
    (values,) = run_onnx(model.SerializeToString(), reals[None])
    return np.asarray(values[0], np.float32)
