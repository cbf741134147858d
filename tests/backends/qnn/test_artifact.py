"""Compiling for a chip: what is written, what is refused, and what a broken tool leaves behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from edgecompile.backends.qnn import compile as compiling
from edgecompile.backends.qnn.backend import QnnBackend
from edgecompile.compress.narrow import halve_constants
from edgecompile.errors import TargetCannotRun, ToolchainFailed, UserError
from edgecompile.recipe.load import load_target
from tests.conftest import tree
from tests.hubs import hub_of, quickly_quantized, samples_for

pytest.importorskip("onnxruntime_qnn")

BACKEND = QnnBackend()
HUB = hub_of(
    "float[1,3,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) f = Flatten(r) y = Gemm<transB=1>(f, v)",
    "float[4,3,3,3] w, float[4] b, float[5,256] v",
)
REFUSED = hub_of(
    "float[1,2,2] x",
    "c = Mul(x, k) d = Det(c) e = Unsqueeze(d, axes) y = Mul(e, k)",
    "float[1] k, int64[1] axes = {1}",
    "float[1,1] y",
)


def target_with(**options):
    target = load_target("snapdragon-8-gen-3")
    return target.model_copy(update={"options": {**target.options, **options}})


TARGET = target_with()


def test_the_same_hub_gives_the_same_bytes_in_any_folder(tmp_path):
    hub = quickly_quantized(HUB, samples_for(HUB))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        BACKEND.lower(hub, target_with(dlc=True), tmp_path / name)
    assert sorted(tree(tmp_path / "one")) == [
        "model.bin",
        "model.dlc",
        "model.onnx",
        "qnn_op_trace.json",
    ]
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_the_chip_is_read_from_the_binary_itself(tmp_path):
    BACKEND.lower(quickly_quantized(HUB, samples_for(HUB)), TARGET, tmp_path)
    facts = BACKEND.inspect(tmp_path / "model.bin")
    assert facts.format.startswith("QNN context binary for SM8650 (HTP v75, 8 MiB VTCM, ")
    assert [tensor.shape for tensor in facts.inputs] == [(1, 3, 8, 8)]
    assert [tensor.shape for tensor in facts.outputs] == [(1, 5)]
    assert facts.weight_bytes > 4 * 27 + 5 * 256
    assert {"Conv2d", "FullyConnected"} <= {operator.name for operator in facts.operators}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"soc": "SM9999"}, "the target is SM9999 (soc_model 57, HTP v75), and .* for SM8650"),
        ({"htp_arch": 73}, "HTP v73.* for SM8650 .HTP v75."),
        ({"soc_model": 43}, "soc_model 43.* for SM8550 .HTP v73."),
        ({"soc_model": 9999}, "knows no chip with soc_model 9999"),
    ],
)
def test_a_chip_that_the_library_did_not_compile_for_is_an_error(wrong, said, tmp_path):
    with pytest.raises(UserError, match=said.replace("(", r"\(").replace(")", r"\)")):
        BACKEND.check(HUB, target_with(**wrong), "int8")


def test_a_chip_without_half_precision_refuses_it():
    target = target_with(soc="SM8350", soc_model=30, htp_arch=68)
    (finding,) = BACKEND.check(HUB, target, "fp16")
    assert (finding.level, finding.rule) == ("error", "qnn-half-precision")
    assert "a16w8" in finding.remedy
    assert BACKEND.check(HUB, target, "int8") == []


def test_a_hub_whose_numbers_are_decided_is_checked_as_it_is():
    for hub in (halve_constants(HUB), quickly_quantized(HUB, samples_for(HUB))):
        assert BACKEND.check(hub, TARGET, "int8") == []


@pytest.mark.parametrize("precision", ["int8", "a16w8", "fp16"])
def test_a_refused_operator_is_a_finding_with_module_and_line(precision):
    (finding,) = BACKEND.check(REFUSED, TARGET, precision)
    assert (finding.level, finding.op_type) == ("error", "Det")
    assert (finding.module, finding.source) == ("net.det2", "model.py:2")
    assert "Det" in finding.message
    assert "--set lower.qnn.split=true" in finding.remedy


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_hub_of_which_nothing_is_taken_is_refused_by_the_same_finding(precision):
    hub = hub_of("float[1,2,2] x", "y = Det(x)", "", "float[1] y")
    (finding,) = BACKEND.check(hub, TARGET, precision)
    assert (finding.level, finding.rule, finding.op_type) == ("error", "qnn-operator", "Det")
    assert (finding.module, finding.source) == ("net.det1", "model.py:1")


def test_a_split_leaves_it_to_the_cpu_and_says_so(tmp_path):
    target = target_with(split=True)
    (finding,) = BACKEND.check(REFUSED, target, "fp16")
    assert (finding.level, finding.op_type) == ("warning", "Det")
    BACKEND.lower(REFUSED, target, tmp_path)
    samples = samples_for(REFUSED, 3)
    (outputs,) = BACKEND.run(tmp_path / "model.bin", samples, {})
    assert outputs.shape == (3, 1)


def test_without_a_split_the_hub_is_refused(tmp_path):
    with pytest.raises(TargetCannotRun, match=r"^Det does not run .* \[net.det2, model.py:2\]$"):
        BACKEND.lower(REFUSED, TARGET, tmp_path)
    assert tree(tmp_path) == {}


def crash(*_: object) -> None:
    """As libQnnHtp for Mish before Concat: half of the files, then a segmentation fault."""
    Path("model.onnx").write_bytes(b"half")
    os.kill(os.getpid(), 11)


def truncate(*arguments: object) -> None:
    """A binary whose second half is missing."""
    compiling.compile_context(*arguments)
    content = Path("model_qnn.bin").read_bytes()
    Path("model_qnn.bin").write_bytes(content[: len(content) // 50])


def babble(*_: object) -> None:
    """An end that looks good, without any result."""
    print("100 % done", flush=True)


def complain(*_: object) -> None:
    """A refusal in the library's own words."""
    print("2026-11-25 13:14:12.5 [W:onnxruntime:, qnn.cc:9 Qnn] hm", file=sys.stderr)
    sys.exit("error: QNN_COMMON_ERROR_MEM_ALLOC 1002")


def hang(*_: object) -> None:
    """No end."""
    time.sleep(60)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (crash, "compiler crashed .SIGSEGV."),
        (truncate, "left a broken file"),
        (babble, "without a trace"),
        (complain, "compiler failed .exit 1.; it said: QNN_COMMON_ERROR_MEM_ALLOC 1002"),
        (hang, "took longer than 3 s"),
    ],
)
def test_a_broken_compiler_is_told_and_leaves_nothing(fault, said, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "TIME_LIMIT_SECONDS", 3 if fault is hang else 60)
    monkeypatch.setattr(compiling, "compile_context", fault)
    with pytest.raises(ToolchainFailed, match=said):
        BACKEND.lower(HUB, TARGET, tmp_path)
    assert tree(tmp_path) == {}


def test_a_file_that_is_no_binary_is_told(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"soc_type=SM8650;")
    with pytest.raises(UserError, match="no QNN context binary"):
        BACKEND.inspect(tmp_path / "model.bin")


def test_a_binary_without_its_wrapper_is_told(tmp_path):
    BACKEND.lower(quickly_quantized(HUB, samples_for(HUB)), TARGET, tmp_path)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(UserError, match=r"needs model\.onnx beside it"):
        BACKEND.run(tmp_path / "model.bin", samples_for(HUB), {})
