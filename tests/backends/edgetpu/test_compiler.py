"""`edgetpu_compiler` on PATH: called, its report read and held against the prediction.

The program here is a stand-in that writes what the logs of the real one show.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgecompile.backends.edgetpu import compiler
from edgecompile.backends.edgetpu.backend import EdgeTpuBackend
from edgecompile.errors import ToolchainFailed
from edgecompile.recipe.load import load_target
from tests.conftest import write_tiny
from tests.hubs import hub_of, quickly_quantized, samples_for

REPORT = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 417 ms.

Input model: model.tflite
Input size: 1.31KiB
Output model: model_edgetpu.tflite
Output size: 32.59KiB
On-chip memory used for caching model parameters: 1.50KiB
On-chip memory remaining for caching model parameters: 7.73MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 3
Operation log: model_edgetpu.log

Operator                       Count      Status

CONV_2D                        1          {conv}
RESHAPE                        2          Mapped to Edge TPU
Compilation child process completed within timeout period.
Compilation succeeded!
"""


@pytest.fixture
def target():
    return load_target("coral-usb")


@pytest.fixture
def hub():
    float_hub = hub_of("float[1,4] x", "y = Gemm<transB=1>(x, w)", "float[3,4] w")
    return quickly_quantized(float_hub, samples_for(float_hub))


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a stand-in with the given shell lines on PATH."""

    def put(lines: str, report: str = "") -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "report.txt").write_text(report)
        program = folder / "edgetpu_compiler"
        program.write_text(
            f'#!/bin/sh\nhere=$(dirname "$0")\necho "$@" >> "$here/calls"\n{lines}\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return put


# The options stand as the backend gives them: -o FOLDER -t LIMIT -s -m RUNTIME FILE.
GOOD = """\
if [ "$1" = --version ]; then echo "Edge TPU Compiler version 16.0.384591198"; exit 0; fi
printf compiled > "$2/model_edgetpu.tflite"
cat "$here/report.txt"
"""


def lower(hub, target, tmp_path) -> Path:
    folder = tmp_path / "artifact"
    folder.mkdir()
    EdgeTpuBackend().lower(hub, target, folder)
    return folder


def findings_of(folder, target):
    backend = EdgeTpuBackend()
    return backend.check_artifact(folder / backend.main_file, target).findings


def test_without_the_compiler_the_artifact_says_not_compiled(hub, target, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = lower(hub, target, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["mapping.json", "model.tflite"]
    (finding,) = findings_of(folder, target)
    assert (finding.level, finding.rule) == ("warning", "edgetpu-not-compiled")
    assert finding.message.startswith("not compiled: edgetpu_compiler is not on PATH")
    assert finding.remedy == "edgetpu_compiler -s -m 14 model.tflite"
    assert EdgeTpuBackend().programs() == {}


def test_with_the_compiler_the_compiled_file_lies_beside_it(hub, target, tmp_path, install):
    install(GOOD, REPORT.format(conv="Mapped to Edge TPU"))
    folder = lower(hub, target, tmp_path)
    assert (folder / "model_edgetpu.tflite").read_bytes() == b"compiled"
    report = json.loads((folder / "compiler.json").read_bytes())
    assert report["version"] == "16.0.384591198"
    assert report["memory"] == {
        "On-chip memory used for caching model parameters": "1.50KiB",
        "On-chip memory remaining for caching model parameters": "7.73MiB",
        "Off-chip memory used for streaming uncached model parameters": "0.00B",
    }
    (finding,) = findings_of(folder, target)
    assert (finding.level, finding.rule) == ("note", "edgetpu-compiled")
    assert finding.message.endswith("mapped what was predicted, operator for operator")
    assert EdgeTpuBackend().programs() == {"edgetpu_compiler": "16.0.384591198"}


def test_a_wrong_prediction_is_told(hub, target, tmp_path, install):
    install(GOOD, REPORT.format(conv="Operation not supported"))
    (finding,) = findings_of(lower(hub, target, tmp_path), target)
    assert (finding.level, finding.rule) == ("warning", "edgetpu-prediction")
    assert "CONV_2D 0, not 1: Mapped to Edge TPU" in finding.message
    assert "CONV_2D 1, not 0: Operation not supported" in finding.message


def test_lowering_twice_with_the_compiler_gives_the_same_files(hub, target, tmp_path, install):
    install(GOOD, REPORT.format(conv="Mapped to Edge TPU"))
    folders = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        folders.append(lower(hub, target, tmp_path / name))
    one, other = ({p.name: p.read_bytes() for p in f.iterdir()} for f in folders)
    assert one == other


FAILURES = {
    "refuses": (
        'echo "Compilation failed: Compilation failed due to large activation tensors in model."\n'
        "echo Compilation child process completed within timeout period.\nexit 1",
        r"edgetpu_compiler failed \(exit 1\); it said: Compilation failed: .* activation tensors"),
    "crashes": ("kill -SEGV $$", r"edgetpu_compiler failed \(exit 139\); it said: nothing"),
    "writes no file": ("exit 0", r"edgetpu_compiler wrote no file; it said: nothing"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_compiler_that_fails_is_an_error(name, hub, target, tmp_path, install):
    lines, message = FAILURES[name]
    install(lines)
    with pytest.raises(ToolchainFailed, match=message):
        lower(hub, target, tmp_path)


def test_a_compiler_that_hangs_is_stopped(hub, target, tmp_path, install, monkeypatch):
    install("exec sleep 60")
    monkeypatch.setattr(compiler, "TIME_LIMIT_SECONDS", 1)
    with pytest.raises(ToolchainFailed, match="took longer than"):
        lower(hub, target, tmp_path)


def test_a_program_that_does_not_start_is_an_error(tmp_path):
    program = tmp_path / "edgetpu_compiler"
    program.write_text("not a program")
    program.chmod(0o755)
    with pytest.raises(ToolchainFailed, match=r"edgetpu_compiler failed .* it does not start"):
        compiler.compiler_version(program)


def test_a_build_is_done_anew_once_the_compiler_is_installed(
    edgecompile, warm_cache, install, tmp_path
):
    write_tiny(tmp_path / "tiny")
    first = edgecompile("build", "tiny", "-t", "coral-usb", "-q", "--format", "json")
    assert first.exit_code == 0, first.stderr
    install(GOOD, REPORT.format(conv="Mapped to Edge TPU"))
    second = edgecompile("build", "tiny", "-t", "coral-usb", "-q", "--format", "json")
    assert second.exit_code == 0, second.stderr
    assert "lower[coral-usb]" in second.rebuilt()
    assert "quantize[affine]" not in second.rebuilt()
    manifest = json.loads(Path("dist/tiny/coral-usb/manifest.json").read_bytes())
    assert "model_edgetpu.tflite" in manifest["files"]
    assert [f["rule"] for f in manifest["findings"]] == ["edgetpu-compiled"]
