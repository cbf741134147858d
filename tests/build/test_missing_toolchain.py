"""A toolchain that is not installed: told before any work, with what to type; the others go on."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

MESSAGE = (
    "error: the toolchain of the backend 'tflite' is missing: ai-edge-litert is not installed\n"
    "help: pip install ai-edge-litert\n"
)


@pytest.fixture
def without_litert(monkeypatch):
    """As on a machine where LiteRT was never installed."""
    version = importlib.metadata.version

    def known(name):
        if name == "ai-edge-litert":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", known)


@pytest.mark.parametrize("verb", ["build", "check"])
def test_alone_it_ends_the_command_before_any_work(
    edgecompile, tiny, own_cache, without_litert, verb
):
    result = edgecompile(verb, "tiny", "-t", "android-tflite")
    assert (result.exit_code, result.stdout, result.stderr) == (5, "", MESSAGE)
    assert not own_cache.exists() or not list(own_cache.rglob("record.json"))


def test_the_other_targets_are_built(edgecompile, tiny, without_litert):
    result = edgecompile(
        "build", "tiny", "-q", "-t", "android-tflite", "-t", "cpu-onnxruntime", "--format", "json"
    )
    assert (result.exit_code, result.stderr) == (5, MESSAGE)
    assert [row["status"] for row in result.json()["targets"]] == ["failed", "built"]
    assert not Path("dist/tiny/android-tflite").exists()
    assert Path("dist/tiny/cpu-onnxruntime/model.onnx").is_file()


def test_check_says_which_target_it_could_not_check(edgecompile, tiny, without_litert):
    result = edgecompile("check", "tiny", "-q", "-t", "android-tflite", "-t", "cpu-onnxruntime")
    assert result.exit_code == 5
    first, *_, last = result.stdout.splitlines()
    assert (first, last) == ("android-tflite: not checked", "cpu-onnxruntime: can run it")


def test_a_hub_is_quantized_without_the_toolchain_of_its_target(edgecompile, tiny, without_litert):
    result = edgecompile("quantize", "tiny", "-q", "-t", "android-tflite", "-o", "hub.onnx")
    assert result.exit_code == 0, result.stderr
    result = edgecompile("compile", "hub.onnx", "-q", "-t", "android-tflite", "-o", "out")
    assert (result.exit_code, result.stderr) == (5, MESSAGE)


def test_an_artifact_is_read_but_not_run(edgecompile, tiny, monkeypatch, request):
    assert edgecompile("build", "tiny", "-q", "-t", "android-tflite").exit_code == 0
    request.getfixturevalue("without_litert")
    folder = "dist/tiny/android-tflite"
    assert edgecompile("inspect", folder).exit_code == 0
    result = edgecompile("eval", folder, "-q", "-r", "tiny")
    assert (result.exit_code, result.stderr) == (5, MESSAGE)
