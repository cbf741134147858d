"""What came of the cases, as a table: operator by precision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edgecompile.conformance.judge import Verdict
from edgecompile.conformance.suite import Conformance


def as_data(found: Conformance) -> dict[str, Any]:
    """All of it as plain values."""
    return {
        "backend": found.backend.name,
        "evidence": found.backend.evidence,
        "versions": found.probe.versions,
        "targets": {precision: target.name for precision, target in found.targets.items()},
        "cases": [asdict(verdict) for verdict in found.verdicts],
    }


def table(found: Conformance) -> list[list[str]]:
    """A head, and a row for each operator with a cell for each precision."""
    precisions = list(found.targets)
    cells: dict[str, dict[str, list[Verdict]]] = {}
    for verdict in found.verdicts:
        cells.setdefault(verdict.operator, {}).setdefault(verdict.precision, []).append(verdict)
    rows = [
        [operator, *(_cell(row.get(precision, [])) for precision in precisions)]
        for operator, row in sorted(cells.items())
    ]
    return [["operator", *precisions], *rows]


def _cell(verdicts: Sequence[Verdict]) -> str:
    """``ok``, ``-`` where the precision changes nothing, else how many of the cases are what."""
    counts = Counter(verdict.status for verdict in verdicts if verdict.status != "same")
    if not counts:
        return "-"
    if len(counts) == 1:
        return next(iter(counts))
    told = [f"{count} {status}" for status, count in sorted(counts.items()) if status != "ok"]
    return f"{', '.join(told)} of {counts.total()}"


def remarks(found: Conformance) -> list[str]:
    """What is behind the cells that are not ``ok``: failures one by one, refusals by their rule."""
    lines = [
        f"{v.status}: {v.operator}, {v.case}, {v.precision}: {_reason(v)}" for v in found.failures
    ]
    lines += [
        f"finer: {v.operator}, {v.case}, {v.precision}: {v.difference:g} {v.unit} from the hub; "
        f"{v.message}"
        for v in found.verdicts
        if v.status == "finer"
    ]
    refused: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in found.verdicts:
        if verdict.status == "refused":
            refused.setdefault((verdict.operator, verdict.rule), []).append(verdict)
    for (operator, rule), verdicts in sorted(refused.items()):
        precisions = ", ".join(dict.fromkeys(v.precision for v in verdicts))
        lines.append(f"refused: {operator} ({precisions}), {rule}: {verdicts[0].message}")
    return lines


def _reason(verdict: Verdict) -> str:
    if verdict.message:
        return verdict.message
    return f"{verdict.difference:.3g} {verdict.unit}, where {verdict.allowed:g} is allowed"


def _targets(found: Conformance) -> str:
    """``android-tflite (int8, fp32), mcu-tflite (a16w8)``."""
    held: dict[str, list[str]] = {}
    for precision, target in found.targets.items():
        held.setdefault(target.name, []).append(precision)
    return ", ".join(f"{name} ({', '.join(precisions)})" for name, precisions in held.items())


def as_markdown(found: Conformance) -> str:
    """The table and what is behind it, to be put into a page. Names no version and no time."""
    head, *rows = table(found)
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", f"Evidence `{found.backend.evidence}`, by the target {_targets(found)}."]
    notes = remarks(found)
    if notes:
        lines += ["", *(f"* {note.replace('|', chr(92) + '|')}" for note in notes)]
    return "\n".join(lines)
