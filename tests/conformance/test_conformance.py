"""`edgecompile conformance`: what is right, refused, wrong or crashed is told as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.packages import pretend

ODD = """
import os

from edgecompile.backends.onnxruntime.backend import OnnxRuntimeBackend
from edgecompile.errors import TargetCannotRun
from edgecompile.findings import Finding


class Backend(OnnxRuntimeBackend):
    name = "odd"

    def check(self, hub, target, precision):
        if "Cos" in operators(hub):
            return [Finding("error", "odd-cosine", "no cosine here")]
        return []

    def lower(self, hub, target, folder):
        found = operators(hub)
        if "Neg" in found:
            raise ZeroDivisionError("a bug")
        if "Sin" in found:
            os.abort()
        if "Log" in found:
            raise TargetCannotRun("no logarithm here")
        super().lower(hub, target, folder)
        if "Sqrt" in found:
            (folder / "noise").write_bytes(os.urandom(8))

    def run(self, artifact, inputs, options):
        outputs = super().run(artifact, inputs, options)
        abs_of = b"Abs" in artifact.read_bytes()
        return [output * 1.01 for output in outputs] if abs_of else outputs


def operators(hub):
    return {node.op_type for node in hub.graph}
"""


@pytest.fixture
def odd(tmp_path, monkeypatch) -> None:
    """A backend that has a fault for some operators, and none for the others."""
    pretend(tmp_path / "site", monkeypatch, "odd", ODD)
    Path("targets").mkdir()
    Path("targets/odd-board.yaml").write_text("title: odd\nbackend: odd\nprecisions: [fp32]\n")


def of(*operators: str) -> list[str]:
    return [word for name in operators for word in ("--operator", name)]


def test_each_fault_is_told_as_what_it_is(edgecompile, odd):
    words = of("Abs", "Cos", "Exp", "Log", "Neg", "Sin", "Sqrt")
    result = edgecompile("conformance", "odd", *words, "--format", "json")
    assert result.exit_code == 6
    told = {}
    for row in result.json()["cases"]:
        told.setdefault(row["operator"], []).append((row["status"], row["rule"], row["message"]))
    assert {operator: {status for status, *_ in rows} for operator, rows in told.items()} == {
        "Abs": {"wrong"},
        "Cos": {"refused"},
        "Exp": {"ok"},
        "Log": {"refused"},
        "Neg": {"crashed"},
        "Sin": {"crashed"},
        "Sqrt": {"wrong", "ok"},  # of each operator the first case is lowered twice
    }
    assert told["Cos"][0][1:] == ("odd-cosine", "no cosine here")
    assert told["Log"][0][1:] == ("lower", "no logarithm here")
    assert told["Neg"][0][2] == "ZeroDivisionError: a bug"
    assert "died (SIGABRT)" in told["Sin"][0][2]
    assert told["Sqrt"][0][2] == "the same hub lowered twice gives other bytes"
    (first, *_) = (row for row in result.json()["cases"] if row["operator"] == "Abs")
    assert first["difference"] == pytest.approx(0.01, rel=1e-3)
    assert (first["allowed"], first["unit"]) == (1e-4, "of the largest output")


def test_a_refusal_is_no_fault(edgecompile, odd):
    result = edgecompile("conformance", "odd", *of("Cos", "Relu"), "--quick", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:5] == [
        "operator  fp32",
        "Cos       refused",
        "Relu      ok",
        "",
        "refused: Cos (fp32), odd-cosine: no cosine here",
    ]


LESS = """
from edgecompile.backends.tensorrt.bundle_backend import TensorRTBundleBackend


class Backend(TensorRTBundleBackend):
    name = "odd"

    def run(self, artifact, inputs, options):
        outputs = super().run(artifact, inputs, options)
        cosine = b"Cos" in artifact.read_bytes()
        return [output + 0.1 for output in outputs] if cosine else outputs
"""


@pytest.mark.parametrize("pairs", ["needed", "all"])
def test_fewer_roundings_than_the_hub_has_are_told_as_such_and_an_error_is_still_one(
    edgecompile, tmp_path, monkeypatch, pairs
):
    pretend(tmp_path / "site", monkeypatch, "odd", LESS)
    Path("targets").mkdir()
    Path("targets/odd-board.yaml").write_text(
        "title: odd\nbackend: odd\nprecisions: [int8]\nscheme: symmetric\n"
        f"options: {{pairs: {pairs}}}\n"
    )
    words = [*of("Cos", "Floor", "Relu"), "--quick"]
    result = edgecompile("conformance", "odd", *words, "--format", "json")
    assert result.exit_code == 6
    rows = {row["operator"]: row for row in result.json()["cases"]}
    assert {operator: row["status"] for operator, row in rows.items()} == {
        "Cos": "wrong",  # 0.1 is a dozen steps, from the float network as well
        "Floor": "finer" if pairs == "needed" else "ok",
        "Relu": "ok",
    }
    if pairs == "needed":
        assert rows["Floor"]["difference"] > 1
        assert rows["Floor"]["message"].startswith("0.5 LSB from the float network")


def test_the_table_can_be_put_into_a_page(edgecompile):
    words = [*of("Relu", "Conv"), "--precision", "int8", "--precision", "dynamic", "--quick"]
    result = edgecompile("conformance", "tflite", *words, "--format", "markdown")
    assert result.exit_code == 0, result.stdout
    assert result.stdout == (
        "| operator | int8 | dynamic |\n"
        "|---|---|---|\n"
        "| Conv | ok | ok |\n"
        "| Relu | ok | - |\n"
        "\n"
        "Evidence `vendor-runtime`, by the target android-tflite (int8, dynamic).\n"
    )


def test_whole_networks_are_judged_where_their_files_are(edgecompile):
    words = [*of("Relu"), "--quick", "--precision", "int8", "--packs"]
    result = edgecompile("conformance", "tflite", *words, "--format", "json")
    assert result.exit_code == 0, result.stderr
    rows = {row["operator"]: row for row in result.json()["cases"]}
    assert set(rows) == {"Relu", "digits_cnn"}
    assert (rows["digits_cnn"]["status"], rows["digits_cnn"]["unit"]) == ("ok", "dB")
    assert "left out: fmnist_cnn: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonesuch"], "error: there is no backend named 'nonesuch'\n"),
        (["tflite", *of("Rleu")], "error: there is no case of an operator 'Rleu'\n"),
        (["tflite", "-t", "coral-usb"], "error: coral-usb is built by the backend 'edgetpu'\n"),
        (["tflite", "--precision", "w4"], "error: the backend 'tflite' has no target to judge it "),
        (["loihi"], "error: 'loihi' builds spiking networks, which are judged by a metric"),
    ],
)
def test_what_cannot_be_judged_is_told(edgecompile, arguments, message):
    result = edgecompile("conformance", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)


def test_a_missing_toolchain_is_told_before_any_case(edgecompile, tmp_path, monkeypatch):
    absent = ODD.replace(
        "    def check(",
        "    def probe(self):\n"
        "        from edgecompile.backends.protocol import Probe\n"
        "        return Probe(False, remedy='buy it', reason='odd is not here')\n\n"
        "    def check(",
    )
    pretend(tmp_path / "site", monkeypatch, "odd", absent)
    Path("targets").mkdir()
    Path("targets/odd-board.yaml").write_text("title: odd\nbackend: odd\nprecisions: [fp32]\n")
    result = edgecompile("conformance", "odd")
    assert (result.exit_code, result.stdout, result.stderr) == (
        5,
        "",
        "error: the toolchain of the backend 'odd' is missing: odd is not here\nhelp: buy it\n",
    )
