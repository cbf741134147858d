"""What the Edge TPU will make of a hub or of a file, before the compiler has seen it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir

from edgecompile.artifact_check import OperatorFate
from edgecompile.backends.edgetpu.lowering import lower_for_edgetpu
from edgecompile.backends.edgetpu.mapping import Placement, Status, predict_mapping
from edgecompile.backends.edgetpu.options import EdgeTpuOptions
from edgecompile.backends.edgetpu.refusals import COMPILED, MODELS, find_refusals
from edgecompile.backends.edgetpu.remedies import remedy
from edgecompile.backends.edgetpu.rewrites import rewritten
from edgecompile.compress.draft import draft
from edgecompile.compress.scheme import QuantScheme
from edgecompile.errors import UserError
from edgecompile.findings import Finding
from edgecompile.formats.tflite.check import check_operators, check_scheme
from edgecompile.formats.tflite.graph import FileGraph, parse_graph
from edgecompile.graph.provenance import finding_at, provenance
from edgecompile.graph.qdq import has_pairs, tensor_params
from edgecompile.recipe.target import Scheme

_SOURCES = {
    "table": MODELS,
    "log": "https://github.com/google-coral/edgetpu/issues",
    "pair": "https://github.com/google-coral/test_data",
    "assumed": "assumed: nobody has published it",
}


def check_hub(hub: ir.Model, scheme: Scheme, options: EdgeTpuOptions) -> list[Finding]:
    """Errors for what cannot be written or compiled, a warning for each node that the CPU gets.

    A float hub is asked about with made-up numbers: what is mapped depends on forms and sizes.
    """
    errors = check_operators(hub) + check_scheme(hub, scheme) + _wide_numbers(hub)
    if errors:
        return errors
    hub = rewritten(hub if has_pairs(hub) else draft(hub, QuantScheme("affine")))
    lowered = lower_for_edgetpu(hub, options.io)
    graph = parse_graph(lowered.content, "the lowered model")
    nodes = {node.name: node for node in hub.graph}
    origins = [nodes.get(name) if name else None for name in lowered.origins]
    placements = predict_mapping(graph, options.runtime)
    found = [_at_its_node(refusal, origins) for refusal in find_refusals(graph)]
    found += _nothing_mapped(placements)
    by_node: dict[str, list[Placement]] = {}
    for placement in placements:
        name = lowered.origins[placement.operator.index]
        own_fault = not placement.is_mapped and placement.status is not Status.SUBGRAPH
        # A QUANTIZE of floats follows from the float operator before it: inputs are int8 here.
        if own_fault and name is not None and placement.operator.name != "QUANTIZE":
            by_node.setdefault(name, []).append(placement)
    return found + [_node_finding(nodes[name], members) for name, members in by_node.items()]


def _node_finding(node: ir.Node, members: Sequence[Placement]) -> Finding:
    """One warning for a node, whatever the number of operators that it became."""
    others = list(dict.fromkeys(p.operator.label for p in members[1:]))
    more = f" (as do {', '.join(others)} behind it)" if others else ""
    message = f"{_sentence(members[0])}{more}"
    advice = remedy(members[0], node.op_type)
    return finding_at(node, "warning", "edgetpu-cpu", message, advice, _source(members[0]))


def _wide_numbers(hub: ir.Model) -> list[Finding]:
    """An error for a hub whose activations are not int8."""
    widths = {tensor_params(n).bits for n in hub.graph if n.op_type == "QuantizeLinear"} - {8}
    if not widths:
        return []
    message = f"the Edge TPU computes on 8 bits, and the hub has activations of {min(widths)}"
    advice = "stages.quantize.precision=int8"
    return [Finding("error", "edgetpu-bits", message, remedy=advice, reference=MODELS)]


def _at_its_node(refusal: Finding, origins: Sequence[ir.Node | None]) -> Finding:
    """The finding about an operator of the file, told of the node that it came from."""
    node = None if refusal.node is None else origins[int(refusal.node)]
    if node is None:
        return refusal
    return replace(refusal, node=node.name, op_type=node.op_type, **vars(provenance(node)))


@dataclass(frozen=True)
class CheckedFile:
    """A .tflite file with the fate of its operators; no graph: the file cannot be read."""

    findings: tuple[Finding, ...]
    graph: FileGraph | None = None
    placements: tuple[Placement, ...] = ()


def check_file(file: Path, options: EdgeTpuOptions) -> CheckedFile:
    """What there is to say about a .tflite file, ours or a stranger's, even a damaged one."""
    try:
        graph = parse_graph(file.read_bytes(), file.name)
    except UserError as error:
        return CheckedFile((Finding("error", "edgetpu-damaged", error.message),))
    if any(operator.custom == COMPILED for operator in graph.operators):
        message = "the file is compiled already: the Edge TPU runs it as it is"
        advice = "check the file that it was compiled from"
        return CheckedFile((Finding("error", "edgetpu-compiled", message, remedy=advice),))
    placements = tuple(predict_mapping(graph, options.runtime))
    findings = (*find_refusals(graph), *unmapped_findings(placements))
    return CheckedFile(findings, graph, placements)


def unmapped_findings(placements: Sequence[Placement]) -> list[Finding]:
    """A warning for each kind of operator and reason that leaves operators to the CPU."""
    groups: dict[tuple[str, str, str], list[Placement]] = {}
    for placement in placements:
        if not placement.is_mapped and placement.status is not Status.SUBGRAPH:
            key = (placement.operator.label, placement.status, placement.source or "")
            groups.setdefault(key, []).append(placement)
    found = []
    for (label, _, _), members in groups.items():
        where = ", ".join(str(p.operator.index) for p in members[:5])
        more = f" and {len(members) - 5} more" if len(members) > 5 else ""
        finding = Finding(
            "warning",
            "edgetpu-cpu",
            f"operator {where}{more}: {_sentence(members[0])}",
            node=str(members[0].operator.index),
            op_type=label,
            remedy=remedy(members[0]),
            reference=_source(members[0]),
        )
        found.append(finding)
    return found + _nothing_mapped(placements)


def _nothing_mapped(placements: Sequence[Placement]) -> list[Finding]:
    if not placements or any(p.is_mapped for p in placements):
        return []
    message = f"none of the {len(placements)} operators is mapped: the Edge TPU would do nothing"
    return [Finding("error", "edgetpu-nothing", message, reference=MODELS)]


def fates(placements: Sequence[Placement]) -> tuple[OperatorFate, ...]:
    """The placements as plain values."""
    return tuple(
        OperatorFate(
            p.operator.index,
            p.operator.label,
            str(p.status),
            p.is_mapped,
            p.reason,
            None if p.source is None else _SOURCES[p.source],
        )
        for p in placements
    )


def _sentence(placement: Placement) -> str:
    return f"{placement.operator.label} runs on the CPU. {placement.status}: {placement.reason}"


def _source(placement: Placement) -> str:
    return _SOURCES[placement.source or "table"]
