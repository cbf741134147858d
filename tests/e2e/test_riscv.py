"""RISC-V from PyTorch to the emulated program: on real models, and what stands in the way of one.

The numbers of the full matrix are those of docs/backends/riscv.md.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pytest

from edgecompile.backends.riscv.probe import probe
from tests.conftest import TINY_RECIPE, write_tiny

needs_toolchain = pytest.mark.skipif(not probe().available, reason=str(probe().reason))

TARGETS = ("rv64gcv-linux", "rv64gc-linux", "rv32imac-mcu")
ALL = [word for target in TARGETS for word in ("-t", target)]

# Its 32 KB of RAM hold no large image.
SMALL_BOARD = """\
title: GD32VF103 (108 MHz, RV32IMAC)
backend: riscv
precisions: [int8]
options: {isa: rv32imac, environment: bare-metal}
limits:
  flash: {value: 131072, unit: bytes, source: "GD32VF103 datasheet (from memory)"}
  ram: {value: 32768, unit: bytes, source: "GD32VF103 datasheet (from memory)"}
"""

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.head = nn.Linear(65536, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = x.flatten(1).cumsum(1)
        return self.head(x)


def build():
    torch.manual_seed(0)
    return Net()
"""


def write_model(folder):
    """A recipe of a large image, a sum that has no C, and more weights than fit."""
    recipe = TINY_RECIPE.replace("  weights: weights.safetensors\n", "").replace(
        "[1, 4]", "[1, 3, 64, 64]"
    )
    write_tiny(folder, model=MODEL, recipe=recipe)
    rng = np.random.default_rng(0)
    for split in ("calib", "eval"):
        inputs = rng.normal(size=(4, 3, 64, 64)).astype(np.float32)
        np.savez(folder / f"{split}.npz", inputs=inputs, labels=np.zeros(4, np.int64))
    return folder


def build(edgecompile, recipe, *options):
    result = edgecompile("build", recipe, "-q", "--format", "json", *ALL, *options)
    assert result.exit_code == 0, result.stderr
    return result.json()


def figures(target, quantity):
    return [f["value"] for f in target["measured"] if f["quantity"] == quantity]


def require_equal_to_onnx_runtime(built, samples):
    rows = [row for row in built["stages"] if row["stage"] == "lower"]
    assert [row["target"] for row in rows] == list(TARGETS)
    for row in rows:
        assert row["evidence"] == "isa-emulator"
        assert row["samples"] == samples
        assert set(row["agreement"]["twin"]["lsb"]) == {"0"}, row["target"]


@needs_toolchain
def test_a_model_runs_on_all_kinds_of_cores_exactly_as_onnx_runtime_does(edgecompile):
    built = build(edgecompile, "digits_cnn", "--set", "data.emulated_samples=60")
    require_equal_to_onnx_runtime(built, 60)
    vector, scalar, bare = built["targets"]
    at_256, at_128, at_512 = figures(vector, "instructions")
    assert at_512 < at_256 < at_128 < figures(scalar, "instructions")[0]
    assert figures(scalar, "instructions")[0] < figures(bare, "instructions")[0]
    assert figures(vector, "equal outputs") == [100.0]
    assert figures(scalar, "vector instructions") == []
    for target in built["targets"]:
        folder = Path("dist/digits_cnn") / target["target"]
        manifest = json.loads((folder / "manifest.json").read_bytes())
        assert manifest["measured"] == target["measured"]
        assert {"model.c", "model.h", "libmodel.a", "Makefile"} <= set(manifest["files"])


@needs_toolchain
def test_an_unchanged_rebuild_emulates_nothing_and_reports_what_one_inference_takes(edgecompile):
    few = ("--set", "data.emulated_samples=60")
    call = ("build", "digits_cnn", "-q", *ALL, *few)
    result = edgecompile(*call)
    assert result.exit_code == 0, result.stderr
    assert edgecompile(*call, "--format", "json").rebuilt() == []
    lines = [line.strip() for line in result.stdout.splitlines() if "measured:" in line]
    assert any("instructions" in line and "VLEN 512" in line for line in lines)
    assert any(line.startswith("measured: stack ") for line in lines)
    shown = edgecompile("inspect", "dist/digits_cnn/rv64gcv-linux")
    assert "ELF for rv64gcv, linux" in shown.stdout
    folder = "dist/digits_cnn/rv64gcv-linux"
    words = ("eval", folder, "-q", "-r", "digits_cnn", *few, "--format", "json")
    measured = edgecompile(*words).json()
    assert (measured["samples"], measured["evidence"]) == (60, "isa-emulator")


