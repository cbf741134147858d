"""check, inspect, eval and doctor."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.conftest import TINY_RECIPE, write_tiny


def test_check_says_for_each_target_whether_it_can_run_the_model(edgecompile, tiny):
    result = edgecompile("check", "tiny", "-t", "cpu-onnxruntime", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "cpu-onnxruntime: can run it\n",
        "",
    )
    result = edgecompile("check", "tiny", "--format", "json")
    assert result.json() == {"cpu-onnxruntime": []}


def test_check_reads_no_data(edgecompile, tiny):
    (tiny / "eval.npz").unlink()
    (tiny / "calib.npz").unlink()
    assert edgecompile("check", "tiny").exit_code == 0


@pytest.mark.parametrize("verb", ["build", "check"])
def test_a_precision_that_the_target_does_not_have_is_told(edgecompile, tmp_path, verb):
    recipe = TINY_RECIPE.replace("precision: int8", "precision: fp16")
    write_tiny(tmp_path / "tiny", recipe=recipe)
    result = edgecompile(verb, "tiny", "-t", "mcu-tflite")
    assert (result.exit_code, result.stdout, result.stderr) == (
        4,
        "",
        "error: the target mcu-tflite has no precision 'fp16'\n"
        "  --> tiny/recipe.yaml:11:14\n"
        " 11 |   quantize: {precision: fp16}\n"
        "    |              ^\n"
        "help: it has: int8, a16w8\n",
    )


@pytest.mark.parametrize("name", ["", "model.onnx"])
def test_inspect_shows_what_a_folder_or_a_file_holds(edgecompile, built, name):
    result = edgecompile("inspect", built / name, "--format", "json")
    body = result.json()
    assert (result.exit_code, body["format"]) == (0, "onnx")
    assert body["size_bytes"] == (built / "model.onnx").stat().st_size
    assert [tensor["shape"] for tensor in body["inputs"]] == [[1, 4]]
    assert [tensor["shape"] for tensor in body["outputs"]] == [[1, 3]]
    assert [row["stage"] for row in body["evidence"]] == [
        "pytorch",
        "export",
        "simplify",
        "quantize",
        "lower",
    ]
    shown = edgecompile("inspect", built / name).stdout.splitlines()
    assert shown[0].split() == ["file", "model.onnx"]
    assert shown[-1].endswith("(vendor-runtime)")


def test_inspect_of_a_stranger_says_that_nothing_was_measured(edgecompile, built, tmp_path):
    shutil.copy(built / "model.onnx", tmp_path / "stranger.onnx")
    assert edgecompile("inspect", "stranger.onnx").stdout.endswith(
        "accuracy    not measured (no manifest.json beside it)\n"
    )


def test_inspect_refuses_a_file_that_is_not_the_one_of_the_manifest(edgecompile, built):
    import onnx

    model = onnx.load(built / "model.onnx")
    model.doc_string = "other"
    onnx.save(model, built / "model.onnx")
    result = edgecompile("inspect", built)
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        "",
        "error: model.onnx is not the file that manifest.json describes: its bytes differ\n"
        "help: build it again\n",
    )


@pytest.mark.parametrize("verb", ["inspect", "eval"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notes.txt", "error: notes.txt is no artifact that edgecompile reads\n"),
        ("model.onnx", "error: model.onnx is not a valid ONNX file\n"),
        ("folder", "error: folder holds no artifact\n"),
    ],
)
def test_what_is_no_artifact_is_refused(edgecompile, tiny, tmp_path, verb, name, message):
    if name == "folder":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(b"\x08\x07garbage")
    options = ["-r", "tiny"] if verb == "eval" else []
    result = edgecompile(verb, name, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)


def test_eval_measures_an_artifact_as_the_build_did(edgecompile, tiny, built):
    measured = edgecompile("eval", built, "-r", "tiny", "--format", "json").json()
    summary = json.loads((built.parent / "summary.json").read_bytes())
    lowered = summary["stages"][-1]
    assert measured["metric"] == lowered["metric"]
    assert measured["agreement"]["baseline"] == lowered["agreement"]["baseline"]
    assert (measured["name"], measured["samples"]) == ("top1", 200)
    assert measured["evidence"] == "vendor-runtime"


def test_eval_shows_the_metric_with_its_evidence(edgecompile, tiny, built):
    rows = [line.split() for line in edgecompile("eval", built, "-r", "tiny").stdout.splitlines()]
    assert [row[0] for row in rows] == ["top1", "pytorch", "samples", "evidence", "SQNR"]
    assert rows[1:4] == [["pytorch", "1.0000"], ["samples", "200"], ["evidence", "vendor-runtime"]]


def test_eval_of_an_artifact_of_another_model_is_refused(edgecompile, built, tmp_path):
    recipe = TINY_RECIPE.replace("[1, 4]", "[1, 5]")
    other = write_tiny(tmp_path / "other", recipe=recipe)
    result = edgecompile("eval", built, "-r", other, "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        "",
        "error: model.onnx takes [1, 4], and the model of other takes [1, 5]\n"
        "help: name the recipe that the artifact was built from\n",
    )


def test_the_doctor_says_what_is_here(edgecompile, shared_cache, monkeypatch, tmp_path):
    result = edgecompile("doctor")
    assert result.exit_code == 0, result.stderr
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
    assert rows["python"][0] == "ok"
    assert rows["cache"] == ["ok", str(shared_cache)]
    assert rows["data"][:2] == ["not", "set"]
    assert rows["onnxruntime"][:2] == ["ok", "onnxruntime"]
    monkeypatch.setenv("EDGECOMPILE_DATA", str(tmp_path / "nowhere"))
    assert f"EDGECOMPILE_DATA is {tmp_path}/nowhere, which is no folder" in (
        edgecompile("doctor").stdout
    )
    assert edgecompile("doctor", "--format", "json").json()["data"] is None
    monkeypatch.setenv("EDGECOMPILE_DATA", str(tmp_path))
    assert edgecompile("doctor", "--format", "json").json()["data"] == str(tmp_path)


def test_a_target_without_the_precision_does_not_stop_the_others(edgecompile, tiny):
    options = ["-q", "-t", "mcu-tflite", "-t", "cpu-onnxruntime"]
    precision = ["--set", "stages.quantize.precision=fp16"]
    result = edgecompile("build", "tiny", *options, *precision)
    assert result.exit_code == 4
    assert "built   cpu-onnxruntime" in result.stdout
    assert "failed  mcu-tflite               exit 4" in result.stdout
    assert "the target mcu-tflite has no precision 'fp16'" in result.stderr
