"""`edgecompile check` for a Coral target: of a hub, with places in the user's model; of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecompile.backends.edgetpu.backend import EdgeTpuBackend
from edgecompile.backends.files import backend_of_file, main_file
from edgecompile.compress.scheme import QuantScheme
from edgecompile.recipe.load import load_target
from tests.backends.edgetpu.files import File
from tests.backends.edgetpu.test_mapping import IMAGE
from tests.conftest import write_tiny
from tests.hubs import hub_of, quickly_quantized, samples_for

X = "float[1,4,8,8] x"


def check(hub):
    return EdgeTpuBackend().check(hub, load_target("coral-usb"), "int8")


def test_a_hub_that_is_wholly_mapped_has_nothing_said_about():
    body = "c = Conv<pads=[1,1,1,1]>(x, w) r = Relu(c) y = GlobalAveragePool(r)"
    assert check(hub_of(X, body, "float[5,4,3,3] w")) == []


def test_what_the_cpu_gets_is_a_warning_with_its_place():
    hub = hub_of("float[1,4,6] x", "r = Relu(x) e = Elu(r) y = MatMul(e, w)", "float[6,3] w")
    (finding,) = check(hub)
    assert (finding.level, finding.rule) == ("warning", "edgetpu-cpu")
    assert (finding.node, finding.module, finding.source) == ("elu2", "net.elu2", "model.py:2")
    assert finding.message == (
        "ELU runs on the CPU. Operation not supported: the Edge TPU has no such operator"
    )


def test_a_hub_of_which_nothing_is_mapped_is_an_error():
    found = check(hub_of(X, "y = Elu(x)"))
    assert [(f.level, f.rule) for f in found] == [
        ("error", "edgetpu-nothing"),
        ("warning", "edgetpu-cpu"),
    ]


def test_a_node_of_many_operators_is_one_finding():
    hub = hub_of(
        "float[1,4,6] x", "r = Relu(x) y = LayerNormalization(r, g, b)", "float[6] g, float[6] b"
    )
    (finding,) = check(hub)
    assert finding.op_type == "LayerNormalization"
    assert "(as do MEAN, SUB, MUL, ADD, RSQRT behind it)" in finding.message
    assert finding.remedy == "normalize by BatchNorm, which becomes part of a convolution"


def test_a_quantized_hub_is_checked_by_its_own_numbers():
    hub = hub_of(X, "r = Relu(x) e = Elu(r) y = Relu(e)")
    quantized = quickly_quantized(hub, samples_for(hub))
    assert [f.node for f in check(quantized)] == [f.node for f in check(hub)] == ["elu2"]


def test_what_cannot_be_written_is_an_error():
    (finding,) = check(hub_of(X, "y = Erf(x)"))
    assert (finding.level, finding.rule) == ("error", "tflite-operator")


def test_what_the_compiler_cannot_read_is_an_error_with_its_place():
    (finding, *_) = check(hub_of(X, "r = Relu(x) y = Sign(r)"))
    assert (finding.level, finding.rule) == ("error", "edgetpu-version")
    assert (finding.node, finding.source) == ("sign2", "model.py:2")


def test_a_hub_of_16_bits_is_an_error():
    hub = hub_of("float[1,4] x", "y = MatMul(x, w)", "float[4,3] w")
    wide = quickly_quantized(hub, samples_for(hub), QuantScheme("affine", activation_bits=16))
    (finding,) = check(wide)
    assert (finding.level, finding.rule) == ("error", "edgetpu-bits")


@pytest.fixture
def file(tmp_path):
    made = File()
    x = made.op("RELU", [made.x(*IMAGE)], IMAGE)
    y = made.op("RELU", [made.op("HARD_SWISH", [x], IMAGE)], IMAGE)
    path = tmp_path / "theirs.tflite"
    path.write_bytes(made.content(y))
    return path


def test_a_strangers_file_is_checked_operator_by_operator(edgecompile, file):
    result = edgecompile("check", "-t", "coral-usb", file)
    assert result.exit_code == 0
    expected = """\
