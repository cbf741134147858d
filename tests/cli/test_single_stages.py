"""Each stage as a verb of its own, from a file to a file."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.conftest import tree


@pytest.fixture
def exported(edgecompile, tiny) -> Path:
    result = edgecompile("export", "tiny", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "model.onnx\n", "")
    return Path("model.onnx")


def test_the_export_is_the_float_hub(exported):
    model = onnx.load(exported)
    assert [node.op_type for node in model.graph.node] == ["Gemm"]
    assert model.producer_name == "edgecompile"


def test_the_stages_one_by_one_give_what_a_build_gives(edgecompile, exported):
    built = edgecompile("build", "tiny", "-q", "-t", "android-tflite")
    assert built.exit_code == 0, built.stderr
    quantized = edgecompile(
        "quantize", "tiny", "-t", "android-tflite", "--hub", exported, "-o", "q.onnx", "-q"
    )
    assert (quantized.exit_code, quantized.stdout) == (0, "q.onnx\n")
    compiled = edgecompile("compile", "q.onnx", "-t", "android-tflite", "-o", "art", "-q")
    assert (compiled.exit_code, compiled.stdout) == (0, "art/model.tflite\n")
    whole = Path("dist/tiny/android-tflite/model.tflite").read_bytes()
    assert tree(Path("art")) == {"model.tflite": whole}
    measured = edgecompile("eval", "art", "-r", "tiny", "-q")
    assert measured.exit_code == 0, measured.stderr


def test_a_float_hub_is_compiled_as_it_is(edgecompile, exported):
    result = edgecompile(
        "compile", exported, "-t", "android-tflite", "-o", "art", "--format", "json"
    )
    assert result.json() == {"file": "art/model.tflite"}
    shown = edgecompile("inspect", "art/model.tflite", "--format", "json").json()
    assert shown["inputs"][0]["dtype"] == "float32"


def test_there_is_nothing_to_quantize_in_fp32(edgecompile, tiny):
    options = ["--set", "stages.quantize.precision=fp32"]
    result = edgecompile("quantize", "tiny", "-t", "android-tflite", "-q", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        "",
        "error: in fp32 there is nothing to quantize\n"
        "  --> --set stages.quantize.precision=fp32\n"
        "help: for instance --set stages.quantize.precision=int8\n",
    )


@pytest.mark.parametrize("verb", [["quantize", "tiny", "--hub"], ["compile"]])
def test_a_hub_that_is_not_there_or_none_is_one_message(edgecompile, tiny, verb):
    options = ["-t", "android-tflite", "-o", "out", "-q"]
    missing = edgecompile(*verb, "none.onnx", *options)
    assert (missing.exit_code, missing.stderr) == (2, "error: there is no file none.onnx\n")
    Path("bad.onnx").write_bytes(b"no model")
    damaged = edgecompile(*verb, "bad.onnx", *options)
    assert (damaged.exit_code, damaged.stderr) == (2, "error: bad.onnx is not an ONNX model\n")
    assert not Path("out").exists()


def test_the_pruned_network_by_itself_is_that_of_a_build(edgecompile):
    options = ["--set", "stages.prune={ratio: 0.5}"]
    result = edgecompile("prune", "digits_cnn", "-q", "--format", "json", *options)
    assert result.exit_code == 0, result.stderr
    body = result.json()
    assert body["folder"] == "pruned"
    assert 0.3 < body["cost"]["macs"] / body["cost_before"]["macs"] <= 0.52
    assert sorted(tree(Path("pruned"))) == ["pruning.json", "weights.safetensors"]


def test_a_recipe_that_prunes_nothing_is_told(edgecompile, tiny):
    result = edgecompile("prune", "tiny", "-q")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: the recipe tiny has no stage that prunes\n")
    assert not Path("pruned").exists()


def test_half_precision_has_nothing_to_tell_beside_its_file(edgecompile, tiny):
    options = ["--set", "stages.quantize.precision=fp16", "-o", "half.onnx"]
    result = edgecompile("quantize", "tiny", "-t", "android-tflite", *options)
    assert (result.exit_code, result.stdout) == (0, "half.onnx\n"), result.stderr
