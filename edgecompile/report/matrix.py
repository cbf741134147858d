"""The report of many builds on the terminal: a line for each recipe and target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from edgecompile.build.matrix import EntryResult
from edgecompile.build.result import BuildResult, StageResult, TargetResult
from edgecompile.evaluate.metrics import Metric
from edgecompile.report.terminal import report_console
from edgecompile.report.words import metric_words, points_words, size_words


def print_matrix(results: Sequence[EntryResult], output: Path) -> None:
    """Print the table of all pairs on stdout, and how many were built."""
    table = Table(box=None, pad_edge=False)
    for name in ("model", "target"):
        table.add_column(name, no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name in ("metric", "total points", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("evidence", no_wrap=True)
    built = pairs = 0
    for one in results:
        pairs += len(one.entry.targets)
        if one.result is None:
            state = "not begun" if one.error is None else f"[red]exit {one.exit_code}[/red]"
            for target in one.entry.targets:
                table.add_row(escape(one.entry.model), escape(target.name), state)
            continue
        for made in one.result.targets:
            built += made.error is None
            table.add_row(escape(one.entry.model), *_row(one.result, made))
    console = report_console()
    console.print(table)
    console.print(f"{built} of {pairs} built in {escape(output.as_posix())}/MODEL/TARGET/")


def _row(result: BuildResult, made: TargetResult) -> list[str]:
    row = next((stage for stage in result.stages if stage.target == made.target), None)
    state = "[green]built[/green]" if made.error is None else f"[red]exit {made.exit_code}[/red]"
    return [escape(made.target), state, *_measured(row, result.metric, made)]


def _measured(row: StageResult | None, metric: Metric, made: TargetResult) -> list[str]:
    if row is None or row.metric is None:
        return ["", "", "", "not measured"]
    return [
        f"{metric.name} {metric_words(row.metric, metric)}",
        points_words(row.delta_baseline),
        size_words(made.size_bytes),
        row.evidence,
    ]
