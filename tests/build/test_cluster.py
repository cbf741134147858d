"""A build on a Dask cluster, and the cache that its machines share."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
from fsspec import AbstractFileSystem

from edgecompile.build.cache import Cache, DamagedCache
from edgecompile.build.cluster import ClusterWorkers, carry_out_far
from edgecompile.build.shared_cache import SharedCache
from edgecompile.build.step import External
from edgecompile.build.store import Store
from edgecompile.build.worker import Job, Stored, carry_out
from edgecompile.digest import digest_file
from edgecompile.errors import ToolchainMissing, UserError
from tests.conftest import TINY_RECIPE, tree, write_tiny

SLOW_ONCE = """

def prepare(inputs):
    import os, time
    from pathlib import Path

    folder = Path(__file__).parent
    with (folder / "calls").open("a") as calls:
        calls.write("call\\n")
    if not (folder / "victim").exists():
        (folder / "victim").write_text(str(os.getpid()))
        time.sleep(300)
    return inputs
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store((tmp_path / "store").as_uri())


def start(*words: str, cache: Path) -> subprocess.Popen[bytes]:
    """One process of a cluster, as `dask scheduler` and `dask worker` start it."""
    environment = {**os.environ, "EDGECOMPILE_CACHE": str(cache)}
    call = [sys.executable, "-m", "dask", *words]
    return subprocess.Popen(call, env=environment, stdout=-3, stderr=-3)


