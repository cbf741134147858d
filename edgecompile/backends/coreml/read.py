"""What a package holds, read back from its bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecompile.backends.coreml.package import size_of
from edgecompile.backends.coreml.program import Operation, Program, Tensor, read_program
from edgecompile.inspection import Inspection, OperatorFacts, TensorFacts


def inspect_package(folder: Path) -> Inspection:
    """Operators, borders and weights of a package's program.

    Raises:
        UserError: the folder is no package, or is damaged.
    """
    program = read_program(folder)
    tensors = {tensor.name: _facts(tensor) for tensor in program.inputs}
    operators = []
    for operation in program.operations:
        for tensor in operation.outputs:
            tensors[tensor.name] = _facts(tensor, operation, program)
        read = [name for names in operation.inputs.values() for name in names]
        operators.append(
            OperatorFacts(
                operation.kind,
                None,
                tuple(tensors[name] for name in read if name in tensors),
                tuple(tensors[tensor.name] for tensor in operation.outputs),
            )
        )
    return Inspection(
        format=f"mlpackage ({program.opset})",
        size_bytes=size_of(folder),
        weight_bytes=program.weight_bytes,
        inputs=tuple(tensors[tensor.name] for tensor in program.inputs),
        outputs=tuple(tensors[tensor.name] for tensor in program.outputs),
        operators=tuple(operators),
    )


def _facts(
    tensor: Tensor, operation: Operation | None = None, program: Program | None = None
) -> TensorFacts:
    """A quantized tensor has the scale of the operator that made it."""
    if operation is None or program is None or operation.kind != "quantize":
        return TensorFacts(tensor.name, tensor.shape, tensor.dtype)
    scale = np.ravel(program.constants[operation.inputs["scale"][0]])
    zero = np.zeros(scale.shape)
    if "zero_point" in operation.inputs:
        zero = np.ravel(program.constants[operation.inputs["zero_point"][0]])
    return TensorFacts(
        tensor.name,
        tensor.shape,
        tensor.dtype,
        tuple(float(number) for number in scale),
        tuple(int(number) for number in zero),
    )