@needs_toolchain
@pytest.mark.full
def test_a_real_model_is_exact_on_vectors_and_on_a_microcontroller(edgecompile, data_folder):
    built = build(edgecompile, "kws_dscnn", "--set", "data.emulated_samples=12")
    require_equal_to_onnx_runtime(built, 12)


@needs_toolchain
@pytest.mark.full
@pytest.mark.parametrize("recipe", ["digits_cnn", "ic_resnet8", "kws_dscnn"])
def test_the_whole_evaluation_set_is_exact(edgecompile, data_folder, recipe):
    built = build(edgecompile, recipe, "--set", "data.emulated_samples=1000000")
    require_equal_to_onnx_runtime(built, built["stages"][0]["samples"])


@needs_toolchain
@pytest.mark.full
def test_the_other_cores_build_and_are_exact(edgecompile):
    cores = ("spacemit-k1", "tenstorrent-ascalon", "esperanto-et-soc-1")
    words = [word for core in cores for word in ("-t", core)]
    few = ("--set", "data.emulated_samples=20")
    result = edgecompile("build", "digits_cnn", "-q", "--format", "json", *words, *few)
    assert result.exit_code == 0, result.stderr
    rows = [row for row in result.json()["stages"] if row["stage"] == "lower"]
    assert [set(row["agreement"]["twin"]["lsb"]) for row in rows] == [{"0"}] * len(cores)


@needs_toolchain
@pytest.mark.full
def test_a_module_for_iree_says_that_only_its_twin_was_executed(edgecompile):
    pytest.importorskip("iree.compiler")
    built = [
        edgecompile(
            *("build", "digits_cnn", "-q", "-t", "rv64gcv-linux", "--no-cache", "-o", output),
            *("--set", "lower.riscv.emit=vmfb", "--set", "data.emulated_samples=20"),
        )
        for output in ("one", "another")
    ]
    assert [result.exit_code for result in built] == [0, 0], built[0].stderr
    assert "was compiled, and not executed on RISC-V" in built[0].stdout
    assert "40 of 40 outputs equal ONNX Runtime's" in built[0].stdout
    one, another = (Path(o, "digits_cnn/rv64gcv-linux/model.vmfb") for o in ("one", "another"))
    assert one.read_bytes() == another.read_bytes()


@needs_toolchain
def test_what_has_no_room_and_what_has_no_c_is_named_with_its_line(edgecompile, tmp_path):
    Path("targets").mkdir()
    Path("targets/small-board.yaml").write_text(SMALL_BOARD)
    folder = write_model(tmp_path / "large")
    result = edgecompile("check", folder, "-q", "-t", "small-board")
    assert result.exit_code == 4
    assert "edgecompile writes no C for ONNX's CumSum [CumSum, model.py:13]" in result.stdout
    assert "([1, 3, 64, 64], [1, 16, 64, 64]) take 77,824 bytes in int8" in result.stdout
    assert "small-board has 32,768 bytes of RAM [Conv, conv, model.py:12]" in result.stdout
    assert "131,072 bytes of flash; the largest: " in result.stdout
    refused = edgecompile("build", folder, "-q", "-t", "small-board")
    assert refused.exit_code == 4
    assert "small-board cannot run this model: " in refused.stderr
    assert "(and 2 more)" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not Path("dist/large/small-board").exists()


def test_without_emulators_the_build_says_what_to_type(edgecompile, tiny, monkeypatch):
    pytest.importorskip("ziglang")
    monkeypatch.setenv("PATH", "/nowhere")
    result = edgecompile("build", tiny, "-q", "-t", "rv64gcv-linux")
    assert result.exit_code == 5
    assert "qemu-riscv64, qemu-system-riscv32, qemu-system-riscv64 not found" in result.stderr
    assert "apt-get install qemu-user qemu-system-misc" in result.stderr


def test_without_zig_the_build_says_what_to_type(edgecompile, tiny, monkeypatch):
    version = importlib.metadata.version

    def known(name):
        if name == "ziglang":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", known)
    result = edgecompile("build", tiny, "-q", "-t", "rv64gcv-linux")
    assert result.exit_code == 5
    assert "help: pip install 'edgecompile[riscv]'" in result.stderr


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("isa=rv64gx", "letters of 'mafdcbv'"),
        ("vlen=100", "vlen"),
        ("threads=0", "threads"),
    ],
)
def test_an_option_that_makes_no_sense_is_an_error_of_the_user(edgecompile, tiny, option, message):
    result = edgecompile(
        "build", tiny, "-q", "-t", "rv64gcv-linux", "--set", f"lower.riscv.{option}"
    )
    assert result.exit_code == 2
    assert message in result.stderr
