"""What an earlier build left behind, read back: one `Built` for each model and target."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompile.errors import UserError
from edgecompile.evaluate.metrics import Metric, metric_of
from edgecompile.findings import Finding

SUMMARY, MANIFEST, RECIPE = "summary.json", "manifest.json", "recipe.json"
_DATA = "data[evaluation]"


@dataclass(frozen=True)
class Built:
    """One target of one build. None stands for what was not measured or is not known.

    `sqnr_db` and `equal` are of the artifact's outputs: against PyTorch's, infinite where they are
    equal, and the share that equals ONNX Runtime's integer kernels. `data` is a digest of the
    evaluation data, `budget` the recipe's total, in points.
    """

    model: str
    target: str
    metric: Metric
    value: float | None = None
    evidence: str = "not measured"
    samples: int | None = None
    sqnr_db: float | None = None
    equal: float | None = None
    size_bytes: int | None = None
    findings: tuple[Finding, ...] = ()
    error: str | None = None
    data: str | None = None
    budget: float | None = None


def read_builds(path: Path) -> dict[tuple[str, str], Built]:
    """All targets of a build, by model and target.

    `path` is an output folder with several models, a model's folder, a target's folder, or a JSON
    file of a build.

    Raises:
        UserError: nothing of a build is there, or it cannot be read.
    """
    if path.is_file():
        builts = _of_build(path, None)
    elif (path / SUMMARY).is_file():
        builts = _of_build(path / SUMMARY, path)
    elif (path / MANIFEST).is_file():
        builts = [_of_target(path)]
    else:
        summaries = sorted(path.glob(f"*/{SUMMARY}"))
        builts = [built for file in summaries for built in _of_build(file, file.parent)]
        if not builts:
            raise UserError(
                f"there is no build in {path}",
                remedy="name an output folder of `edgecompile build`, or the file of --format json",
            )
    return {(built.model, built.target): built for built in builts}


def _of_build(file: Path, folder: Path | None) -> list[Built]:
    """From a build's JSON; what lies in the folders of targets beside it tells more."""
    body = _read(file)
    try:
        metric = Metric(**body["metric"])
        rows = {row["target"]: row for row in body["stages"] if row["target"]}
        return [
            Built(
                body["model"],
                target["target"],
                metric,
                **_measured(rows.get(target["target"])),
                size_bytes=target["size_bytes"],
                findings=tuple(Finding(**fields) for fields in target["findings"]),
                error=target["error"],
                **({} if folder is None else _beside(folder / target["target"])),
            )
            for target in body["targets"]
        ]
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{file} is no result of a build") from None


def _of_target(folder: Path) -> Built:
    body = _read(folder / MANIFEST)
    recipe = _read(folder / RECIPE) if (folder / RECIPE).is_file() else {}
    try:
        row = body["stages"][-1]
        return Built(
            body["model"],
            body["target"]["name"],
            metric_of(recipe.get("metric", "top1")),
            **_measured(row),
            size_bytes=row["size_bytes"],
            findings=tuple(Finding(**fields) for fields in body["findings"]),
            **_beside(folder),
        )
    except (KeyError, TypeError, IndexError, AttributeError):
        raise UserError(f"{folder / MANIFEST} is no manifest of a target") from None


def _measured(row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None or row["metric"] is None:
        return {}
    baseline = row["agreement"].get("baseline")
    sqnr = None if baseline is None else baseline["sqnr_db"]
    return {
        "value": row["metric"],
        "evidence": row["evidence"],
        "samples": row["samples"],
        "sqnr_db": float("inf") if baseline is not None and sqnr is None else sqnr,
        "equal": row["agreement"].get("twin", {}).get("equal"),
    }


def _beside(folder: Path) -> dict[str, Any]:
    """The digest of the evaluation data, and the budget, from the folder of a target."""
    found: dict[str, Any] = {}
    if (folder / MANIFEST).is_file():
        steps = {step["step"]: step for step in _read(folder / MANIFEST)["lineage"]}
        found["data"] = json.dumps(steps[_DATA]["files"], sort_keys=True)
    if (folder / RECIPE).is_file():
        found["budget"] = _read(folder / RECIPE)["budgets"]["total"]
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        body = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {file}: {error}") from error
    if not isinstance(body, dict):
        raise UserError(f"{file} is no result of a build")
    return body
