"""A hub as a package and what goes with it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgecompile.backends.coreml.check import scale_findings
from edgecompile.backends.coreml.convert import convert_hub
from edgecompile.backends.coreml.options import CoreMLOptions
from edgecompile.backends.coreml.package import open_package, write_package
from edgecompile.errors import TargetCannotRun
from edgecompile.graph.constants import is_static
from edgecompile.graph.hub import constant


def lower_hub(hub: ir.Model, options: CoreMLOptions, package: Path) -> None:
    """Write `package`, a folder; the same hub gives the same bytes.

    Raises:
        TargetCannotRun: the scale of an activation is 0 in float16.
        ToolchainFailed: coremltools failed.
    """
    half = computes_in_half(hub, options)
    lost = [f for f in scale_findings(hub) if f.level == "error"] if half else []
    if lost:
        place = ", ".join(part for part in (lost[0].module, lost[0].source) if part)
        where = f" [{place}]" if place else ""
        raise TargetCannotRun(f"{lost[0].message}{where}", remedy=lost[0].remedy)
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        raw = Path(name, "model.mlpackage")
        convert_hub(hub, raw, half=half, deployment=options.deployment)
        write_package(open_package(raw), package)


def computes_in_half(hub: ir.Model, options: CoreMLOptions) -> bool:
    """Are the program's floats float16? Not in precision fp32, whose hub has no small number."""
    return options.arithmetic == "float16" and any(_is_small(node) for node in hub.graph)


def _is_small(node: ir.Node) -> bool:
    """A quantization, or a constant that is stored in fewer bits."""
    if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
        return True
    if node.op_type != "Cast" or not is_static(node.outputs[0]):
        return False
    stored = constant(node.inputs[0])
    return stored is not None and stored.dtype != np.float32
