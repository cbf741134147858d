"""A step whose process dies is one failed step: told with its line, and other targets go on.

The backend of these tests is a real little plug-in package, found by its entry point.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import TINY_RECIPE, write_tiny

NET = """\
import ctypes
import os
import sys
import torch
from torch import nn


class Net(nn.Linear):
    def forward(self, x):
        {body}
        return super().forward(x)


def build():
    return Net(4, 3)
"""

DIED = "error: the process that ran the step run[pytorch] died "
REMEDY = "help: if memory ran out, close other programs; run again with -v to see its log\n"


@pytest.fixture
def dying(edgecompile, tmp_path):
    def call(body: str) -> str:
        write_tiny(tmp_path / "tiny", model=NET.format(body=body))
        result = edgecompile("build", "tiny", "-q")
        assert result.exit_code == 6
        assert not (tmp_path / "dist/tiny/cpu-onnxruntime").exists()
        return result.stderr

    return call


def test_a_crash_in_native_code_names_the_signal_and_the_line_of_the_user(dying):
    assert dying("ctypes.string_at(0)") == (
        f"{DIED}(SIGSEGV); it said: nothing\n"
        "  --> model.py:10\n"
        " 10 |         ctypes.string_at(0)\n"
        f"{REMEDY}"
    )


def test_a_process_that_leaves_is_told_with_its_status_and_last_words(dying):
    assert dying("print('first'); print('going away', flush=True); os._exit(7)") == (
        f"{DIED}(exit status 7); it said: going away\n{REMEDY}"
    )


def test_a_process_that_is_killed_is_told_with_the_signal(dying):
    assert dying("os.kill(os.getpid(), 9)") == f"{DIED}(SIGKILL); it said: nothing\n{REMEDY}"


def test_sys_exit_in_the_model_does_not_end_the_build_with_its_status(edgecompile, tmp_path):
    write_tiny(tmp_path / "tiny", model=NET.format(body="sys.exit(0)"))
    result = edgecompile("build", "tiny", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: running the module failed: SystemExit: 0\n"
        "  --> model.py:10\n"
        " 10 |         sys.exit(0)\n",
    )


def test_what_the_code_of_the_user_prints_is_not_on_stdout(edgecompile, tmp_path):
    # In two parts, for the message quotes this line.
    body = "print('no' 'ise'); [os.write(i, b'no' b'ise') for i in (1, 2)]; raise ValueError('end')"
    write_tiny(tmp_path / "tiny", model=NET.format(body=body))
    result = edgecompile("build", "tiny", "-q", "--format", "json")
    assert result.json()["exit_code"] == 2
    assert "noise" not in result.stdout
    assert result.stderr.splitlines()[0] == "error: running the module failed: ValueError: end"


PLUGIN = """\
import os
import onnx
from edgecompile.backends.onnxruntime.backend import OnnxRuntimeBackend


class Clumsy(OnnxRuntimeBackend):
    name = "clumsy"

    def lower(self, hub, target, folder):
        if target.name == "crashing":
            os.abort()
        if target.name == "failing":
            raise KeyError("a bug of this backend")
        super().lower(hub, target, folder)
        if target.name == "forgetful":
            path = folder / self.main_file
            model = onnx.load(path)
            for node in model.graph.node:
                if node.op_type in ("Gemm", "FusedGemm"):
                    del node.input[2:]
            path.write_bytes(model.SerializeToString(deterministic=True))
"""


@pytest.fixture
def clumsy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the plug-in, with targets that make it crash, fail and forget."""
    site = tmp_path / "site"
    info = site / "clumsy-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "clumsy_backend.py").write_text(PLUGIN)
    sys.modules.pop("clumsy_backend", None)  # another test's
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clumsy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[edgecompile.backends]\nclumsy = clumsy_backend:Clumsy\n"
    )
    monkeypatch.syspath_prepend(site)
    (tmp_path / "targets").mkdir()
    for name in ("crashing", "failing", "forgetful", "healthy"):
        (tmp_path / "targets" / f"{name}.yaml").write_text(
            f"title: {name}\nbackend: clumsy\nprecisions: [int8, fp32]\n"
        )


