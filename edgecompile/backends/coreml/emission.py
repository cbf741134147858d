"""A program that grows operator by operator: which MIL variable holds which tensor of the hub.

Runs in the process that has coremltools; `mb` is its builder.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecompile.backends.coreml.weights import dense_weight, lut_weight, quantized_weight
from edgecompile.graph.constants import dequantized_constant, static_value
from edgecompile.graph.hub import Array, name_of
from edgecompile.graph.palette import palettized_constant

_NO_IDENTIFIER = re.compile(r"\W", re.ASCII)


def identifier(name: str) -> str:
    """A name that MIL and Swift accept: letters, digits and underscores, no digit first."""
    word = _NO_IDENTIFIER.sub("_", name)
    return f"_{word}" if word[:1].isdigit() or not word else word


class Emission:
    """The variables of a program under construction.

    `half`: floats are float16. `opset` is the number of the deployment (17 for iOS17), by which
    the stored forms of weights are chosen.
    """

    def __init__(self, half: bool, opset: int) -> None:
        from coremltools.converters.mil import Builder

        self.mb = Builder
        self.opset = opset
        self.dtype = np.dtype(np.float16 if half else np.float32)
        self._variables: dict[str, Any] = {}
        self._names: set[str] = set()

    def new_name(self, wanted: str) -> str:
        """An identifier that no other operator of the program has."""
        name = base = identifier(wanted)
        count = 1
        while name in self._names:
            count += 1
            name = f"{base}_{count}"
        self._names.add(name)
        return name

    def define(self, value: ir.Value, variable: Any) -> None:
        """`variable` holds the tensor `value` of the hub."""
        self._variables[name_of(value)] = variable

    def op(self, node: ir.Node, kind: str, **inputs: Any) -> Any:
        """The MIL operator that makes the node's first output."""
        variable = self.step(node, kind, **inputs)
        self.define(node.outputs[0], variable)
        return variable

    def step(self, node: ir.Node, kind: str, **inputs: Any) -> Any:
        """A MIL operator whose result only the same node's next one reads."""
        name = self.new_name(name_of(node.outputs[0]))
        return getattr(self.mb, kind)(**inputs, name=name)

    def variable(self, value: ir.Value) -> Any:
        """The MIL variable of an activation that an earlier node made, or of a constant."""
        name = name_of(value)
        if name not in self._variables:
            real = static_value(value)
            assert real is not None, f"{name} was not emitted"
            self._variables[name] = self.mb.const(
                val=self.floats(real) if real.dtype.kind == "f" else real.astype(np.int32),
                name=self.new_name(name),
            )
        return self._variables[name]

    def input(self, node: ir.Node, index: int) -> Any:
        """The MIL variable of a node's input."""
        value = node.inputs[index]
        assert value is not None
        return self.variable(value)

    def floats(self, values: Array | float) -> Any:
        """Constants in the program's float type; one number becomes a NumPy scalar."""
        array = np.ascontiguousarray(values, self.dtype).reshape(np.shape(values))
        return array[()]

    def real(self, node: ir.Node, index: int) -> Array | None:
        """A constant input as float32, whatever form the hub has it in; None for a missing one."""
        value = node.inputs[index] if len(node.inputs) > index else None
        if value is None:
            return None
        real = static_value(value)
        assert real is not None
        return np.asarray(real, np.float32)

    def weight(self, node: ir.Node, index: int, *, transposed: bool = False) -> Any:
        """A constant weight, in the smallest form that says the hub's numbers.

        A transposition is made on the integers, here: the file stays a constant.
        """
        value = node.inputs[index]
        assert value is not None
        name = self.new_name(f"{node.name}.weight")
        quantized, palette = dequantized_constant(value), palettized_constant(value)
        if quantized is not None:
            data, axis = quantized.data, quantized.axis
            if transposed:
                data, axis = data.T, None if axis is None else 1 - axis
            scale, zero = self._weight_scale(data, quantized.scale, axis), quantized.zero_point
            return quantized_weight(self.mb, self.opset, name, data, scale, zero, axis)
        if palette is not None:
            indices = palette.indices.T if transposed else palette.indices
            table = self.floats(palette.table)
            return lut_weight(self.mb, self.opset, name, indices, table)
        real = static_value(value)
        assert real is not None
        return dense_weight(self.mb, self.opset, name, self.floats(real.T if transposed else real))

    def _weight_scale(self, data: Array, scale: Array, axis: int | None) -> Any:
        """Scales that are not 0: Core ML refuses one, and float16 rounds a small one to it.

        A channel that holds only zeros may have any; another gets the smallest that float16 has.
        """
        others = tuple(place for place in range(data.ndim) if place != axis)
        is_zero = ~np.any(data != 0, axis=others) if np.ndim(scale) else not np.any(data != 0)
        smallest = np.finfo(np.float16).smallest_subnormal
        return self.floats(np.where(is_zero, 1, np.maximum(scale, smallest)))
