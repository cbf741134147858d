"""Figures and findings in words: the same on a terminal, in a log and on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecompile.estimate import Estimate
from edgecompile.evaluate.metrics import Metric
from edgecompile.findings import Finding
from edgecompile.measured import Measured

SOME_SAMPLES = (
    "where not all samples were run, the metric is that of the step before on all, "
    "plus the difference on those that were run"
)
"""What such a row's figure is."""


def metric_words(value: float, metric: Metric) -> str:
    """``98.80 %`` of a fraction, four figures of anything else."""
    return f"{value * 100:.2f} %" if metric.points == 100.0 else f"{value:.4g}"


def points_words(points: float | None) -> str:
    """``+0.40``; nothing where there is no step before."""
    if points is None:
        return ""
    return f"{points:+.2f}" if round(points, 2) else "0.00"


def decibel_words(agreement: Mapping[str, Any]) -> str:
    """How far the outputs agree, in dB."""
    if not agreement:
        return ""
    return "equal" if agreement["sqnr_db"] is None else f"{agreement['sqnr_db']:.1f}"


def size_words(size: int | None) -> str:
    """``26.6 kB``, of 1000 bytes."""
    return "" if size is None else f"{size / 1000:,.1f} kB"


def samples_words(samples: int, all_samples: int | None) -> str:
    """``200 of 996``, or ``996`` where these are all."""
    return f"{samples:,}" if samples == all_samples else f"{samples:,} of {all_samples:,}"


def kernel_words(twin: Mapping[str, Any]) -> str:
    """How an artifact's integers compare with ONNX Runtime's on the same hub."""
    lsb = twin["lsb"]
    if not lsb:  # the outputs are no integers
        return f"{twin['equal']:.3%} of the outputs are equal"
    total, equal = sum(lsb.values()), lsb.get("0", 0)
    if equal == total:
        return f"all {total:,} outputs are equal"
    ties = lsb.get("-1", 0) + lsb.get("1", 0)
    sentence = f"{equal / total:.3%} of {total:,} outputs are equal, {ties:,} differ by 1 LSB"
    if ties + equal < total:
        worst = max(abs(int(step)) for step in lsb)
        sentence += f", {total - ties - equal:,} by more (at most {worst})"
    return sentence


def measured_words(value: float) -> str:
    """``1,234`` of a whole number, four figures of another one."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def estimate_figures(low: float, high: float | None) -> str:
    """``at least 0.3``, ``0.3`` or ``0.3 to 0.5``."""
    if high is None:
        return f"at least {low:.3g}"
    return f"{low:.3g}" if high == low else f"{low:.3g} to {high:.3g}"


def estimate_line(found: Estimate) -> str:
    """An estimate in one line, which says that it is one."""
    figures = estimate_figures(found.low, found.high)
    return f"estimate: {found.quantity} {figures} {found.unit}"


def place_words(finding: Finding) -> str:
    """``Conv, stage1.conv1, model.py:41``: as much of it as is known."""
    return ", ".join(part for part in (finding.op_type, finding.module, finding.source) if part)


def finding_lines(finding: Finding) -> list[str]:
    """A finding as a person reads it: what, where, what to do, whose rule it is."""
    place = place_words(finding)
    lines = [f"{finding.level}: {finding.message}" + (f" [{place}]" if place else "")]
    if finding.remedy:
        lines.append(f"  help: {finding.remedy}")
    if finding.reference:
        lines.append(f"  rule: {finding.rule} ({finding.reference})")
    return lines


def measured_lines(figures: Sequence[Measured]) -> list[str]:
    """Measured figures, one line for all that were obtained in the same way."""
    by_method: dict[str, list[str]] = {}
    for figure in figures:
        words = f"{figure.quantity} {measured_words(figure.value)} {figure.unit}"
        by_method.setdefault(figure.method, []).append(words)
    return [f"measured: {'; '.join(words)} ({method})" for method, words in by_method.items()]
