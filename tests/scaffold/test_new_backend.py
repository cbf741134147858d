"""`edgecompile backends new`: a package that installs, builds and passes its own test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.packages import install


@pytest.fixture
def installed(edgecompile, tmp_path, monkeypatch) -> Path:
    """The folder that a new package was installed in; the package lies beside it."""
    result = edgecompile("backends", "new", "my-chip")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == (
        "wrote edgecompile-my-chip/pyproject.toml\n"
        "wrote edgecompile-my-chip/README.md\n"
        "wrote edgecompile-my-chip/edgecompile_my_chip/__init__.py\n"
        "wrote edgecompile-my-chip/edgecompile_my_chip/backend.py\n"
        "wrote edgecompile-my-chip/edgecompile_my_chip/targets/my-chip-board.yaml\n"
        "wrote edgecompile-my-chip/tests/test_conformance.py\n"
        "next: pip install -e edgecompile-my-chip\n"
    )
    install(tmp_path / "edgecompile-my-chip", tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


def test_a_new_backend_is_listed_and_builds(edgecompile, installed, tiny):
    listed = edgecompile("backends", "list", "--format", "json").json()
    (mine,) = (row for row in listed if row["name"] == "my-chip")
    assert (mine["package"], mine["targets"]) == ("edgecompile-my-chip 0.1", ["my-chip-board"])
    result = edgecompile("build", "tiny", "-t", "my-chip-board", "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert result.json()["stages"][-1]["evidence"] == "reference"


@pytest.mark.full
def test_the_test_of_a_new_backend_passes(installed):
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "edgecompile-my-chip/tests"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_name_of_a_known_backend_is_refused(edgecompile, tmp_path):
    result = edgecompile("backends", "new", "tflite")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: a backend named 'tflite' is there already\nhelp: choose another name\n",
    )
    assert list(tmp_path.iterdir()) == []
