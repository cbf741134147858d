"""The hub's int8 numbers as uint8: every zero point and every integer 128 higher.

The real values are the same. ONNX Runtime on x86 and Qualcomm's HTP have their fast kernels for
unsigned activations.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import add_constant, constant, name_of, remove_unused_constants

_PAIR = frozenset({"QuantizeLinear", "DequantizeLinear"})


def to_unsigned(hub: ir.Model) -> ir.Model:
    """A copy of a QDQ hub in which all integers, weights as well, are uint8.

    ``QuantizeLinear(x, s, z int8)`` becomes ``QuantizeLinear(x, s, z + 128 uint8)``, and likewise
    the DequantizeLinear and the int8 constant behind it.
    """
    result = ir.from_proto(ir.to_proto(hub))
    graph = result.graph
    made: dict[str, ir.Value] = {}

    def raised(value: ir.Value) -> ir.Value:
        name = name_of(value)
        if name not in made:
            array = constant(value)
            assert array is not None
            unsigned = (array.astype(np.int16) + 128).astype(np.uint8)
            made[name] = add_constant(graph, f"{name}.unsigned", unsigned)
        return made[name]

    for node in graph:
        if node.op_type not in _PAIR:
            continue
        for index in (0, 2):
            value = node.inputs[index]
            if value is not None and value.dtype == ir.DataType.INT8 and value.producer() is None:
                node.replace_input_with(index, raised(value))
    for node in graph:
        for value in node.outputs:
            if value.dtype == ir.DataType.INT8:
                value.type = ir.TensorType(ir.DataType.UINT8)
    remove_unused_constants(graph)
    return result
