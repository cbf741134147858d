"""What a target of NVIDIA's cannot do with a float hub, said before anything slow."""

from __future__ import annotations

from dataclasses import replace

import onnx_ir as ir

from edgecompile.backends.tensorrt.engine import Refusal, refusals
from edgecompile.backends.tensorrt.options import EngineOptions
from edgecompile.backends.tensorrt.rules import broken_rules
from edgecompile.errors import TargetCannotRun
from edgecompile.findings import Finding
from edgecompile.graph.provenance import Provenance, provenance

_PARSER = "OnnxParser of tensorrt-rtx"


def check_for_engine(hub: ir.Model, options: EngineOptions) -> list[Finding]:
    """Our rules, then what NVIDIA's own parser refuses beyond them.

    Raises:
        ToolchainFailed: the parser crashed or hung.
    """
    found = broken_rules(hub, "rtx", options.compute_capability)
    named = {finding.node for finding in found if finding.level == "error"}
    if any(finding.node is None and finding.level == "error" for finding in found):
        return found  # the parser says the same of the model as a whole
    return found + [_told(hub, r, "error") for r in refusals(hub) if r.node not in named]


def check_for_bundle(hub: ir.Model, parser_is_here: bool) -> list[Finding]:
    """Our rules for TensorRT 10. Where NVIDIA's parser is installed, what it refuses is a warning:
    it is that of another product, of the same family."""
    found = broken_rules(hub, "tensorrt")
    if found or not parser_is_here:
        return found
    return [_told(hub, refusal, "warning") for refusal in refusals(hub)]


def check_lowered(hub: ir.Model, lowered: ir.Model) -> list[Finding]:
    """What TensorRT 10 will compute in float in the ONNX file, with the places in the hub.

    Raises:
        TargetCannotRun: it would refuse the file.
    """
    found = broken_rules(lowered, "tensorrt")
    error = next((finding for finding in found if finding.level == "error"), None)
    if error is not None:
        raise TargetCannotRun(
            f"TensorRT refuses the model at {error.node}: {error.message}", remedy=error.remedy
        )
    places = {node.name: provenance(node) for node in hub.graph}
    return [replace(f, **vars(places.get(f.node, Provenance()))) for f in found]


def _told(hub: ir.Model, refusal: Refusal, level: str) -> Finding:
    node = next((n for n in hub.graph.all_nodes() if n.name == refusal.node), None)
    origin = Provenance() if node is None else provenance(node)
    return Finding(
        "error" if level == "error" else "warning",
        "tensorrt-parser",
        f"NVIDIA's parser refuses it: {refusal.message}",
        node=refusal.node or None,
        op_type=refusal.op_type or None,
        module=origin.module,
        source=origin.source,
        remedy="write this part of forward() with other operators",
        reference=_PARSER,
    )
