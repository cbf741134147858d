"""A broken budget: exit code 3, which step lost what, and no artifact under its final name."""

from __future__ import annotations

import json

import pytest

from tests.conftest import TINY_RECIPE, tree, write_tiny

COARSE = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 4))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        y = nn.functional.linear(x, self.weight, self.bias)
        return y + 2000 * torch.relu(x[:, :1] - 100)


def build():
    return Net()


def score(outputs, labels):
    return float((outputs.argmax(1).numpy() == labels).mean())
"""


@pytest.fixture
def coarse(tmp_path):
    """A model that int8 ruins: one calibration sample stretches the range of its output."""
    import numpy as np

    tiny = write_tiny(tmp_path / "tiny", model=COARSE)
    arrays = dict(np.load(tiny / "calib.npz"))
    arrays["inputs"][0, 0] = 101.0
    np.savez(tiny / "calib.npz", **arrays)
    return tiny


def losses(result) -> dict[str, float]:
    return {
        stage["step"]: -stage["delta_previous"]
        for stage in result.json()["stages"]
        if stage["delta_previous"] is not None
    }


def test_a_broken_budget_leaves_no_artifact_behind_and_says_which_step_lost_what(
    edgecompile, coarse, tmp_path
):
    folder = tmp_path / "dist/tiny/cpu-onnxruntime"
    loose = ("--set", "budgets={}", "--set", "agreement={export: null}")
    assert edgecompile("build", "tiny", *loose).exit_code == 0
    assert (folder / "model.onnx").is_file()  # the earlier one, to be removed

    result = edgecompile("build", "tiny", "-q", "--format", "json")
    lost = losses(result)["quantize[affine]"]
    assert lost > 5
    assert (result.exit_code, result.stderr) == (
        3,
        f"error: the step quantize[affine] broke its budget: {lost:g} points lost, "
        "and budgets.quantize allows 5 points to be lost\n"
        "  --> tiny/recipe.yaml:12:11\n"
        " 12 | budgets: {quantize: 5.0, lower: 5.0, total: 5.0}\n"
        "    |           ^\n"
        "help: put the operators that cost most back to float: stages.quantize.fallback=true, "
        "or change budgets.quantize (docs/quantize.md)\n",
    )
    assert list(tree(tmp_path / "dist")) == ["tiny/summary.html", "tiny/summary.json"]
    summary = json.loads((tmp_path / "dist/tiny/summary.json").read_bytes())
    assert summary["exit_code"] == 3
    [target] = summary["targets"]
    assert (target["status"], target["artifact"]) == ("failed", None)
    assert target["error"] + "\n" == result.stderr


def test_the_total_budget_is_judged_at_the_end_and_lists_the_losses(edgecompile, coarse):
    result = edgecompile("build", "tiny", "-q", "--format", "json", "--set", "budgets={total: 5}")
    lost = losses(result)
    assert result.exit_code == 3
    total = f"{sum(lost.values()):g}"
    detail = ", ".join(f"{step} {loss + 0.0:g}" for step, loss in lost.items())
    assert result.stderr.splitlines()[0] == (
        f"error: the step lower[cpu-onnxruntime] broke its budget: {total} points lost, and "
        f"budgets.total allows 5 points to be lost; the loss arose in: {detail}"
    )
    assert list(lost) == ["export", "simplify", "quantize[affine]", "lower[cpu-onnxruntime]"]


def test_a_broken_budget_is_broken_again_from_the_cache(edgecompile, coarse):
    first = edgecompile("build", "tiny", "-q", "--format", "json")
    again = edgecompile("build", "tiny", "-q", "--format", "json")
    assert (again.exit_code, again.stderr) == (3, first.stderr)
    assert again.rebuilt() == []


def test_a_negative_budget_demands_a_gain(edgecompile, tiny):
    result = edgecompile("build", "tiny", "-q", "--set", "budgets.quantize=-0.5")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0].endswith(
        "and budgets.quantize demands a gain of 0.5 points"
    )


def test_an_agreement_that_is_not_reached_breaks_the_budget_too(edgecompile, tiny, tmp_path):
    result = edgecompile(
        "build", "tiny", "-q", "--format", "json", "--set", "agreement.quantize=90"
    )
    row = next(s for s in result.json()["stages"] if s["stage"] == "quantize")
    sqnr = row["agreement"]["previous"]["sqnr_db"]
    assert (result.exit_code, result.stderr) == (
        3,
        f"error: the step quantize[affine] broke its budget: the outputs agree to {sqnr:g} dB "
        "with those of the step before, and agreement.quantize demands 90 dB\n"
        "  --> --set agreement.quantize=90\n"
        "help: put the operators that cost most back to float: stages.quantize.fallback=true, "
        "or change agreement.quantize (docs/quantize.md)\n",
    )
    assert not (tmp_path / "dist/tiny/cpu-onnxruntime").exists()


def test_a_score_of_the_user_is_held_against_the_budget_in_its_own_points(edgecompile, coarse):
    """`points: 1000` makes a loss of a fraction ten times as many points."""
    (coarse / "recipe.yaml").write_text(
        TINY_RECIPE.replace(
            "metric: top1", "metric: {function: model.py:score, points: 1000}"
        ).replace("quantize: 5.0", "quantize: 5.0 ")
    )
    result = edgecompile("build", "tiny", "-q", "--format", "json")
    assert result.exit_code == 3
    row = next(s for s in result.json()["stages"] if s["stage"] == "quantize")
    before = next(s for s in result.json()["stages"] if s["stage"] == "simplify")
    assert row["delta_previous"] == pytest.approx(1000 * (row["metric"] - before["metric"]))


def test_the_table_is_shown_with_what_was_not_reached(edgecompile, coarse):
    result = edgecompile("build", "tiny")
    lines = result.stdout.splitlines()
    assert any(
        line.split()[:5] == ["lower", "cpu-onnxruntime", "not", "reached", "not"] for line in lines
    )
    assert lines[-1].split() == ["failed", "cpu-onnxruntime", "exit", "3"]
