"""A comparison as a person reads it: a row for each target, then findings and what is odd."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from edgecompile.report.comparison.compare import Change, Comparison
from edgecompile.report.words import finding_lines, metric_words, points_words, size_words

HEAD = ("MODEL", "TARGET", "METRIC", "OLD", "NEW", "POINTS", "SIZE", "SQNR dB", "EVIDENCE", "")


def rows_of(found: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """A table: its head and a row for each target."""
    return [HEAD, *(_row(comparison) for comparison in found)]


def _row(comparison: Comparison) -> tuple[str, ...]:
    named = (comparison.model, comparison.target, comparison.metric.name)
    state = "" if comparison.state == "both" else comparison.state
    verdict = " ".join(word for word in ("WORSE" if comparison.broken else "", state) if word)
    if not comparison.changes:
        return (*named, "", "", "", "", "", "", verdict)
    changes = {change.name: change for change in comparison.changes}
    total, before, after = changes["total"], *comparison.evidence
    return (
        *named,
        *(_metric(value, comparison) for value in (total.old, total.new)),
        points_words(None if total.worse is None else -total.worse),
        _size(changes["size"]),
        _agreement(changes["agreement"]),
        after if before == after else f"{before} -> {after}",
        verdict,
    )


def _metric(value: float | None, comparison: Comparison) -> str:
    return "not measured" if value is None else metric_words(value, comparison.metric)


def _size(change: Change) -> str:
    if change.new is None:
        return ""
    words = size_words(int(change.new))
    return words if not change.worse else f"{words} ({change.worse:+.1f} %)"


def _agreement(change: Change) -> str:
    words = [_decibel(value) for value in (change.old, change.new)]
    return words[1] if words[0] == words[1] else " -> ".join(words)


def _decibel(value: float | None) -> str:
    if value is None:
        return "not measured"
    return "equal" if math.isinf(value) else f"{value:.1f}"


def words_about(found: Sequence[Comparison]) -> Iterator[str]:
    """Findings that appeared (+) and went (-), and remarks, below the name of their target."""
    for comparison in found:
        lines = [f"  note: {remark}" for remark in comparison.remarks]
        for sign, findings in (("+", comparison.appeared), ("-", comparison.went)):
            lines += [f"  {sign} {finding_lines(finding)[0]}" for finding in findings]
        if comparison.error is not None:
            lines += [f"  {line}" for line in comparison.error.splitlines()]
        if lines:
            yield ""
            yield f"{comparison.model} on {comparison.target}:"
            yield from lines
