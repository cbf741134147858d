"""Files that a recipe names lie in its own folder or in $EDGECOMPILE_DATA, nowhere else."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import TINY_RECIPE, write_tiny


@pytest.fixture
def refused(edgecompile, tmp_path):
    def call(old: str, new: str) -> str:
        assert old in TINY_RECIPE
        write_tiny(tmp_path / "tiny", recipe=TINY_RECIPE.replace(old, new, 1))
        result = edgecompile("build", "tiny")
        assert (result.exit_code, result.stdout) == (2, "")
        return result.stderr

    return call


def test_a_missing_file_is_told_with_the_line_and_the_folder(refused, tmp_path):
    assert refused("weights.safetensors", "wights.safetensors") == (
        f"error: there is no file 'wights.safetensors' in {tmp_path}/tiny\n"
        "  --> tiny/recipe.yaml:4:3\n"
        " 4 |   weights: wights.safetensors\n"
        "   |   ^\n"
    )


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("weights", "weights.safetensors", "../weights.safetensors"),
        ("weights", "weights.safetensors", "/etc/passwd"),
        ("weights", "weights.safetensors", "sub/../../weights.safetensors"),
        ("calibration", "calib.npz", "../calib.npz"),
        ("evaluation", "eval.npz", "../eval.npz"),
        ("source", "model.py:build", "../model.py:build"),
        ("calibration", "calib.npz", "../data.py:calibration"),
        ("prepare", "eval.npz", "eval.npz\n  prepare: ../prepare.py:prepare"),
        ("metric", "metric: top1", "metric: ../score.py:score"),
        ("metric", "metric: top1", "metric: {function: ../score.py:score}"),
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(refused, tmp_path, key, old, new):
    (tmp_path / "weights.safetensors").write_bytes(b"")
    message = refused(old, new)
    written = new.rpartition(" ")[2].rstrip("}").partition(":")[0]
    if "." in written:
        assert message.splitlines()[0] == f"error: '{written}' leaves the folder {tmp_path}/tiny"
    assert message.splitlines()[1].startswith("  --> tiny/recipe.yaml:")
    assert f"{key}:" in message.splitlines()[2] or "function:" in message.splitlines()[2]
    assert message.splitlines()[-1] == (
        "help: copy the file beside the recipe, or put it under $EDGECOMPILE_DATA"
    )


def test_a_symbolic_link_that_leaves_the_folder_is_refused(edgecompile, tiny, tmp_path):
    shutil.move(tiny / "eval.npz", tmp_path / "eval.npz")
    (tiny / "eval.npz").symlink_to(tmp_path / "eval.npz")
    result = edgecompile("build", "tiny")
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: 'eval.npz' leaves the folder {tiny}\n"
        "  --> tiny/recipe.yaml:8:3\n"
        " 8 |   evaluation: eval.npz\n"
        "   |   ^\n"
        "help: copy the file beside the recipe, or put it under $EDGECOMPILE_DATA\n",
    )


def test_a_symbolic_link_inside_the_folder_is_followed(edgecompile, tiny):
    shutil.move(tiny / "eval.npz", tiny / "real.npz")
    (tiny / "eval.npz").symlink_to("real.npz")
    assert edgecompile("build", "tiny", "--dry-run").exit_code == 0


@pytest.mark.parametrize("written", ['"a\\0b"', "x" * 5000, "loop"])
def test_a_path_that_the_system_cannot_hold_is_refused(refused, tmp_path, written):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "loop").symlink_to("loop")
    message = refused("weights.safetensors", written)
    assert message.startswith("error: '") and "--> tiny/recipe.yaml:4:3" in message


def test_data_that_need_the_shared_folder_say_how_to_get_it(edgecompile):
    result = edgecompile("build", "ic_resnet8")
    where = result.stderr.splitlines()[1]
    assert where.startswith("  --> ") and where.endswith("/recipes/ic_resnet8/recipe.yaml:8:3")
    assert (result.exit_code, result.stderr.replace(where, "PLACE")) == (
        2,
        "error: '${EDGECOMPILE_DATA}/cifar10/eval.npz' needs the folder of "
        "pretrained models and data sets, and EDGECOMPILE_DATA is not set\n"
        "PLACE\n"
        " 8 |   evaluation: ${EDGECOMPILE_DATA}/cifar10/eval.npz\n"
        "   |   ^\n"
        "help: export EDGECOMPILE_DATA=/path/to/data (docs/data.md says how to get it), "
        "or build recipes/digits_cnn, which needs no data\n",
    )


def test_the_shared_folder_is_read_and_not_left(edgecompile, monkeypatch, tmp_path):
    recipe = TINY_RECIPE.replace("calib.npz", "${EDGECOMPILE_DATA}/pack/calib.npz")
    tiny = write_tiny(tmp_path / "tiny", recipe=recipe)
    monkeypatch.setenv("EDGECOMPILE_DATA", str(tmp_path / "data"))
    missing = edgecompile("build", "tiny", "--dry-run")
    assert missing.stderr.splitlines()[0] == (
        f"error: there is no file 'pack/calib.npz' in {tmp_path}/data"
    )
    (tmp_path / "data" / "pack").mkdir(parents=True)
    shutil.move(tiny / "calib.npz", tmp_path / "data" / "pack" / "calib.npz")
    assert edgecompile("build", "tiny", "--dry-run").exit_code == 0
    monkeypatch.setenv("EDGECOMPILE_DATA", str(tmp_path / "data" / "other"))
    outside = recipe.replace("/pack/", "/../pack/")
    (tiny / "recipe.yaml").write_text(outside)
    assert edgecompile("build", "tiny", "--dry-run").stderr.splitlines()[0] == (
        f"error: '${{EDGECOMPILE_DATA}}/../pack/calib.npz' leaves the folder {tmp_path}/data/other"
    )
