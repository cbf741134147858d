"""Fixtures: an isolated working folder, the command line, and the smallest recipe that builds."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from tests.workers import preloaded_context

settings.register_profile("same-every-time", deadline=None, derandomize=True)
settings.load_profile("same-every-time")

REPOSITORY = Path(__file__).resolve().parents[1]

DATA = os.environ.get("EDGECOMPILE_DATA")
"""As it was when the tests started: each test is isolated from it."""

_VARIABLES = ("CACHE", "DATA", "FORMAT", "PATH", "SIGNING_KEY", "VERBOSE")

TINY_MODEL = """\
from torch import nn


def build():
    return nn.Linear(4, 3)
"""

TINY_RECIPE = """\
description: four numbers, three classes
model:
  source: model.py:build
  weights: weights.safetensors
  input: {shape: [1, 4]}
data:
  calibration: calib.npz
  evaluation: eval.npz
metric: top1
stages:
  quantize: {precision: int8}
budgets: {quantize: 5.0, lower: 5.0, total: 5.0}
targets: [cpu-onnxruntime]
"""

WEIGHT = np.array([[4, 1, 0, -1], [-1, 3, 1, 0], [0, -1, 2, 1]], np.float32)


@dataclass(frozen=True)
class Result:
    """What one call of the command line gave."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """The one JSON document on stdout; fails when there is anything else."""
        return json.loads(self.stdout)

    def statuses(self) -> dict[str, str]:
        """Status by step of a build's JSON."""
        return {step["step"]: step["status"] for step in self.json()["steps"]}

    def rebuilt(self) -> list[str]:
        """The steps that a build carried out anew."""
        return [step for step, status in self.statuses().items() if status == "built"]


CommandLine = Callable[..., Result]


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests that only need something built, in whatever process they run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    return folder / "shared-cache"


@pytest.fixture(scope="session", autouse=True)
def preloaded_workers() -> Iterator[None]:
    """Builds in this process take workers that have imported the libraries: see tests/workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgecompile.build.process.get_context", lambda _: preloaded_context())
        yield


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_cache: Path) -> Iterator[Path]:
    """An empty working folder, none of the user's variables, the tests' shared cache."""
    for name in _VARIABLES:
        monkeypatch.delenv(f"EDGECOMPILE_{name}", raising=False)
    for name in ("ACTIONS", "WORKSPACE", "STEP_SUMMARY"):
        monkeypatch.delenv(f"GITHUB_{name}", raising=False)
    monkeypatch.setenv("EDGECOMPILE_CACHE", str(shared_cache))
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture
def data_folder(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of pretrained models and data sets; without one the test is skipped."""
    if not DATA:
        pytest.skip("EDGECOMPILE_DATA does not name the folder of real packs")
    monkeypatch.setenv("EDGECOMPILE_DATA", DATA)
    return Path(DATA)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, for tests of the cache itself."""
    folder = tmp_path / "own-cache"
    monkeypatch.setenv("EDGECOMPILE_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def cache_with_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the tiny recipe was built, from another folder; not to be written to."""
    root = tmp_path_factory.mktemp("cache-with-tiny")
    write_tiny(root / "tiny")
    words = ("build", "tiny", "-o", "dist", "-q")
    done = run_here(*words, folder=root, EDGECOMPILE_CACHE=str(root / "cache"))
    assert done.exit_code == 0, done.stderr
    return root / "cache"


@pytest.fixture
def warm_cache(own_cache: Path, cache_with_tiny: Path) -> Path:
    """A cache of the test's own in which the tiny recipe was built."""
    shutil.copytree(cache_with_tiny, own_cache)
    return own_cache


@pytest.fixture
def edgecompile(capfd: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line in this process (its steps run in workers all the same)."""
    from edgecompile.cli.app import run

    def call(*arguments: object) -> Result:
        capfd.readouterr()
        exit_code = run([str(argument) for argument in arguments])
        return Result(exit_code, *capfd.readouterr())

    return call


@pytest.fixture
def edgecompile_process() -> CommandLine:
    """The command line in a process of its own."""

    def call(
        *arguments: object,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        preexec_fn: Callable[[], None] | None = None,
    ) -> Result:
        done = subprocess.run(
            command(*arguments),
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            preexec_fn=preexec_fn,
            check=False,
            timeout=120,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return call


def run_here(*arguments: object, folder: Path, **variables: str) -> Result:
    """The command line in this process, for what more than one test looks at."""
    from edgecompile.cli.app import run

    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()) as stdout,
        contextlib.redirect_stderr(io.StringIO()) as stderr,
    ):
        for name, value in variables.items():
            patch.setenv(name, value)
        exit_code = run([str(argument) for argument in arguments])
    return Result(exit_code, stdout.getvalue(), stderr.getvalue())


def command(*arguments: object) -> list[str]:
    """The words that start edgecompile with this interpreter."""
    return [sys.executable, "-m", "edgecompile", *(str(argument) for argument in arguments)]


def samples(seed: int, count: int) -> dict[str, np.ndarray]:
    """Inputs that the tiny model's weights tell apart, and the labels that it would give."""
    inputs = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return {"inputs": inputs, "labels": (inputs @ WEIGHT.T).argmax(1)}


def write_tiny(folder: Path, *, model: str = TINY_MODEL, recipe: str = TINY_RECIPE) -> Path:
    """The smallest recipe: one linear layer with weights and data beside it."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(model)
    (folder / "recipe.yaml").write_text(recipe)
    save_file({"weight": WEIGHT, "bias": np.zeros(3, np.float32)}, folder / "weights.safetensors")
    np.savez(folder / "calib.npz", **samples(0, 64))
    np.savez(folder / "eval.npz", **samples(1, 200))
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The tiny recipe in ./tiny."""
    return write_tiny(tmp_path / "tiny")


@pytest.fixture(scope="session")
def shared_cache_with_tiny(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """For tests that start the command line in a process: what they build is there already."""
    root = tmp_path_factory.mktemp("tiny-in-shared-cache")
    write_tiny(root / "tiny")
    done = run_here("build", "tiny", "-q", folder=root, EDGECOMPILE_CACHE=str(shared_cache))
    assert done.exit_code == 0, done.stderr


@pytest.fixture
def built(tiny: Path, edgecompile: CommandLine) -> Path:
    """The tiny recipe, built: the folder of its one artifact."""
    result = edgecompile("build", tiny)
    assert result.exit_code == 0, result.stderr
    return Path("dist/tiny/cpu-onnxruntime").resolve()


def tree(folder: Path) -> dict[str, bytes]:
    """All files below `folder`, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
