"""A hub as an ML Program: built with coremltools, in a process of its own.

coremltools prints when it is imported, imports every framework that it finds, and its passes are
vendor code. The passes are its default ones but for those that change the hub's numbers or fail.
"""

from __future__ import annotations

import gc
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission, identifier
from edgecompile.backends.coreml.operators import OPERATORS
from edgecompile.backends.isolation import run_isolated
from edgecompile.errors import ContractError
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import constant, load, name_of, save, shape_of

TIME_LIMIT_SECONDS = 600

REMOVED_PASSES = frozenset(
    {
        # Turns dequantize -> reshape -> quantize into a reshape of integers without comparing the
        # two scales: other numbers come out.
        "common::int_op_canonicalization",
        # Divides the scales around a sum by the sum's own: equal in real numbers, but the program
        # would no longer hold the hub's scales, and in float16 the quotients are rounded again.
        "common::distributive_quantized_binary_op_scale_normalization",
        # Makes a batch_norm of a product and a sum, with a mean in float32 beside a gamma in
        # float16: a program of float16 is refused.
        "common::fuse_elementwise_to_batchnorm",
        # Multiplies weights by the factor behind their convolution, and rounds them once more.
        "common::fuse_conv_scale",
    }
)
"""Of coremltools 9.0, mil/passes/defs: optimize_quantization.py, optimize_elementwise_binary.py and
optimize_conv.py."""

_NOT_NEEDED = ("tensorflow", "sklearn", "torch")
"""Frameworks that coremltools would import to convert from, which takes seconds."""


def convert_hub(hub: ir.Model, package: Path, *, half: bool, deployment: str) -> None:
    """Write the hub as `package` (a folder that ends in .mlpackage), as coremltools saves it.

    `half`: floats are float16, at the border as well.

    Raises:
        ToolchainFailed: coremltools crashed, refused or took longer than ten minutes.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        source, result = Path(name, "hub.onnx"), Path(name, "model.mlpackage")
        save(hub, source)
        done = run_isolated(
            _convert,
            str(source),
            str(result),
            half,
            deployment,
            tool="coremltools",
            seconds=TIME_LIMIT_SECONDS,
            folder=Path(name),
        )
        if not done.succeeded or not result.is_dir():
            raise done.failure()
        shutil.copytree(result, package)


def _convert(source: str, result: str, half: bool, deployment: str) -> None:
    """In the child: read ONNX, write the package."""
    import_coremltools()
    build_package(load(Path(source)), Path(result), half=half, deployment=deployment)


def import_coremltools() -> None:
    """Import it into a process that is for nothing else, as cheaply as it goes."""
    for framework in _NOT_NEEDED:
        sys.modules.setdefault(framework, None)  # type: ignore[arg-type]
    import coremltools  # noqa: F401

    # `ct.convert` collects garbage, and would look through all that the import has left: more than
    # half of the time of a small model.
    gc.freeze()


def build_package(
    hub: ir.Model,
    package: Path,
    *,
    half: bool,
    deployment: str,
    removed: frozenset[str] = REMOVED_PASSES,
) -> None:
    """`convert_hub` in this process; `removed` are the passes that do not run."""
    import coremltools as ct

    passes = ct.PassPipeline.DEFAULT
    passes.remove_passes(set(removed))
    model = ct.convert(
        build_program(hub, half=half, deployment=deployment),
        convert_to="mlprogram",
        source="milinternal",
        minimum_deployment_target=getattr(ct.target, deployment),
        # The program has its types: this only keeps coremltools from adding casts.
        compute_precision=ct.precision.FLOAT32,
        pass_pipeline=passes,
        skip_model_load=True,
    )
    model.save(str(package))


def build_program(hub: ir.Model, *, half: bool, deployment: str) -> Any:
    """The hub as a MIL program, node by node in the hub's order."""
    import coremltools as ct
    from coremltools.converters.mil.mil import Function, Program, types

    emission = Emission(half, int(deployment.removeprefix("iOS")))
    real = types.fp16 if half else types.fp32
    inputs = {
        emission.new_name(name_of(value)): emission.mb.placeholder(shape_of(value), dtype=real)
        for value in hub.graph.inputs
    }
    with Function(inputs, opset_version=getattr(ct.target, deployment)) as function:
        for value, name in zip(hub.graph.inputs, inputs, strict=True):
            emission.define(value, function.inputs[name])
        for node in hub.graph:
            _emit(emission, node)
        function.set_outputs([_output(emission, value) for value in hub.graph.outputs])
    program = Program()
    program.add_function("main", function)
    return program


def _emit(emission: Emission, node: ir.Node) -> None:
    if node.op_type == "QuantizeLinear":
        _emit_pair(emission, node, "quantize", output_dtype="int8")
    elif all(value is None or is_static(value) for value in node.inputs):
        return  # a constant, read where it is used
    elif node.op_type == "DequantizeLinear":
        _emit_pair(emission, node, "dequantize")
    elif node.op_type in OPERATORS:
        OPERATORS[node.op_type].emit(emission, node)
    else:
        raise ContractError(f"{node.name}: {node.op_type} is not written to Core ML")


def _emit_pair(emission: Emission, node: ir.Node, kind: str, **more: Any) -> None:
    """A quantization of an activation, per tensor; a zero point of 0 is left out."""
    scale, zero = constant(node.inputs[1]), constant(node.inputs[2])
    assert scale is not None and zero is not None
    if np.any(zero):
        more["zero_point"] = np.int8(zero)
    emission.op(node, kind, input=emission.input(node, 0), scale=emission.floats(scale), **more)


def _output(emission: Emission, value: ir.Value) -> Any:
    """The variable of a graph output, under the hub's name."""
    variable = emission.variable(value)
    wanted = identifier(name_of(value))
    if variable.name != wanted:
        variable = emission.mb.identity(x=variable, name=emission.new_name(wanted))
        variable.name = wanted
    return variable
