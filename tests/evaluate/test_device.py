"""A result that a device left: whose it is, and what is measured from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecompile.digest import digest_file, digest_path
from tests.conftest import write_tiny


@pytest.fixture
def built(edgecompile, tmp_path) -> Path:
    write_tiny(tmp_path / "tiny")
    assert edgecompile("build", "tiny", "-q").exit_code == 0
    return Path("dist/tiny/cpu-onnxruntime")


@pytest.fixture
def result(edgecompile, built) -> Path:
    """What a device would leave that computes the PyTorch model."""
    exported = edgecompile("eval", built, "-r", "tiny", "--export", "samples.npy", "-q")
    assert (exported.exit_code, exported.stdout) == (0, "samples.npy\n")
    samples = np.load("samples.npy")
    from tests.conftest import WEIGHT

    np.savez("result.npz", output0=(samples @ WEIGHT.T).astype(np.float32))
    body = {
        "format": "edgecompile.device-result/1",
        "artifact": digest_path(built / "model.onnx"),
        "samples": digest_file(Path("samples.npy")),
        "outputs": "result.npz",
        "outputs_sha256": digest_file(Path("result.npz")),
        "device": "a board",
        "system": "Linux 6.1",
        "tools": {"runtime": "1.0"},
        "latency_ms": {"p50": 1.0, "p90": 1.5, "p99": 2.0, "runs": 100},
        "placement": {"NeuralEngine": 9, "CPU": 1},
    }
    Path("result.json").write_text(json.dumps(body))
    return Path("result.json")


def change(file: Path, **fields: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def imported(edgecompile, built, *more):
    return edgecompile("eval", built, "-r", "tiny", "--import", "result.json", "-q", *more)


def test_what_a_device_computed_is_measured_as_evidence_of_the_device(edgecompile, built, result):
    measured = imported(edgecompile, built, "--format", "json").json()
    assert measured["evidence"] == "device"
    assert measured["metric"] == measured["baseline"]
    assert measured["device"]["latency_ms"]["p90"] == 1.5


def test_the_table_shows_the_device_its_latency_and_its_processors(edgecompile, built, result):
    shown = imported(edgecompile, built).stdout
    assert "a board, Linux 6.1" in shown
    assert "p50 1, p90 1.5, p99 2 ms over 100 runs" in shown
    assert "9 on NeuralEngine, 1 on CPU" in shown


def test_outputs_that_are_worse_have_a_worse_metric(edgecompile, built, result):
    outputs = np.load("result.npz")["output0"]
    np.savez("result.npz", output0=-outputs)
    change(result, outputs_sha256=digest_file(Path("result.npz")))
    measured = imported(edgecompile, built, "--format", "json").json()
    assert measured["metric"] < measured["baseline"]


WRONG = {
    "another artifact": ({"artifact": "0" * 64}, "another artifact"),
    "other samples": ({"samples": "0" * 64}, "other samples"),
    "no outputs": ({"outputs": "missing.npz"}, "not beside it"),
    "outputs elsewhere": ({"outputs": "../result.npz"}, "not beside it"),
    "changed outputs": ({"outputs_sha256": "0" * 64}, "is not the file"),
    "an unknown key": ({"speed": 3}, "speed"),
    "another schema": ({"format": "theirs/2"}, "format"),
    "a latency of 0": ({"latency_ms": {"p50": 0.0, "p90": 1.0, "p99": 1.0, "runs": 1}}, "p50"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_result_that_does_not_belong_is_refused(edgecompile, built, result, name):
    fields, words = WRONG[name]
    change(result, **fields)
    refused = imported(edgecompile, built)
    assert refused.exit_code == 2
    assert words in refused.stderr


def test_outputs_that_are_too_few_are_refused(edgecompile, built, result):
    np.savez("result.npz", output0=np.zeros((3, 3), np.float32))
    change(result, outputs_sha256=digest_file(Path("result.npz")))
    refused = imported(edgecompile, built)
    assert refused.exit_code == 2
    assert "one row for each" in refused.stderr
