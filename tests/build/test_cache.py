"""The cache: damage is found, two builds at once are safe, a killed build resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from edgecompile.build.cache import Cache
from tests.conftest import command, samples, tree

LOWER = "lower[cpu-onnxruntime]"


def lineage(built: Path) -> dict[str, str]:
    """Key by step, from the manifest."""
    body = json.loads((built / "manifest.json").read_bytes())
    return {step["step"]: step["key"] for step in body["lineage"]}


def files_of(cache: Path, built: Path, step: str) -> Path:
    return Cache(cache).files(lineage(built)[step])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.fixture
def rebuilt(edgecompile, tiny, warm_cache, built):
    """Build again after `built`, which came from the cache; the same bytes must come out."""
    before = tree(built)

    def call() -> list[str]:
        result = edgecompile("build", "tiny", "--format", "json")
        assert result.exit_code == 0, result.stderr
        assert tree(built) == before
        return result.rebuilt()

    return call


def test_a_truncated_file_is_detected_and_rebuilt(rebuilt, warm_cache, built):
    file = files_of(warm_cache, built, LOWER) / "model.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    assert rebuilt() == [LOWER]
    assert rebuilt() == []


def test_a_flipped_byte_of_an_artifact_is_detected_and_the_artifact_rebuilt(
    rebuilt, warm_cache, built
):
    flip(files_of(warm_cache, built, LOWER) / "model.onnx")
    assert rebuilt() == [LOWER]
    assert rebuilt() == []


def test_a_missing_file_is_detected_and_rebuilt(rebuilt, warm_cache, built):
    (files_of(warm_cache, built, LOWER) / "model.onnx").unlink()
    assert rebuilt() == [LOWER]


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove"])
def test_a_damaged_record_is_detected_and_the_step_rebuilt(rebuilt, warm_cache, built, damage):
    record = files_of(warm_cache, built, LOWER).parent / "record.json"
    if damage == "flip":
        flip(record)
    elif damage == "remove":
        record.unlink()
    else:
        record.write_bytes(record.read_bytes()[:40] if damage == "truncate" else b"")
    assert rebuilt() == [LOWER]


def test_a_flipped_byte_of_an_input_is_detected_before_a_step_reads_it(
    edgecompile, rebuilt, warm_cache, built, tiny
):
    flip(files_of(warm_cache, built, "simplify") / "hub.onnx")
    assert rebuilt() == []  # nothing needs to read it
    arrays = samples(0, 64)
    arrays["inputs"][0] *= 10
    np.savez(tiny / "calib.npz", **arrays)
    result = edgecompile("build", "tiny", "--format", "json")
    assert result.exit_code == 0
    assert {"simplify", "quantize[affine]"} <= set(result.rebuilt())
    assert "export" not in result.rebuilt()


def test_several_damaged_artifacts_are_all_rebuilt(edgecompile, warm_cache, tiny, tmp_path):
    names = ["board-a", "board-b", "board-c"]
    (tmp_path / "targets").mkdir()
    for name in names:
        text = f"title: {name}\nbackend: onnxruntime\nprecisions: [int8]\n"
        (tmp_path / "targets" / f"{name}.yaml").write_text(text)
    options = [word for name in names for word in ("-t", name)]
    assert edgecompile("build", "tiny", *options).exit_code == 0
    before = tree(tmp_path / "dist")
    for name in names:
        flip(files_of(warm_cache, tmp_path / "dist/tiny" / name, f"lower[{name}]") / "model.onnx")
    result = edgecompile("build", "tiny", *options)
    assert (result.exit_code, tree(tmp_path / "dist")) == (0, before)


def start(tiny: Path, *options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("build", tiny, "--format", "json", *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_builds_at_the_same_time_both_succeed_and_share_the_work(tiny, own_cache, tmp_path):
    first, second = start(tiny), start(tiny)
    outputs = [process.communicate(timeout=120) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    bodies = [json.loads(stdout) for stdout, _ in outputs]
    done = [s["step"] for b in bodies for s in b["steps"] if s["status"] == "built"]
    assert sorted(done) == sorted(s["step"] for s in bodies[0]["steps"])  # each of them once
    files = tree(tmp_path / "dist")
    assert sorted(files) == [
        "tiny/cpu-onnxruntime/manifest.json",
        "tiny/cpu-onnxruntime/model.onnx",
        "tiny/cpu-onnxruntime/recipe.json",
        "tiny/cpu-onnxruntime/report.html",
        "tiny/summary.html",
        "tiny/summary.json",
    ]
    assert not list((own_cache / "unfinished").iterdir())


def test_many_builds_of_finished_steps_at_the_same_time_all_succeed(tiny, warm_cache, tmp_path):
    builds = [start(tiny) for _ in range(6)]
    outputs = [process.communicate(timeout=120) for process in builds]
    assert [process.returncode for process in builds] == [0] * 6, outputs
    assert len(tree(tmp_path / "dist")) == 6


def finished(cache: Path) -> set[str]:
    return {path.parent.name for path in cache.glob("steps/*/*/record.json")}


def test_a_build_killed_in_the_middle_leaves_nothing_half_done_and_is_resumed(
    edgecompile, tiny, own_cache, tmp_path
):
    process = subprocess.Popen(
        command("build", tiny, "-q"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    watched = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while len(finished(own_cache)) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    children = watched.children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert children  # the worker was at work
    _, alive = psutil.wait_procs(children, timeout=30)
    for orphan in alive:
        orphan.kill()
    assert not alive  # the worker does not outlive its build
    assert not (tmp_path / "dist").exists()
    kept = finished(own_cache)
    result = edgecompile("build", "tiny", "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert len(kept) >= 4
    assert result.statuses()["data[evaluation]"] == "cached"
    assert list(result.statuses().values()).count("cached") == len(kept)
    assert not list((own_cache / "unfinished").iterdir())


def test_remains_of_a_killed_packaging_are_removed_by_the_next_build(
    edgecompile, tiny, warm_cache, tmp_path
):
    remains = tmp_path / "dist/tiny/.unfinished-abc123"
    remains.mkdir(parents=True)
    (remains / "model.onnx").write_bytes(b"half")
    (tmp_path / "dist/tiny/.unfinished-summary.json").write_bytes(b"{")
    assert edgecompile("build", "tiny").exit_code == 0
    assert sorted(p.name for p in (tmp_path / "dist/tiny").iterdir()) == [
        "cpu-onnxruntime",
        "summary.html",
        "summary.json",
    ]


def test_the_cache_says_where_it_is_and_how_large(edgecompile, warm_cache):
    body = edgecompile("cache", "info", "--format", "json").json()
    size = sum(path.stat().st_size for path in warm_cache.rglob("*") if path.is_file())
    assert body == {"folder": str(warm_cache), "steps": 22, "bytes": size}
    assert edgecompile("cache", "info").stdout == (
        f"folder  {warm_cache}\nsteps   22\nsize    {size / 1e6:.1f} MB\n"
    )


def test_an_absent_cache_is_empty(edgecompile, own_cache):
    body = edgecompile("cache", "info", "--format", "json").json()
    assert body == {"folder": str(own_cache), "steps": 0, "bytes": 0}
    assert edgecompile("cache", "clear").stderr == "removed 0 steps, 0.0 MB\n"


def test_clearing_removes_every_step_and_no_artifact(edgecompile, warm_cache, built):
    before = tree(built)
    result = edgecompile("cache", "clear")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("removed 22 steps, ")
    assert finished(warm_cache) == set()
    assert tree(built) == before
    planned = edgecompile("build", "tiny", "--dry-run", "--format", "json").json()
    assert {row["state"] for row in planned} == {"to build"}


def test_a_cache_that_cannot_be_written_to_is_told(edgecompile, tiny, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGECOMPILE_CACHE", str(tmp_path / "file"))
    result = edgecompile("build", "tiny", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: cannot write to {tmp_path}/file: a file is in the way\n"
        "help: free space, or set EDGECOMPILE_CACHE to a folder that can be written\n",
    )
