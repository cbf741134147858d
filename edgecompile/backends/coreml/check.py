"""What cannot be written to Core ML, and what the Neural Engine is said not to run well.

Each finding says how certain its rule is: documented by Apple, or measured by others.
Where an operator really runs is decided by Core ML on the device, and verified only there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx_ir as ir

from edgecompile.backends.coreml.operators import OPERATORS
from edgecompile.backends.coreml.options import CoreMLOptions
from edgecompile.findings import Finding, Level
from edgecompile.graph.constants import is_static, static_value
from edgecompile.graph.hub import constant, shape_of
from edgecompile.graph.provenance import finding_at
from edgecompile.graph.reading import rank_of
from edgecompile.recipe.schema import INTEGER_BITS, Precision
from edgecompile.recipe.target import Target

_TABLE = "docs/backends/coreml.md"
_DOCUMENTED, _MEASURED = "documented by Apple", "measured by others, on an M1"
_GUIDE = "https://apple.github.io/coremltools/docs-guides/source"
_TRANSFORMERS = "https://machinelearning.apple.com/research/neural-engine-transformers"
_SWEEP = "https://ane-guide.readthedocs.io"

HALF_MAX = float(np.finfo(np.float16).max)
HALF_NORMAL = float(np.finfo(np.float16).tiny)

_OLDEST: dict[Precision, int] = {"int8": 17, "w4": 18}
"""Deployments that brought what a precision needs: `quantize` of activations, integers of 4 bits
(coremltools, mil/ops/defs/iOS17/quantization_ops.py, iOS18/compression.py)."""

_MOST_AXES, _FAST_AXES = 5, 4
_WIDEST_KERNEL, _LONGEST_AXIS = 13, 16384

Concern = tuple[ir.Node, str]


def check_hub(
    hub: ir.Model, options: CoreMLOptions, target: Target, precision: Precision
) -> list[Finding]:
    """Errors for what cannot work; advice about the Neural Engine, one finding for each rule."""
    half = options.arithmetic == "float16" and precision != "fp32"
    findings = [
        *_deployment(options, precision),
        *_refusals(hub),
        *(scale_findings(hub) + _large_constants(hub) if half else []),
    ]
    if any(finding.level == "error" for finding in findings):
        return findings
    wants_engine = options.compute_units in {"all", "cpuAndNeuralEngine"}
    advice = _advice(hub, target, precision, half) if wants_engine else []
    return [*findings, *advice, _UNVERIFIED]


_UNVERIFIED = Finding(
    "warning",
    "coreml-unverified",
    "which processor runs each operator, and how fast, is decided by Core ML on the device: "
    "nothing here has verified it",
    remedy="run validate_on_mac.py of the built folder on a Mac (docs/backends/coreml.md)",
    reference=_DOCUMENTED,
)


def _deployment(options: CoreMLOptions, precision: Precision) -> list[Finding]:
    oldest = _OLDEST.get(precision, 16)
    if options.opset >= oldest:
        return []
    return [
        Finding(
            "error",
            "coreml-deployment",
            f"{precision} needs iOS{oldest}, and the target is for {options.deployment}",
            remedy=f"lower.coreml.deployment=iOS{oldest}, or another precision",
            reference="coremltools, mil/ops/defs",
        )
    ]


def _refusals(hub: ir.Model) -> list[Finding]:
    """Nodes without a form in MIL."""
    remedy = f"write this part of forward() with other operators ({_TABLE} lists them)"
    found = [
        finding_at(node, "error", "coreml-operator", reason, remedy, _TABLE)
        for node in hub.graph
        if (reason := _refusal(node)) is not None
    ]
    for node in hub.graph:
        if any(rank_of(output) > _MOST_AXES for output in node.outputs):
            found.append(
                finding_at(
                    node,
                    "error",
                    "coreml-rank",
                    f"a tensor of {rank_of(node.outputs[0])} axes: Core ML has at most five",
                    "fold axes that stay together into one",
                    f"{_DOCUMENTED}: coremltools, converters/mil/frontend/torch/ops.py",
                )
            )
    return found


def _refusal(node: ir.Node) -> str | None:
    if node.op_type in {"QuantizeLinear", "DequantizeLinear", "Constant"}:
        return None
    if all(value is None or is_static(value) for value in node.inputs):
        return None
    entry = OPERATORS.get(node.op_type)
    if entry is None:
        return f"edgecompile writes no MIL operator for ONNX's {node.op_type}"
    return entry.refuse(node)


def scale_findings(hub: ir.Model) -> list[Finding]:
    """Scales of activations that float16 rounds to 0, or says with few bits only."""
    found = []
    for node in hub.graph:
        scale = constant(node.inputs[1]) if node.op_type == "QuantizeLinear" else None
        if scale is None or float(scale) >= HALF_NORMAL:
            continue
        is_gone = float(np.float16(scale)) == 0.0
        found.append(
            finding_at(
                node,
                "error" if is_gone else "warning",
                "coreml-scale",
                f"the scale {float(scale):.3g} of {node.inputs[0].name if node.inputs[0] else ''} "
                + ("is 0 in float16" if is_gone else "has few bits in float16"),
                "scale this part of the network up, or lower.coreml.arithmetic=float32",
                "IEEE 754 half precision: the smallest normal number is 6.1e-5",
            )
        )
    return found


def _large_constants(hub: ir.Model) -> list[Finding]:
    found = []
    for node in hub.graph:
        for value in node.inputs:
            real = static_value(value)
            if real is None or real.dtype.kind != "f" or real.size < 2:
                continue
            largest = float(np.abs(real).max())
            if largest > HALF_MAX:
                found.append(
                    finding_at(
                        node,
                        "error",
                        "coreml-half-range",
                        f"a constant as large as {largest:.3g}: float16 ends at 65504",
                        "scale this part of the network down, or lower.coreml.arithmetic=float32",
                        "IEEE 754 half precision",
                    )
                )
    return found


def _advice(hub: ir.Model, target: Target, precision: Precision, half: bool) -> list[Finding]:
    found = []
    if not half:
        found.append(
            Finding(
                "warning",
                "ane-float32",
                "the Neural Engine computes in float16 only: this runs on the CPU or the GPU",
                remedy="stages.quantize.precision=fp16",
                reference=f"{_DOCUMENTED}: {_GUIDE}/typed-execution.html",
            )
        )
    if precision in INTEGER_BITS:
        found += _integer_advice(target)
    rules: tuple[tuple[str, Level, Callable[[ir.Model], Iterator[Concern]], str, str], ...] = (
        ("ane-kernel", "warning", _wide_kernels, "use smaller kernels", f"{_MEASURED}: {_SWEEP}"),
        ("ane-axis", "warning", _long_axes, "cut the tensor into parts", f"{_MEASURED}: {_SWEEP}"),
        ("ane-rank", "note", _many_axes, "keep four axes", f"{_DOCUMENTED}: {_TRANSFORMERS}"),
        (
            "ane-last-axis",
            "note",
            _short_last_axes,
            "put the longest axis last: it is padded to 64 bytes",
            f"{_DOCUMENTED}: {_TRANSFORMERS}",
        ),
        (
            "ane-linear",
            "note",
            _sequences,
            "write it as a convolution of 1 x 1 over (batch, channels, 1, length)",
            f"{_DOCUMENTED}: {_TRANSFORMERS}",
        ),
    )
    for rule, level, search, remedy, reference in rules:
        concerns = list(search(hub))
        if concerns:
            node, message = concerns[0]
            more = f" (and {len(concerns) - 1} more)" if len(concerns) > 1 else ""
            found.append(finding_at(node, level, rule, message + more, remedy, reference))
    return found


def _integer_advice(target: Target) -> list[Finding]:
    found = []
    if target.scheme != "symmetric":
        found.append(
            Finding(
                "warning",
                "ane-zero-point",
                "activations with zero points: Core ML's own quantizer makes symmetric ones",
                remedy="give the target the scheme symmetric",
                reference=f"{_DOCUMENTED}: {_GUIDE}/opt-quantization-algos.html",
            )
        )
    if "int8_compute" not in target.facts:
        found.append(
            Finding(
                "warning",
                "ane-int8-compute",
                "this chip is not among those whose Neural Engine computes faster in int8 than in "
                "float16: int8 activations may cost time",
                remedy="measure w8 and int8 on the device",
                reference=f"{_DOCUMENTED}: {_GUIDE}/opt-quantization-perf.html",
            )
        )
    return found


def _wide_kernels(hub: ir.Model) -> Iterator[Concern]:
    for node in hub.graph:
        if node.op_type in {"Conv", "ConvTranspose"} and node.inputs[1] is not None:
            widest = max(shape_of(node.inputs[1])[2:])
            if widest > _WIDEST_KERNEL:
                yield node, f"a kernel of {widest}: the Neural Engine's are at most 13 wide"


def _long_axes(hub: ir.Model) -> Iterator[Concern]:
    for node in hub.graph:
        longest = max((max(shape_of(output), default=0) for output in node.outputs), default=0)
        if longest > _LONGEST_AXIS and not is_static(node.outputs[0]):
            yield node, f"an axis of {longest:,}: the Neural Engine's are at most 16,384 long"


def _many_axes(hub: ir.Model) -> Iterator[Concern]:
    for node in hub.graph:
        if rank_of(node.outputs[0]) > _FAST_AXES:
            yield node, "a tensor of five axes: the Neural Engine's layout has four"


def _short_last_axes(hub: ir.Model) -> Iterator[Concern]:
    for node in hub.graph:
        if node.op_type in {"Conv", "ConvTranspose", "MatMul"}:
            shape = shape_of(node.outputs[0])
            if len(shape) > 2 and shape[-1] == 1 and shape[-2] > 1:
                yield node, f"a result of shape {list(shape)}: its last axis has one element"


def _sequences(hub: ir.Model) -> Iterator[Concern]:
    for node in hub.graph:
        if node.op_type == "MatMul" and is_static(node.inputs[1]) and rank_of(node.inputs[0]) > 2:
            yield node, "a matrix product over a sequence"
