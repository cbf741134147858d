"""The report of a build on the terminal: accuracy per step, then what each device gets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from edgecompile.build.result import BuildResult, StageResult, TargetResult
from edgecompile.estimate import Estimate
from edgecompile.evaluate.metrics import Metric
from edgecompile.findings import Finding
from edgecompile.measured import Measured
from edgecompile.report.compression import print_compression

WIDEST = 500
"""Columns. A log file or a pipe has no width of its own; a table takes only what it needs."""


def print_build(result: BuildResult, output: Path, *, verbose: bool = False) -> None:
    """Print the whole report of one build on stdout."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(highlight=False, soft_wrap=True, width=WIDEST)
    if any(stage.metric is not None for stage in result.stages):
        console.print()
        console.print(_stage_table(result))
    print_compression(console, result.compression)
    _print_kernel_agreement(console, result)
    for target in result.targets:
        _print_target(console, target, output, verbose)
    _print_costs(console, result)


def _stage_table(result: BuildResult) -> Table:
    metric = result.metric
    unit = "points" if metric.points != 1.0 else ""
    table = Table(box=box.SIMPLE_HEAD, title=_title(result), title_justify="left", pad_edge=False)
    table.add_column("step", no_wrap=True)
    table.add_column(metric.name, justify="right", no_wrap=True)
    table.add_column(f"step {unit}".strip(), justify="right", no_wrap=True)
    table.add_column(f"total {unit}".strip(), justify="right", no_wrap=True)
    table.add_column("SQNR dB", justify="right", no_wrap=True)
    table.add_column("max diff", justify="right", no_wrap=True)
    pruned = any(stage.cost for stage in result.stages)
    if pruned:
        table.add_column("MACs", justify="right", no_wrap=True)
        table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("evidence", no_wrap=True)
    table.add_column("CPU s", justify="right", no_wrap=True)
    for stage in result.stages:
        cells = _stage_row(stage, metric)
        if pruned:
            cells[_BEFORE_SIZE:_BEFORE_SIZE] = _cost(stage)
        table.add_row(*cells, style="red" if stage.status == "failed" else "")
    return table


_BEFORE_SIZE = 6
"""Where the columns of a pruned network's cost stand."""


def _cost(stage: StageResult) -> list[str | Text]:
    """MACs, and parameters: of a sparse network those that are not 0, and all."""
    if stage.cost is None:
        return ["", ""]
    nonzero, parameters = stage.cost["nonzero"], stage.cost["parameters"]
    # A trained weight is hardly ever 0: a bias of BatchNorm that starts at 0 may be.
    sparse = f"{nonzero:,} of {parameters:,}" if nonzero < 0.99 * parameters else f"{parameters:,}"
    return [f"{stage.cost['macs'] / 1e6:,.2f} M", sparse]


def _title(result: BuildResult) -> str:
    samples = next((s.samples for s in result.stages if s.samples), None)
    measured = f", measured on {samples:,} samples" if samples else ""
    return f"[bold]{escape(result.model)}[/bold]{measured}; SQNR and max diff against PyTorch"


def _stage_row(stage: StageResult, metric: Metric) -> list[str | Text]:
    name = f"lower {stage.target}" if stage.target else stage.step
    if stage.stage == "pytorch":
        name = "pytorch"
    agreement = stage.agreement.get("baseline", {})
    if stage.metric is None:
        why = "not reached" if stage.status == "skipped" else "failed"
        return [escape(name), why, "", "", "", "", "", "not measured", ""]
    return [
        escape(name),
        _value(stage.metric, metric),
        _delta(
            stage.delta_previous, [v.holds for v in stage.verdicts if v.name != "budgets.total"]
        ),
        _delta(
            stage.delta_baseline, [v.holds for v in stage.verdicts if v.name == "budgets.total"]
        ),
        _decibel(agreement),
        f"{agreement['max_abs']:.2g}" if agreement else "",
        _size(stage.size_bytes),
        _evidence(stage),
        "cached" if stage.status == "cached" else _seconds(stage.cpu_seconds),
    ]


def _evidence(stage: StageResult) -> str:
    """How it was measured, and on how many samples where that is not all of them."""
    if stage.samples is None or stage.samples == stage.all_samples:
        return stage.evidence
    return f"{stage.evidence}, {samples_sentence(stage.samples, stage.all_samples)} samples"