@pytest.mark.usefixtures("clumsy", "warm_cache")
def test_a_backend_that_crashes_fails_its_target_and_the_others_are_built(
    edgecompile, tiny, tmp_path
):
    names = ["crashing", "failing", "healthy", "cpu-onnxruntime"]
    options = [word for name in names for word in ("-t", name)]
    stale = tmp_path / "dist/tiny/crashing"
    stale.mkdir(parents=True)
    (stale / "model.onnx").write_bytes(b"of an earlier build")
    result = edgecompile("build", "tiny", "-q", "--format", "json", *options)
    assert result.exit_code == 70
    ends = {t["target"]: (t["status"], t["exit_code"]) for t in result.json()["targets"]}
    assert ends == {
        "crashing": ("failed", 6),
        "failing": ("failed", 70),
        "healthy": ("built", 0),
        "cpu-onnxruntime": ("built", 0),
    }
    assert result.stderr == (
        "error: the process that ran the step lower[crashing] died (SIGABRT); it said: nothing\n"
        "  --> clumsy_backend.py:11\n"
        " 11 |             os.abort()\n"
        f"{REMEDY}"
        "internal error: the step lower[failing] failed: KeyError: 'a bug of this backend' "
        "(clumsy_backend.py:13)\n"
        "help: this is a bug of edgecompile; run again with -v for the whole traceback\n"
    )
    assert sorted(path.name for path in (tmp_path / "dist/tiny").iterdir()) == [
        "cpu-onnxruntime",
        "healthy",
        "summary.html",
        "summary.json",
    ]


AUC_RECIPE = (
    TINY_RECIPE.replace("metric: top1", "metric: model.py:score")
    .replace("precision: int8", "precision: fp32")
    .replace("budgets: {quantize: 5.0, lower: 5.0, total: 5.0}", "budgets: {lower: 0, total: 0}")
)
AUC_MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 4))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return torch.relu(nn.functional.linear(x, self.weight, self.bias - 1))


def build():
    return Net()


def score(outputs, labels):
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(labels == 0, outputs[:, 0])
"""


@pytest.mark.usefixtures("clumsy")
def test_a_conversion_that_loses_biases_is_caught_although_the_metric_rises(edgecompile, tmp_path):
    """MLPerf Tiny's published ad01 lost nine biases, and its AUC rose from .8804 to .9029."""
    write_tiny(tmp_path / "tiny", model=AUC_MODEL, recipe=AUC_RECIPE)
    result = edgecompile("build", "tiny", "-q", "--format", "json", "-t", "forgetful")
    assert result.exit_code == 3, result.stderr
    row = result.json()["stages"][-1]
    assert row["step"] == "lower[forgetful]"
    assert row["delta_previous"] > 0  # the metric likes the fault
    assert {v["name"]: v["holds"] for v in row["verdicts"]} == {
        "budgets.lower": True,
        "budgets.total": True,
        "agreement.lower": False,
    }
    sqnr = row["agreement"]["previous"]["sqnr_db"]
    assert result.stderr.splitlines()[0] == (
        "error: the step lower[forgetful] broke its budget: the outputs agree to "
        f"{sqnr:g} dB with those of the step before, and agreement.lower demands 20 dB"
    )
    assert not (tmp_path / "dist/tiny/forgetful").exists()


@pytest.mark.usefixtures("clumsy")
def test_a_plug_in_is_listed_by_the_doctor(edgecompile):
    result = edgecompile("doctor", "--format", "json")
    assert "clumsy" in result.json()["backends"]


def test_a_backend_that_nobody_has_is_told(edgecompile, tiny, tmp_path):
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "board.yaml").write_text(
        "title: x\nbackend: nobodys\nprecisions: [int8]\n"
    )
    result = edgecompile("build", "tiny", "-t", "board")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: there is no backend named 'nobodys'\nhelp: known are: ")
