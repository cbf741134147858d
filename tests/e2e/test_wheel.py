"""The wheel, installed in an environment of its own and used outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `edgecompile` command of a fresh environment: minutes, and gigabytes on disk."""
    folder = tmp_path_factory.mktemp("wheel")

    def pip(*arguments: str, python: str | Path) -> None:
        subprocess.run([python, "-m", "pip", "-q", *arguments], check=True, cwd=folder)

    pip("wheel", "--no-deps", "-w", str(folder), str(REPOSITORY), python=sys.executable)
    (wheel,) = folder.glob("edgecompile-*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    constraints = ["-c", str(REPOSITORY / "constraints.txt")]
    pip("install", *constraints, "torch==2.13.0", python=python)
    pip("install", *constraints, str(wheel), python=python)
    return folder / "venv/bin/edgecompile"


def run(command: Path, *arguments: str, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [command, *arguments],
        cwd=cwd,
        env={**environment, "EDGECOMPILE_CACHE": str(cwd / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_lists_the_built_in_targets_and_recipes(installed, tmp_path):
    targets = run(installed, "targets", "list", cwd=tmp_path)
    for name in ("cpu-onnxruntime", "android-tflite", "linux-arm64-tflite", "mcu-tflite"):
        assert name in targets
    assert "digits_cnn" in run(installed, "recipes", "list", cwd=tmp_path)


def test_the_wheel_builds_the_digits(installed, tmp_path):
    report = run(installed, "build", "digits_cnn", cwd=tmp_path)
    assert "built   android-tflite" in report
    assert (tmp_path / "dist/digits_cnn/android-tflite/model.tflite").is_file()