coral-usb: can run it
  warning: operator 1: HARD_SWISH runs on the CPU. Operation not supported: the Edge TPU has no such operator [HARD_SWISH]
    help: let edgecompile write the file: it makes ADD and MUL of HARD_SWISH
    rule: edgetpu-cpu (https://coral.ai/docs/edgetpu/models-intro/)

OPERATOR    COUNT  PREDICTED STATUS
HARD_SWISH  1      Operation not supported
RELU        1      Mapped to Edge TPU
RELU        1      More than one subgraph is not supported

estimate: operators on the Edge TPU 1 of 3
"""  # noqa: E501
    assert result.stdout.startswith(expected)


def test_the_json_of_a_file_has_every_operator(edgecompile, file):
    result = edgecompile(
        "check", "-t", "coral-usb", "-t", "coral-dev-board", file, "--format", "json"
    )
    assert result.exit_code == 0
    body = result.json()
    assert set(body) == {"coral-usb", "coral-dev-board"}
    assert [o["accelerated"] for o in body["coral-usb"]["operators"]] == [True, False, False]
    assert body["coral-usb"]["findings"][0]["rule"] == "edgetpu-cpu"


def test_a_file_that_must_not_be_compiled_gives_exit_code_4(edgecompile, tmp_path):
    made = File()
    weight = made.constant(np.ones((3, 4)), scales=3)
    inputs = [made.x(1, 4), weight, -1]
    y = made.op("FULLY_CONNECTED", inputs, (1, 3), "FullyConnectedOptions", 4)
    path = tmp_path / "silent.tflite"
    path.write_bytes(made.content(y))
    result = edgecompile("check", "-t", "coral-usb", path)
    assert result.exit_code == 4
    assert result.stdout.startswith("coral-usb: cannot run it\n  error: FULLY_CONNECTED (0) has a")


def test_bytes_of_another_kind_are_a_finding(edgecompile, tmp_path):
    path = tmp_path / "notes.tflite"
    path.write_text("not a model")
    result = edgecompile("check", "-t", "coral-usb", path)
    assert result.exit_code == 4
    assert result.stdout == (
        "coral-usb: cannot run it\n  error: notes.tflite is not a .tflite file\n"
    )


def test_a_file_needs_a_target(edgecompile, file):
    result = edgecompile("check", file)
    assert result.exit_code == 2
    assert "which device is theirs.tflite for? Name it with -t TARGET" in result.stderr


def test_a_backend_that_checks_no_files_says_so(edgecompile, file):
    result = edgecompile("check", "-t", "android-tflite", file)
    assert result.exit_code == 2
    assert "the backend 'tflite', which checks recipes only" in result.stderr


def test_an_option_that_the_backend_does_not_know_is_told(edgecompile, file):
    Path("mine.yaml").write_text(
        "title: mine\nbackend: edgetpu\nprecisions: [int8]\noptions: {runtime: 99}\n"
    )
    result = edgecompile("check", "-t", "mine.yaml", file)
    assert result.exit_code == 2
    assert "options of target mine" in result.stderr


def test_a_built_artifact_is_known_by_its_manifest(edgecompile):
    write_tiny(Path("tiny"))
    built = edgecompile("build", "tiny", "-q", "-t", "coral-usb", "-t", "android-tflite")
    assert built.exit_code == 0, built.stderr
    for target, backend in (("coral-usb", "edgetpu"), ("android-tflite", "tflite")):
        path = main_file(Path("dist/tiny") / target)
        assert backend_of_file(path).name == backend
        assert edgecompile("inspect", path).exit_code == 0


def test_a_strangers_tflite_file_is_the_backend_tflites(file):
    assert backend_of_file(file).name == "tflite"


def test_a_file_of_no_manifest_is_not_taken_for_the_one_that_it_is_about(file):
    manifest = file.parent / "manifest.json"
    manifest.write_text('{"target": {"backend": "edgetpu"}, "files": {"model.tflite": {}}}')
    assert backend_of_file(file).name == "tflite"
    manifest.write_text('{"target": {"backend": "edgetpu"}, "files": {"theirs.tflite": {}}}')
    assert backend_of_file(file).name == "edgetpu"
    manifest.write_text("[]")
    assert backend_of_file(file).name == "tflite"