def samples_sentence(samples: int, all_samples: int | None) -> str:
    """``200 of 996``, or ``996`` where these are all."""
    return f"{samples:,}" if samples == all_samples else f"{samples:,} of {all_samples:,}"


def _value(value: float, metric: Metric) -> str:
    return f"{value * 100:.2f} %" if metric.points == 100.0 else f"{value:.4g}"


def _delta(points: float | None, holds: list[bool]) -> Text:
    if points is None:
        return Text("")
    text = f"{points:+.2f}" if round(points, 2) else "0.00"
    return Text(text, style="bold red" if not all(holds) else "green" if points > 0 else "")


def _decibel(agreement: dict[str, Any]) -> str:
    if not agreement:
        return ""
    return "equal" if agreement["sqnr_db"] is None else f"{agreement['sqnr_db']:.1f}"


def _size(size: int | None) -> str:
    return "" if size is None else f"{size / 1000:,.1f} kB"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"


def _print_kernel_agreement(console: Console, result: BuildResult) -> None:
    twins = {
        s.target or s.step: s.agreement["twin"] for s in result.stages if "twin" in s.agreement
    }
    if twins:
        console.print("against ONNX Runtime's integer kernels on the same numbers:")
    for target, twin in twins.items():
        console.print(f"        {escape(target):24} {_lsb_sentence(twin)}")
    if twins:
        console.print()


def _lsb_sentence(twin: dict[str, Any]) -> str:
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


def _print_target(console: Console, target: TargetResult, output: Path, verbose: bool) -> None:
    if target.artifact is not None:
        path = output / target.artifact
        console.print(
            f"[green]built[/green]   {escape(target.target):24} {escape(path.as_posix())} "
            f"({target.precision}, {_size(target.size_bytes)})"
        )
    else:
        console.print(f"[red]failed[/red]  {escape(target.target):24} exit {target.exit_code}")
    for line in measured_lines(target.measured):
        console.print(f"        {escape(line)}")
    for found in target.estimates:
        console.print(f"        {escape(estimate_line(found))}")
        if verbose:
            for line in (found.model, *found.sources):
                console.print(f"          {escape(line)}")
    for finding in target.findings:
        if finding.level != "note" or verbose:
            console.print(escape("\n".join(f"        {line}" for line in finding_lines(finding))))


def measured_lines(figures: Sequence[Measured]) -> list[str]:
    """Measured figures, one line for all that were obtained in the same way."""
    by_method: dict[str, list[str]] = {}
    for figure in figures:
        exact = float(figure.value).is_integer()
        value = f"{figure.value:,.0f}" if exact else f"{figure.value:,.4g}"
        words = f"{figure.quantity} {value} {figure.unit}"
        by_method.setdefault(figure.method, []).append(words)
    return [f"measured: {'; '.join(words)} ({method})" for method, words in by_method.items()]


def estimate_line(found: Estimate) -> str:
    """An estimate in one line, which says that it is one."""
    if found.high is None:
        figures = f"at least {found.low:.3g}"
    elif found.high == found.low:
        figures = f"{found.low:.3g}"
    else:
        figures = f"{found.low:.3g} to {found.high:.3g}"
    return f"estimate: {found.quantity} {figures} {found.unit}"


def finding_lines(finding: Finding) -> list[str]:
    """A finding as a person reads it: what, where, what to do, whose rule it is."""
    place = ", ".join(p for p in (finding.op_type, finding.module, finding.source) if p)
    lines = [f"{finding.level}: {finding.message}" + (f" [{place}]" if place else "")]
    if finding.remedy:
        lines.append(f"  help: {finding.remedy}")
    if finding.reference:
        lines.append(f"  rule: {finding.rule} ({finding.reference})")
    return lines


def _print_costs(console: Console, result: BuildResult) -> None:
    spent = sum(step.cpu_seconds or 0.0 for step in result.steps)
    if spent and result.peak_bytes:
        console.print(
            f"[dim]{spent:.1f} CPU seconds, peak memory {result.peak_bytes / 1e6:,.0f} MB[/dim]"
        )
