"""compare: what a change cost, and when that is too much."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecompile.evaluate.metrics import METRICS
from edgecompile.findings import Finding
from edgecompile.report.comparison.compare import compare_builds
from edgecompile.report.comparison.read import Built, read_builds


@pytest.fixture
def changed(built: Path) -> Callable[[Callable[[Any, Any], None]], str]:
    """A copy of the built model in ./new, its summary changed: `edit(target, row)`."""

    def call(edit: Callable[[Any, Any], None]) -> str:
        shutil.copytree(built.parents[1], "new")
        file = Path("new/tiny/summary.json")
        body = json.loads(file.read_bytes())
        edit(body["targets"][0], body["stages"][-1])
        file.write_text(json.dumps(body))
        return "new"

    return call


def lose(points: float) -> Callable[[Any, Any], None]:
    def edit(target: Any, row: Any) -> None:
        row["metric"] -= points / 100

    return edit


def test_a_build_is_as_good_as_itself_however_it_is_named(edgecompile, built):
    body = edgecompile("build", "tiny", "--format", "json").stdout
    Path("build.json").write_text(body)
    for name in ("dist", "dist/tiny", "dist/tiny/summary.json", built, "build.json"):
        result = edgecompile("compare", "dist", name)
        assert (result.exit_code, result.stderr) == (0, "")
        (head, row) = result.stdout.splitlines()
        assert head.split()[:4] == ["MODEL", "TARGET", "METRIC", "OLD"]
        words = row.split()
        assert words[:3] == ["tiny", "cpu-onnxruntime", "top1"]
        assert words[3] == words[5]
        assert "0.00" in words and words[-1] == "vendor-runtime"


@pytest.mark.parametrize(
    ("lost", "options", "exit_code"),
    [
        (0.4, ("--allow", "total=0.5"), 0),
        (0.5, ("--allow", "total=0.5"), 0),
        (0.6, ("--allow", "total=0.5"), 3),
        (-1.0, ("--allow", "total=0"), 0),
        (4.9, (), 0),  # the recipe allows 5 points
        (5.1, (), 3),
    ],
)
def test_a_loss_above_what_is_allowed_is_exit_3(edgecompile, changed, lost, options, exit_code):
    result = edgecompile("compare", "dist", changed(lose(lost)), *options, "--format", "json")
    assert result.exit_code == exit_code
    (target,) = result.json()["targets"]
    assert target["changes"]["total"]["worse"] == pytest.approx(lost)
    assert target["changes"]["total"]["holds"] == (exit_code == 0)
    assert result.json()["exit_code"] == exit_code
    if exit_code:
        limit = options[1].partition("=")[2] if options else "5"
        assert result.stderr == (
            f"error: tiny on cpu-onnxruntime: total got worse by {lost:g} points, and "
            f"{limit} are allowed\n"
        )


def grow(target: Any, row: Any) -> None:
    target["size_bytes"] = round(target["size_bytes"] * 1.5)


def blur(target: Any, row: Any) -> None:
    row["agreement"]["baseline"]["sqnr_db"] -= 6


def warn(target: Any, row: Any) -> None:
    target["findings"].append(vars(Finding("warning", "slow", "runs on the CPU", module="fc")))


@pytest.mark.parametrize(
    ("edit", "enough", "too_little", "shown"),
    [
        (grow, "size=51", "size=49", "+50.0 %"),
        (blur, "agreement=6", "agreement=5.9", " -> "),
        (warn, "findings=1", "findings=0", "+ warning: runs on the CPU [fc]"),
    ],
)
def test_size_agreement_and_findings_are_held_where_they_are_named(
    edgecompile, changed, edit, enough, too_little, shown
):
    new = changed(edit)
    assert edgecompile("compare", "dist", new).exit_code == 0
    assert edgecompile("compare", "dist", new, "--allow", enough).exit_code == 0
    result = edgecompile("compare", "dist", new, "--allow", too_little)
    assert result.exit_code == 3
    assert shown in result.stdout
    assert "WORSE" in result.stdout


def test_a_finding_that_went_is_told_too(edgecompile, changed):
    new = changed(warn)
    assert "- warning: runs on the CPU [fc]" in edgecompile("compare", new, "dist").stdout


def fail(target: Any, row: Any) -> None:
    target |= {"error": "error: no room\nhelp: make room", "exit_code": 4, "size_bytes": None}


def test_a_target_that_is_not_built_any_more_is_worse_whatever_is_allowed(edgecompile, changed):
    new = changed(fail)
    result = edgecompile("compare", "dist", new, "--allow", "total=100")
    assert result.exit_code == 3
    assert "not built any more" in result.stdout and "error: no room" in result.stdout
    assert "it is not built any more" in result.stderr
    assert edgecompile("compare", new, "dist").exit_code == 0


def test_other_data_samples_or_evidence_are_told(edgecompile, changed, tiny):
    def weaken(target: Any, row: Any) -> None:
        row |= {"samples": 50, "evidence": "graph"}

    text = edgecompile("compare", "dist", changed(weaken)).stdout
    assert "note: measured on 50 samples, on 200 before" in text
    assert "note: evidence: vendor-runtime before, graph now" in text


def test_other_evaluation_data_are_told_though_there_are_as_many(edgecompile, built, tiny):
    import numpy as np

    with np.load(tiny / "eval.npz") as stored:
        arrays = dict(stored)
    arrays["labels"][0] = (arrays["labels"][0] + 1) % 3
    np.savez(tiny / "eval.npz", **arrays)
    assert edgecompile("build", "tiny", "-q", "-o", "new").exit_code == 0
    text = edgecompile("compare", "dist", "new").stdout
    assert "note: measured on other evaluation data" in text


def built_of(**fields: Any) -> Built:
    return Built("m", "t", METRICS["mse"], **fields)


def test_a_metric_that_is_better_when_lower_loses_when_it_grows():
    key = ("m", "t")
    (found,) = compare_builds(
        {key: built_of(value=1.0)}, {key: built_of(value=1.5)}, {"total": 0.25}
    )
    assert found.broken == ["total got worse by 0.5 points, and 0.25 are allowed"]
    (found,) = compare_builds({key: built_of(value=1.5)}, {key: built_of(value=1.0)}, {"total": 0})
    assert found.broken == []


def test_outputs_that_were_equal_and_are_not_have_lost_agreement_without_end():
    key = ("m", "t")
    equal, near = built_of(sqnr_db=float("inf")), built_of(sqnr_db=80.0)
    (found,) = compare_builds({key: equal}, {key: near}, {"agreement": 100})
    assert found.broken
    assert found.as_json()["changes"]["agreement"]["worse"] is None
    (found,) = compare_builds({key: equal}, {key: equal}, {"agreement": 0})
    assert not found.broken


@pytest.mark.parametrize("written", ["total", "total=x", "speed=1", "=1", "total=nan"])
def test_an_allowance_that_means_nothing_is_told(edgecompile, built, written):
    result = edgecompile("compare", "dist", "dist", "--allow", written)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: --allow {written} is not of the form NAME=NUMBER\n")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stages": 3}', "\xff"])
def test_what_is_no_build_is_told(edgecompile, built, text):
    Path("other.json").write_text(text, encoding="latin-1")
    result = edgecompile("compare", "dist", "other.json")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and "other.json" in result.stderr
    Path("empty").mkdir()
    result = edgecompile("compare", "empty", "dist")
    assert result.stderr.startswith("error: there is no build in empty\n")


def test_builds_of_different_models_are_not_compared(edgecompile, built):
    body = json.loads(Path("dist/tiny/summary.json").read_bytes())
    Path("other.json").write_text(json.dumps({**body, "model": "another"}))
    result = edgecompile("compare", "dist", "other.json")
    assert result.exit_code == 2
    assert "share no target" in result.stderr


def test_a_folder_of_a_target_tells_as_much_as_the_summary(pages):
    whole = read_builds(pages)
    for name in ("coral-usb", "android-tflite"):
        assert read_builds(pages / name) == {("tiny", name): whole[("tiny", name)]}
