"""Models that cannot go all the way: one clear message, and what can be built is built."""

from __future__ import annotations

import json

from tests.conftest import TINY_RECIPE, tree, write_tiny

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 4))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        y = nn.functional.linear(x, self.weight, self.bias)
        {body}
        return y


def build():
    return Net()
"""


def test_a_model_whose_control_flow_depends_on_its_input_is_one_message(edgecompile, tmp_path):
    write_tiny(tmp_path / "tiny", model=NET.format(body="if y.sum() > 0: y = -y"))
    result = edgecompile("build", "tiny", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: the module's control flow or shapes depend on the values of a tensor\n"
        "  --> model.py:13\n"
        " 13 |         if y.sum() > 0: y = -y\n"
        "help: the graph must not depend on the values of tensors: use torch.where or torch.cond "
        "in place of Python control flow, and static shapes\n",
    )
    assert list(tree(tmp_path / "dist")) == ["tiny/summary.html", "tiny/summary.json"]


def test_an_operator_that_one_target_lacks_fails_that_target_and_builds_the_other(
    edgecompile, tmp_path
):
    write_tiny(tmp_path / "tiny", model=NET.format(body="y = torch.cumsum(y, 1)"))
    targets = ("-t", "android-tflite", "-t", "cpu-onnxruntime")
    result = edgecompile("build", "tiny", "-q", *targets)
    assert result.exit_code == 4
    first = result.stderr.splitlines()[0]
    assert first.startswith("error: android-tflite cannot run this model: ")
    assert "CumSum" in first and "[model.py:13]" in first
    assert sorted(p.name for p in (tmp_path / "dist/tiny").iterdir()) == [
        "cpu-onnxruntime",
        "summary.html",
        "summary.json",
    ]
    summary = json.loads((tmp_path / "dist/tiny/summary.json").read_bytes())
    assert [(t["target"], t["exit_code"]) for t in summary["targets"]] == [
        ("android-tflite", 4),
        ("cpu-onnxruntime", 0),
    ]
    checked = edgecompile("check", "tiny", "-q", *targets)
    assert checked.exit_code == 4
    assert checked.stdout.splitlines()[0] == "android-tflite: cannot run it"
    assert checked.stdout.splitlines()[-1] == "cpu-onnxruntime: can run it"


def test_the_line_of_a_finding_is_that_of_today_though_the_export_is_cached(edgecompile, tmp_path):
    model = NET.format(body="y = torch.cumsum(y, 1)")
    tiny = write_tiny(tmp_path / "tiny", model=model)
    edgecompile("check", "tiny", "-q", "-t", "android-tflite")
    (tiny / "model.py").write_text("# two lines\n# more\n" + model)
    result = edgecompile("check", "tiny", "-t", "android-tflite")
    assert result.stderr == ""  # nothing was done again
    assert "model.py:15" in result.stdout and "model.py:13" not in result.stdout


def test_a_module_whose_outputs_are_not_finite_is_told_at_the_start(edgecompile, tmp_path):
    write_tiny(tmp_path / "tiny", model=NET.format(body="y = y / 0"))
    result = edgecompile("build", "tiny", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: the module's outputs hold NaN or infinity, first for evaluation sample 0\n"
        "help: the weights, or what data.prepare makes of the samples, are wrong\n",
    )


def test_a_module_that_returns_no_tensor_is_told(edgecompile, tmp_path):
    write_tiny(tmp_path / "tiny", model=NET.format(body="y = {'label': 'cat'}"))
    result = edgecompile("build", "tiny", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: the module returns str; tensors are supported\n",
    )


def test_a_module_whose_output_has_no_batch_axis_is_told(edgecompile, tmp_path):
    write_tiny(tmp_path / "tiny", model=NET.format(body="y = y.sum(0)"))
    result = edgecompile("build", "tiny", "-q")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: the module's output 0 has 12 rows for 200 samples\n"
        "help: the first dimension of every output must be the batch\n"
    )


def test_a_budget_that_was_never_written_is_told_with_the_file(edgecompile, tmp_path):
    """The samples of a batch are mixed: run one at a time, the exported model says otherwise."""
    recipe = TINY_RECIPE.replace("budgets: {quantize: 5.0, lower: 5.0, total: 5.0}\n", "")
    body = "y = y - 5 * y.mean(0, keepdim=True)"
    write_tiny(tmp_path / "tiny", model=NET.format(body=body), recipe=recipe)
    result = edgecompile("build", "tiny", "-q")
    assert result.exit_code == 3
    first, place, *_ = result.stderr.splitlines()
    assert first.startswith("error: the step export broke its budget: ")
    assert place == "  --> tiny/recipe.yaml"
