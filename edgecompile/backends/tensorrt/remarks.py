"""What is worth saying about a lowering: pairs left out, operators that did not become int8."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import onnx_ir as ir

from edgecompile.backends.tensorrt.engine import Engine
from edgecompile.backends.tensorrt.lowering import Lowered
from edgecompile.backends.tensorrt.pairs import REASONS
from edgecompile.findings import Finding
from edgecompile.graph.provenance import finding_at
from edgecompile.graph.qdq import WEIGHTED

_PAGE = "docs/backends/tensorrt.md"


def lowering_remarks(lowered: Lowered) -> list[Finding]:
    """Which pairs of the hub are not in the ONNX file, and what is float where that was not asked.

    Notes, shown with --verbose; a model that does not fit float16 is a warning.
    """
    found = []
    by_reason: dict[str, list[str]] = defaultdict(list)
    for pair in lowered.dropped:
        by_reason[REASONS[pair.reason]].append(pair.module or pair.tensor)
    for reason, places in by_reason.items():
        listed = ", ".join(dict.fromkeys(places))
        found.append(_note("tensorrt-pairs", f"pairs left out ({len(places)}), {reason}: {listed}"))
    if lowered.why_float32 is not None:
        found.append(
            Finding(
                "warning",
                "tensorrt-float32",
                f"{lowered.why_float32} does not fit float16: what is not int8 is float32",
                remedy="float_type: float32 in the target's options says so without this warning",
                reference=_PAGE,
            )
        )
    if lowered.sparse:
        found.append(
            _note("tensorrt-sparsity", f"{len(lowered.sparse)} operators have weights pruned 2:4")
        )
    return found


def engine_remarks(hub: ir.Model, engine: Engine) -> list[Finding]:
    """A warning for each operator that the hub quantizes and the compiler did not; else notes."""
    nodes = {node.name: node for node in hub.graph}
    found = []
    for name in engine.not_int8:
        message = f"{name} is quantized in the hub, and {engine.compiler} computes it in float"
        found.append(
            replace(
                finding_at(nodes.get(name), "warning", "tensorrt-not-int8", message),
                node=name,
                reference=_PAGE,
            )
        )
    wanted = len(engine.int8) + len(engine.not_int8)
    if wanted:
        found.append(
            _note(
                "tensorrt-int8",
                f"{len(engine.int8)} of {wanted} quantized operators multiply int8 in the engine",
            )
        )
    weighted = {node.name for node in hub.graph if node.op_type in WEIGHTED}
    in_float = sorted(filter(None, weighted - {*engine.int8, *engine.not_int8}))
    if wanted and in_float:
        found.append(
            _note(
                "tensorrt-float",
                f"{len(in_float)} products stay in {engine.float_type}: {', '.join(in_float)}",
            )
        )
    kinds = Counter(layer["type"] for layer in engine.layers)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    found.append(
        _note(
            "tensorrt-layers",
            f"{len(hub.graph)} nodes fused into {len(engine.layers)} layers: {listed}",
        )
    )
    return found


def _note(rule: str, message: str) -> Finding:
    return Finding("note", rule, message, reference=_PAGE)
