"""A full disk is one clear message, and nothing half-written is left."""

from __future__ import annotations

import resource
import subprocess

import pytest

from tests.conftest import tree


def limited(size: int):
    """Files of this process and its children may have `size` bytes: writing more fails."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_cache_that_is_full_is_told_and_holds_no_half_step(
    edgecompile_process, tiny, own_cache, tmp_path
):
    result = edgecompile_process("build", "tiny", "-q", preexec_fn=limited(2000))
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: cannot write to {own_cache}: the file is larger than the system allows\n"
        "help: free space, or set EDGECOMPILE_CACHE to a folder that can be written\n",
    )
    assert not list((own_cache / "unfinished").iterdir())
    assert not (tmp_path / "dist/tiny/cpu-onnxruntime").exists()


def test_an_output_folder_that_is_full_is_told_and_keeps_the_earlier_artifact(
    edgecompile_process, tiny, warm_cache, built, tmp_path
):
    (built / "model.onnx").write_bytes(b"of an earlier build")
    before = tree(tmp_path / "dist")
    result = edgecompile_process("build", "tiny", "-q", preexec_fn=limited(3000))
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        "",
        "error: cannot write to dist/tiny/cpu-onnxruntime: "
        "the file is larger than the system allows\n"
        "help: free space, or choose another folder with -o\n",
    )
    assert tree(tmp_path / "dist") == before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_under_the_output_is_told(edgecompile, tiny, warm_cache, small_disk):
    result = edgecompile("build", "tiny", "-q", "-o", small_disk / "dist")
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: cannot write to {small_disk}/dist/tiny/cpu-onnxruntime: "
        "no space is left on the disk\n"
        "help: free space, or choose another folder with -o\n",
    )
    assert tree(small_disk) == {}


def test_a_full_disk_under_the_cache_is_told(edgecompile, tiny, small_disk, monkeypatch):
    monkeypatch.setenv("EDGECOMPILE_CACHE", str(small_disk / "cache"))
    result = edgecompile("build", "tiny", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: cannot write to {small_disk}/cache: no space is left on the disk\n"
        "help: free space, or set EDGECOMPILE_CACHE to a folder that can be written\n",
    )


def test_an_output_folder_that_is_a_file_is_told(edgecompile, tiny, warm_cache, tmp_path):
    (tmp_path / "out").write_text("")
    result = edgecompile("build", "tiny", "-q", "-o", "out/dist")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: cannot write to out/dist/tiny: a file is in the way\n"
        "help: free space, or choose another folder with -o\n",
    )


def test_a_file_under_the_name_of_an_artifact_is_replaced(edgecompile, tiny, warm_cache, tmp_path):
    (tmp_path / "dist/tiny").mkdir(parents=True)
    (tmp_path / "dist/tiny/cpu-onnxruntime").write_text("in the way")
    assert edgecompile("build", "tiny").exit_code == 0
    assert (tmp_path / "dist/tiny/cpu-onnxruntime/model.onnx").is_file()