def wait_for(file: Path) -> str:
    deadline = time.monotonic() + 120
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, f"{file} does not appear"
        time.sleep(0.05)
    return file.read_text()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A scheduler and two workers, processes of their own, each with a cache of its own."""
    about = tmp_path / "scheduler.json"
    quiet = ("--scheduler-file", str(about))
    only_here = ("--host", "127.0.0.1")
    parts = [
        start("scheduler", *quiet, *only_here, "--port", "0", "--no-dashboard", cache=tmp_path)
    ]
    try:
        wait_for(about)
        for name in ("one", "two"):
            words = ("worker", *quiet, *only_here, "--nthreads", "1", "--no-nanny")
            local = ("--no-dashboard", "--local-directory", str(tmp_path / name))
            parts.append(start(*words, *local, cache=tmp_path / name / "cache"))
        yield json.loads(about.read_text())["address"]
    finally:
        for part in parts:
            part.kill()
            part.wait()


def test_a_worker_that_is_killed_in_the_middle_costs_its_step_alone(
    cluster, edgecompile, tmp_path, monkeypatch
):
    recipe = TINY_RECIPE.replace("\nmetric:", "\n  prepare: model.py:prepare\nmetric:")
    tiny = write_tiny(tmp_path / "tiny", recipe=recipe)
    (tiny / "model.py").write_text((tiny / "model.py").read_text() + SLOW_ONCE)
    shared = ("--shared-cache", (tmp_path / "store").as_uri())
    building = subprocess.Popen(
        [sys.executable, "-m", "edgecompile", "build", "tiny", "--scheduler", cluster, *shared],
        env={**os.environ, "EDGECOMPILE_CACHE": str(tmp_path / "mine")},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.kill(int(wait_for(tiny / "victim")), signal.SIGKILL)
    said = building.communicate(timeout=300)
    assert building.returncode == 0, said
    # Two splits are prepared; the one that was at work when its worker was killed, once more.
    assert (tiny / "calls").read_text().count("call") == 3
    assert said[1].count("export: done") == 1

    monkeypatch.setenv("EDGECOMPILE_CACHE", str(tmp_path / "of another machine"))
    again = edgecompile("build", "tiny", "-o", "again", "--format", "json", *shared)
    assert again.exit_code == 0, again.stderr
    assert again.rebuilt() == []
    assert (tiny / "calls").read_text().count("call") == 3
    assert tree(Path("again/tiny/cpu-onnxruntime")) == tree(Path("dist/tiny/cpu-onnxruntime"))


def test_without_a_scheduler_there_the_build_says_so(edgecompile, tiny):
    shared = ("--shared-cache", Path("store").absolute().as_uri())
    nobody = edgecompile("build", tiny, "--scheduler", "tcp://127.0.0.1:9", *shared)
    assert nobody.exit_code == 6
    assert "there is no Dask scheduler at tcp://127.0.0.1:9" in nobody.stderr
    unshared = edgecompile("build", tiny, "--scheduler", "tcp://127.0.0.1:9")
    assert unshared.exit_code == 2
    assert "--shared-cache URL" in unshared.stderr


@pytest.fixture
def far(tiny: Path, store: Store, tmp_path: Path, own_cache: Path):
    """A job packed for another machine, and the folder of its recipe."""
    weights = tiny / "weights.safetensors"
    job = Job(
        "export",
        "0" * 64,
        "edgecompile.frontend.steps:export",
        {"weights": External(weights, digest_file(weights))},
        {"source": "model.py:build", "shape": [1, 4], "recipe_folder": str(tiny)},
        Cache(tmp_path / "mine"),
        True,
        ("model.py",),
        {"numpy": __import__("numpy").__version__},
    )
    return ClusterWorkers("tcp://nobody", store)._packed(job)


def test_a_machine_without_the_recipes_folder_takes_its_files_from_the_store(far, tiny, store):
    tiny.rename(tiny.with_name("elsewhere"))
    outcome = carry_out_far(far)
    assert "model.onnx" in outcome.record.files
    assert store.has(f"steps/00/{'0' * 64}/record.json")


def test_a_machine_with_another_version_refuses(far):
    other = replace(far, job=replace(far.job, packages={"numpy": "1.0", "no-such-package": "2"}))
    with pytest.raises(ToolchainMissing, match=r"numpy .* \(not 1.0\), no-such-package not at all"):
        carry_out_far(other)
    with pytest.raises(ToolchainMissing, match="another edgecompile"):
        carry_out_far(replace(far, code="0" * 64))


KEY = "ab" + "0" * 62


def committed(cache: Cache, text: str = "made") -> None:
    with cache.locked(KEY), cache.writing(KEY) as folder:
        (folder / "below").mkdir()
        (folder / "below/file").write_text(text)
        cache.commit(KEY, folder, {"answer": 42})


def test_what_one_machine_finished_another_has(store, tmp_path):
    committed(SharedCache(tmp_path / "one", store))
    two = SharedCache(tmp_path / "two", store)
    record = two.lookup(KEY)
    assert record.result == {"answer": 42}
    two.bring(record)
    assert two.is_intact(record)
    assert (two.files(KEY) / "below/file").read_text() == "made"


def test_damage_in_the_store_is_found_and_never_used(store, tmp_path):
    committed(SharedCache(tmp_path / "one", store))
    (packed,) = (tmp_path / "store").rglob("step.zip")
    data = bytearray(packed.read_bytes())
    for index in range(0, len(data), 7):
        broken = bytearray(data)
        broken[index] ^= 1
        packed.write_bytes(broken)
        two = SharedCache(tmp_path / f"two-{index}", store)
        record = two.lookup(KEY)
        two.bring(record)
        if two.is_intact(record):  # a bit of the ZIP's that no file depends on
            assert (two.files(KEY) / "below/file").read_text() == "made"


def test_a_worker_that_finds_its_input_damaged_names_the_step(store, tmp_path):
    committed(SharedCache(tmp_path / "one", store))
    (packed,) = (tmp_path / "store").rglob("step.zip")
    packed.write_bytes(b"no ZIP")
    cache = SharedCache(tmp_path / "two", store)
    job = Job("s", "1" * 64, "nobody:calls", {"in": Stored(KEY)}, {}, cache, True)
    with pytest.raises(DamagedCache, match=KEY):
        carry_out(job)


def test_an_archive_cannot_write_outside_its_folder(store, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    store.pack("evil", {"../up": secret, f"{tmp_path}/root": secret})
    target = tmp_path / "deep/er"
    target.mkdir(parents=True)
    assert store.unpack("evil", target)
    assert not (tmp_path / "deep/up").exists()
    assert not (tmp_path / "root").exists()
    assert (target / "up").read_text() == "mine"


@pytest.mark.parametrize("url", ["nosuch://bucket/cache", "s3://bucket/cache"])
def test_a_place_that_cannot_be_reached_is_one_message(url):
    with pytest.raises(UserError, match="there is no reading or writing at"):
        Store(url)


class Offline(AbstractFileSystem):  # type: ignore[misc]
    """A store whose client fails as botocore does without a network: by no OSError."""

    class ConnectionFailed(Exception):
        pass

    def _fails(self, *_: object, **__: object) -> None:
        raise self.ConnectionFailed("could not connect to the endpoint")

    cat_file = get_file = put_file = makedirs = rm_file = exists = _fails


def test_a_store_that_cannot_be_reached_is_told_and_is_no_bug(edgecompile, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECOMPILE_CACHE", str(tmp_path / "empty"))
    fsspec.register_implementation("offline", Offline, clobber=True)
    write_tiny(Path("tiny"))
    result = edgecompile("build", "tiny", "-q", "--shared-cache", "offline://models")
    assert result.exit_code == 2
    assert (
        "error: the shared cache at offline://models fails: could not connect to the endpoint"
        in result.stderr
    )


def test_each_use_of_a_store_that_cannot_be_reached_says_so(tmp_path):
    fsspec.register_implementation("offline", Offline, clobber=True)
    offline = Store("offline://models")
    for use in (
        lambda: offline.read("a"),
        lambda: offline.has("a"),
        lambda: offline.write("a", b""),
        lambda: offline.unpack("a", tmp_path),
        lambda: offline.remove("a"),
    ):
        with pytest.raises(UserError, match="could not connect"):
            use()
