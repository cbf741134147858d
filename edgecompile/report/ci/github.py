"""GitHub Actions: annotations on lines, the summary of a job, and the matrix of a fan-out.

The forms are those of "Workflow commands for GitHub Actions" and of `strategy.matrix`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgecompile.evaluate.metrics import Metric
from edgecompile.report.ci.remarks import Remark
from edgecompile.report.words import metric_words, points_words, size_words

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
_MOST = 10
"""Of a level that GitHub shows of one step; the rest would be lost without a word."""


def workflow_commands(remarks: Sequence[Remark]) -> list[str]:
    """One workflow command for each remark, at most ten of a level; then how many are left out."""
    lines = []
    for level, command in _COMMANDS.items():
        found = [remark for remark in remarks if remark.level == level]
        shown = found if len(found) <= _MOST else found[: _MOST - 1]
        lines += [_annotation(command, remark) for remark in shown]
        if len(shown) < len(found):
            lines.append(f"::{command}::and {len(found) - len(shown)} more: see the report")
    return lines


def _annotation(command: str, remark: Remark) -> str:
    place = {"file": remark.file, "title": f"edgecompile: {', '.join(remark.targets)}"}
    if remark.line is not None:
        place["line"] = str(remark.line)
    words = ",".join(f"{key}={_property(value)}" for key, value in place.items())
    message = remark.message + (f"\n{remark.remedy}" if remark.remedy else "")
    return f"::{command} {words}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def job_summary(body: Mapping[str, Any], remarks: Sequence[Remark]) -> str:
    """A build's JSON as Markdown: a row for each target, then what is wrong."""
    metric = Metric(**body["metric"])
    rows = {row["target"]: row for row in body["stages"] if row["target"]}
    lines = [
        f"### edgecompile: {_cell(body['model'])}",
        "",
        f"| target | state | {_cell(metric.name)} | points | size | evidence |",
        "|---|---|--:|--:|--:|---|",
    ]
    for target in body["targets"]:
        row = rows.get(target["target"])
        state = "built" if target["error"] is None else f"**exit {target['exit_code']}**"
        measured = ["not measured", "", "", ""]
        if row is not None and row["metric"] is not None:
            measured = [
                metric_words(row["metric"], metric),
                points_words(row["delta_baseline"]),
                size_words(target["size_bytes"]),
                row["evidence"],
            ]
        cells = [_cell(text) for text in (target["target"], *measured)]
        lines.append(f"| {cells[0]} | {state} | {' | '.join(cells[1:])} |")
    told = [remark for remark in remarks if remark.level != "note"]
    if told:
        lines += ["", *(_line(remark) for remark in told)]
    return "\n".join([*lines, ""]) + "\n"


def _line(remark: Remark) -> str:
    place = remark.file if remark.line is None else f"{remark.file}:{remark.line}"
    targets = _cell(", ".join(remark.targets))
    return f"* **{remark.level}** {targets}: {_cell(remark.message)} ({_cell(place)})"


_MARKDOWN = "\\`*_{}[]<>#|"


def _cell(text: str) -> str:
    """Text on one line that Markdown and HTML leave as it is."""
    line = " ".join(text.split()).replace("&", "&amp;")
    return "".join(f"\\{c}" if c in _MARKDOWN else c for c in line)


def fan_out(pairs: Iterable[tuple[str, str]]) -> str:
    """Recipes and their targets as one line of JSON for `strategy.matrix`."""
    include = [{"recipe": recipe, "target": target} for recipe, target in pairs]
    return json.dumps({"include": include}, separators=(",", ":"))
