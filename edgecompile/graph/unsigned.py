"""The hub's signed numbers as unsigned ones: zero points and integers half a range higher.

The real values are the same. ONNX Runtime on x86 and Qualcomm's HTP have their fast kernels for
unsigned activations.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import add_constant, constant, name_of, remove_unused_constants
from edgecompile.graph.qdq import WEIGHT_INPUT, WEIGHTED

_PAIR = frozenset({"QuantizeLinear", "DequantizeLinear"})
_UNSIGNED = {ir.DataType.INT8: ir.DataType.UINT8, ir.DataType.INT16: ir.DataType.UINT16}


def to_unsigned(hub: ir.Model, *, weights: bool = True) -> ir.Model:
    """A copy of a QDQ hub in which all integers are unsigned; without `weights`, all but those.

    ``QuantizeLinear(x, s, z int8)`` becomes ``QuantizeLinear(x, s, z + 128 uint8)``, and likewise
    the DequantizeLinear and the int8 constant behind it; 32768 for int16.
    """
    result = ir.from_proto(ir.to_proto(hub))
    graph = result.graph
    made: dict[str, ir.Value] = {}

    def raised(value: ir.Value) -> ir.Value:
        name = name_of(value)
        if name not in made:
            array = constant(value)
            assert array is not None
            kind = _UNSIGNED[ir.DataType.from_numpy(array.dtype)].numpy()
            unsigned = (array.astype(np.int32) - np.iinfo(array.dtype).min).astype(kind)
            made[name] = add_constant(graph, f"{name}.unsigned", unsigned)
        return made[name]

    for node in graph:
        if node.op_type not in _PAIR or (not weights and _holds_weight(node)):
            continue
        for index in (0, 2):
            value = node.inputs[index]
            if value is not None and value.dtype in _UNSIGNED and value.producer() is None:
                node.replace_input_with(index, raised(value))
    for node in graph:
        for value in node.outputs:
            if value.dtype in _UNSIGNED:
                value.type = ir.TensorType(_UNSIGNED[value.dtype])
    remove_unused_constants(graph)
    return result


def _holds_weight(node: ir.Node) -> bool:
    """Is it the DequantizeLinear of a constant that a Conv, Gemm or MatMul has as its weight?"""
    return constant(node.inputs[0]) is not None and any(
        use.node.op_type in WEIGHTED and use.idx == WEIGHT_INPUT for use in node.outputs[0].uses()
    )
