"""`edgecompile lock` and `build --locked`: what is not as it was locked is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import samples


@pytest.fixture
def locked(tiny, edgecompile) -> Path:
    """The tiny recipe with its lock."""
    result = edgecompile("lock", tiny)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(tiny / "edgecompile.lock")
    return tiny


def refused(result) -> str:
    assert result.exit_code == 2
    assert not Path("dist").exists()
    return result.stderr


def test_what_is_as_it_was_locked_is_built(locked, edgecompile):
    assert edgecompile("build", locked, "--locked").exit_code == 0


def test_the_lock_is_the_same_in_another_folder_and_holds_no_path(locked, edgecompile, tmp_path):
    shutil.copytree(locked, tmp_path / "other/tiny")
    edgecompile("lock", tmp_path / "other/tiny", "-o", "again.lock")
    data = (locked / "edgecompile.lock").read_bytes()
    assert Path("again.lock").read_bytes() == data
    assert str(tmp_path).encode() not in data


def test_another_input_and_another_source_are_named(locked, edgecompile):
    import numpy as np

    np.savez(locked / "eval.npz", **samples(2, 200))
    (locked / "model.py").write_text((locked / "model.py").read_text() + "\nMORE = 1\n")
    said = refused(edgecompile("build", locked, "--locked"))
    assert "file eval.npz: " in said
    assert "source model.py: " in said
    assert "calib.npz" not in said


def test_another_seed_and_another_key_are_named(locked, edgecompile):
    options = ["--set", "stages.quantize.seed=7", "--set", "stages.quantize.per_channel=false"]
    said = refused(edgecompile("build", locked, "--locked", *options))
    assert "seed stages.quantize.seed: 7, locked is 0" in said
    assert "recipe stages.quantize.per_channel: false, locked is true" in said


def test_another_version_of_a_package_is_named(locked, edgecompile):
    file = locked / "edgecompile.lock"
    body = json.loads(file.read_bytes())
    tools = body["targets"]["cpu-onnxruntime"]["tools"]
    there, tools["torch"] = tools["torch"], "1.0"
    tools["gone"] = "2.0"
    file.write_text(json.dumps(body))
    said = refused(edgecompile("build", locked, "--locked"))
    assert f'package torch: "{there}", locked is "1.0"' in said
    assert "package gone: locked, and not there" in said


def test_other_code_of_a_step_is_named(locked, edgecompile):
    body = json.loads((locked / "edgecompile.lock").read_bytes())
    body["targets"]["cpu-onnxruntime"]["code"]["export"] = "0" * 64
    Path("other.lock").write_text(json.dumps(body))
    said = refused(edgecompile("build", locked, "--lock", "other.lock"))
    assert "code of step export: " in said


def test_a_target_that_was_not_locked_is_named(locked, edgecompile):
    said = refused(edgecompile("build", locked, "--locked", "-t", "android-tflite"))
    assert "target android-tflite: not in the lock" in said


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"schema": "edgecompile.lock/1"}'])
def test_a_lock_that_is_none_is_told(tiny, edgecompile, text):
    if text is not None:
        (tiny / "edgecompile.lock").write_text(text)
    assert "edgecompile lock RECIPE" in refused(edgecompile("build", tiny, "--locked"))
