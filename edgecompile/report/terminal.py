"""The report of a build on the terminal: accuracy per step, then what each device gets."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from edgecompile.build.result import BuildResult, StageResult, TargetResult
from edgecompile.evaluate.metrics import Metric
from edgecompile.report.compression import print_compression
from edgecompile.report.words import (
    SOME_SAMPLES,
    decibel_words,
    estimate_line,
    finding_lines,
    kernel_words,
    measured_lines,
    metric_words,
    points_words,
    samples_words,
    size_words,
)

WIDEST = 500
"""Columns. A log file or a pipe has no width of its own; a table takes only what it needs."""


def report_console() -> Console:
    """Stdout, as wide as the terminal, or as what is written needs."""
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        return console
    return Console(highlight=False, soft_wrap=True, width=WIDEST)


def print_build(result: BuildResult, output: Path, *, verbose: bool = False) -> None:
    """Print the whole report of one build on stdout."""
    console = report_console()
    if any(stage.metric is not None for stage in result.stages):
        console.print()
        console.print(_stage_table(result))
    if any(stage.metric_of_samples is not None for stage in result.stages):
        console.print(f"{SOME_SAMPLES} (docs/evidence.md)")
    print_compression(console, result.compression)
    _print_kernel_agreement(console, result)
    for target in result.targets:
        _print_target(console, target, output, verbose)
    if any(target.artifact for target in result.targets):
        summary = escape((output / result.model / "summary.html").as_posix())
        console.print(f"pages   {summary}; of each artifact, report.html beside it")
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
        metric_words(stage.metric, metric),
        _delta(
            stage.delta_previous, [v.holds for v in stage.verdicts if v.name != "budgets.total"]
        ),
        _delta(
            stage.delta_baseline, [v.holds for v in stage.verdicts if v.name == "budgets.total"]
        ),
        decibel_words(agreement),
        f"{agreement['max_abs']:.2g}" if agreement else "",
        size_words(stage.size_bytes),
        _evidence(stage),
        "cached" if stage.status == "cached" else _seconds(stage.cpu_seconds),
    ]


def _evidence(stage: StageResult) -> str:
    """How it was measured, and on how many samples where that is not all of them."""
    if stage.samples is None or stage.samples == stage.all_samples:
        return stage.evidence
    return f"{stage.evidence}, {samples_words(stage.samples, stage.all_samples)} samples"


def _delta(points: float | None, holds: list[bool]) -> Text:
    if points is None:
        return Text("")
    return Text(
        points_words(points), style="bold red" if not all(holds) else "green" if points > 0 else ""
    )


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"


def _print_kernel_agreement(console: Console, result: BuildResult) -> None:
    twins = {
        s.target or s.step: s.agreement["twin"] for s in result.stages if "twin" in s.agreement
    }
    if twins:
        console.print("against ONNX Runtime's integer kernels on the same numbers:")
    for target, twin in twins.items():
        console.print(f"        {escape(target):24} {kernel_words(twin)}")
    if twins:
        console.print()


def _print_target(console: Console, target: TargetResult, output: Path, verbose: bool) -> None:
    if target.artifact is not None:
        path = output / target.artifact
        console.print(
            f"[green]built[/green]   {escape(target.target):24} {escape(path.as_posix())} "
            f"({target.precision}, {size_words(target.size_bytes)})"
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


def _print_costs(console: Console, result: BuildResult) -> None:
    spent = sum(step.cpu_seconds or 0.0 for step in result.steps) + (result.page_seconds or 0.0)
    if spent and result.peak_bytes:
        console.print(
            f"[dim]{spent:.1f} CPU seconds, peak memory {result.peak_bytes / 1e6:,.0f} MB[/dim]"
        )
