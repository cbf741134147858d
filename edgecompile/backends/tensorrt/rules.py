"""What NVIDIA's parser refuses, and what it takes and then computes in float: rules on ONNX.

Each was found with models of one rule each, held against the parser and the compiler of
tensorrt-rtx 1.7.1 (tests/backends/tensorrt), of the same family as those on a Jetson. The rules
need nothing of NVIDIA's, and they name the node, where the parser may name none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import onnx
import onnx_ir as ir

from edgecompile.backends.tensorrt.operators import (
    DECOMPOSITIONS,
    OPSETS,
    RTX_OPERATORS,
    TENSORRT_OPERATORS,
)
from edgecompile.backends.tensorrt.pairs import is_dequantized
from edgecompile.backends.tensorrt.rule import Broken
from edgecompile.backends.tensorrt.rules_of_nodes import RULES
from edgecompile.findings import Finding
from edgecompile.graph.provenance import finding_at

Kind = Literal["rtx", "tensorrt"]

_REFERENCES = {
    "rtx": "OnnxParser of tensorrt-rtx 1.7.1",
    "tensorrt": "github.com/onnx/onnx-tensorrt, docs/operators.md of release 10.1",
}
_FLOAT8 = frozenset({ir.DataType.FLOAT8E4M3FN, ir.DataType.FLOAT8E5M2})
_FIRST_FLOAT8 = 8.9
"""Ada Lovelace: the first compute capability with 8-bit floats (CUDA C++ Programming Guide)."""


def broken_rules(
    model: ir.Model, kind: Kind, compute_capability: str | None = None
) -> list[Finding]:
    """Every rule that the model breaks, with the node and where it came from.

    An error: the parser or the builder refuses the model. A warning: it is taken, and the node
    computes in float although it is quantized.
    """
    found = [_finding(None, broken, kind) for broken in _of_model(model, kind)]
    opset = model.graph.opset_imports.get("", 1)
    for node in model.graph.all_nodes():
        broken = [b for rule in RULES for b in rule(node, opset)]
        broken += [
            *_operator(node, kind),
            *_reduction(node, kind),
            *_transposed(node, kind),
            *_float8(node, compute_capability),
        ]
        found += [_finding(node, b, kind) for b in broken]
    return found


def _finding(node: ir.Node | None, broken: Broken, kind: Kind) -> Finding:
    return finding_at(
        node,
        broken.level,
        f"tensorrt-{broken.rule}",
        broken.message,
        broken.remedy,
        broken.reference or _REFERENCES[kind],
    )


def _of_model(model: ir.Model, kind: Kind) -> Iterator[Broken]:
    opset = model.graph.opset_imports.get("", 1)
    if opset > OPSETS[kind]:
        yield Broken("opset", f"opset {opset} is newer than {OPSETS[kind]}")
    for value in model.graph.inputs:
        if value.shape is not None and not all(isinstance(n, int) for n in value.shape.dims):
            yield Broken(
                "dynamic-shape",
                f"the input {value.name} has a dynamic shape, and no profile says its range",
                "give the model a static shape: model.input.shape",
            )
    reason = _not_valid(model)
    if reason is not None:
        yield Broken("valid-onnx", f"it is not valid ONNX: {reason}")


def _not_valid(model: ir.Model) -> str | None:
    proto = ir.to_proto(model)
    try:
        onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True)
    except Exception as error:  # the errors of shape inference have no common base
        return str(error).strip().splitlines()[0]
    known = {value.name for value in model.graph.inputs} | set(model.graph.initializers)
    known |= {value.name for node in model.graph.all_nodes() for value in node.outputs}
    for node in model.graph:
        for value in node.inputs:
            if value is not None and value.name not in known:
                return f"{node.name} reads {value.name}, which nothing makes"
    return None


def _operator(node: ir.Node, kind: Kind) -> Iterator[Broken]:
    if node.domain not in {"", "ai.onnx"}:
        yield Broken(
            "plugin",
            f"{node.domain}.{node.op_type} is no ONNX operator: TensorRT needs a plugin for it",
            "write it with plain operators",
        )
        return
    if node.op_type not in (RTX_OPERATORS if kind == "rtx" else TENSORRT_OPERATORS):
        yield Broken(
            "operator",
            f"TensorRT has no {node.op_type}",
            DECOMPOSITIONS.get(node.op_type, "write this part of forward() with other operators"),
        )


def _reduction(node: ir.Node, kind: Kind) -> Iterator[Broken]:
    """TensorRT has a plugin for it, which TensorRT for RTX lacks."""
    mode = node.attributes.get_string("reduction", "none") if "Scatter" in node.op_type else "none"
    if kind == "rtx" and mode != "none":
        yield Broken("scatter-reduction", f"it scatters with the reduction '{mode}'")


def _transposed(node: ir.Node, kind: Kind) -> Iterator[Broken]:
    """TensorRT has int8 kernels for it, TensorRT for RTX has none."""
    if kind == "rtx" and node.op_type == "ConvTranspose" and is_dequantized(node.inputs[0]):
        yield Broken(
            "transposed",
            "it will compute in float: transposed convolutions have no int8 kernels",
            level="warning",
        )


def _float8(node: ir.Node, compute_capability: str | None) -> Iterator[Broken]:
    if compute_capability is None or float(compute_capability) >= _FIRST_FLOAT8:
        return
    if any(value.dtype in _FLOAT8 for value in node.outputs):
        yield Broken("float8", f"compute capability {compute_capability} has no 8-bit floats")
