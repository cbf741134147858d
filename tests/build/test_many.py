"""Many builds in one run: side by side, sharing what is equal, no failure hiding another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import TINY_RECIPE, tree, write_tiny

TARGETS = ("-t", "cpu-onnxruntime", "-t", "mcu-tflite")

LAYERED = """\
from layers import SIZE
from torch import nn


def build():
    return nn.Linear(4, SIZE)
"""

DIES_ONCE = """\
import os
import signal
import time
from pathlib import Path
from torch import nn

FOLDER = Path(__file__).parents[1]


def wait_for(mark):
    deadline = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def build():
    begun, died = FOLDER / "begun", FOLDER / "died"
    if __file__.endswith("other/model.py"):
        begun.touch()
        wait_for(died)
    elif not died.exists():
        wait_for(begun)
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return nn.Linear(4, 3)
"""


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two recipes of different data, so that they share the model's steps alone."""
    first, second = (write_tiny(tmp_path / name) for name in ("first", "second"))
    (second / "eval.npz").write_bytes((second / "calib.npz").read_bytes())
    return first, second


def test_side_by_side_gives_the_bytes_of_one_after_the_other(two, edgecompile, own_cache):
    one_by_one = edgecompile("build", *two, *TARGETS, "-o", "slow", "--no-cache")
    at_once = edgecompile("build", *two, *TARGETS, "-o", "fast", "--jobs", 3, "--no-cache")
    assert (one_by_one.exit_code, at_once.exit_code) == (0, 0)
    assert tree(Path("slow")) == tree(Path("fast"))
    assert "4 of 4 built" in at_once.stdout
    assert len(list(Path("fast").glob("*/*/manifest.json"))) == 4


def test_what_recipes_share_is_done_once_also_side_by_side(two, edgecompile, own_cache):
    built = edgecompile("build", *two, "--jobs", 2, "--format", "json").json()
    exports = [
        step["status"] for body in built for step in body["steps"] if step["step"] == "export"
    ]
    assert sorted(exports) == ["built", "cached"]


def test_a_failed_recipe_keeps_others_from_being_begun_unless_told_to_go_on(two, edgecompile):
    first, second = two
    (first / "recipe.yaml").write_text(TINY_RECIPE + "agreement: {quantize: 200}\n")
    stopped = edgecompile("build", first, second, "--format", "json")
    assert stopped.exit_code == 3
    assert "not begun" in stopped.json()[1]["error"]
    assert not Path("dist/second").exists()
    went_on = edgecompile("build", first, second, "-k", "--format", "json")
    assert went_on.exit_code == 3
    assert [body["exit_code"] for body in went_on.json()] == [3, 0]
    assert Path("dist/second/cpu-onnxruntime/manifest.json").is_file()


def test_a_recipe_that_cannot_be_planned_is_one_case_of_the_junit_file(two, edgecompile):
    (two[0] / "weights.safetensors").unlink()
    result = edgecompile("build", *two, "-k", "--junit", "ci.xml")
    assert result.exit_code == 2
    assert "weights.safetensors" in result.stderr
    text = Path("ci.xml").read_text()
    assert '<testsuite name="first"' in text
    assert '<testsuite name="second.cpu-onnxruntime"' in text
    assert "1 of 2 built" in result.stdout


def test_two_recipes_have_modules_of_one_name(tmp_path, edgecompile):
    for name, size in (("first", 3), ("second", 5)):
        folder = write_tiny(tmp_path / name, model=LAYERED)
        (folder / "layers.py").write_text(f"SIZE = {size}\n")
    result = edgecompile("build", "first", "second", "-k", "--format", "json", "--no-cache")
    assert [body["exit_code"] for body in result.json()] == [0, 2]
    assert "the weights" in result.stderr  # they are of a layer of three


def test_recipes_of_one_name_are_refused_before_any_work(tmp_path, edgecompile):
    for place in ("a", "b"):
        write_tiny(tmp_path / place / "tiny")
    result = edgecompile("build", "a/tiny", "b/tiny")
    assert result.exit_code == 2
    assert "two recipes are named 'tiny'" in result.stderr
    assert not Path("dist").exists()


def test_a_step_that_was_killed_beside_others_is_tried_once_more_alone(tmp_path, edgecompile):
    """As when memory runs out, in which case Linux kills the largest."""
    for name in ("other", "greedy"):
        write_tiny(tmp_path / name, model=f"{DIES_ONCE}\n\nNAME = '{name}'\n")
    result = edgecompile("build", "other", "greedy", "-j", 2, "--no-cache")
    assert result.exit_code == 0, result.stderr
    assert "2 of 2 built" in result.stdout
    assert (tmp_path / "died").exists()


def test_the_matrix_file_says_what_to_build(two, edgecompile):
    Path("edge.yaml").write_text("recipes: [./first, ./second]\ntargets: [mcu-tflite]\n")
    listed = edgecompile("matrix", "-c", "edge.yaml", "--format", "json").json()
    assert [pair["target"] for pair in listed] == ["mcu-tflite", "mcu-tflite"]
    built = edgecompile("build", "-c", "edge.yaml")
    assert built.exit_code == 0
    assert "2 of 2 built" in built.stdout
    plan = edgecompile("build", "-c", "edge.yaml", "--dry-run", "--format", "json").json()
    assert {row["state"] for row in plan} == {"cached"}


@pytest.mark.parametrize("words", [(), ("first", "-c", "edge.yaml")])
def test_what_to_build_is_named_in_one_way(words, edgecompile):
    result = edgecompile("build", *words)
    assert result.exit_code == 2
    assert "-c FILE" in result.stderr


def test_json_of_one_recipe_is_its_result_and_of_several_a_list(two, edgecompile):
    one = edgecompile("build", two[0], "--format", "json").json()
    assert json.dumps(one)[0] == "{"
    assert one["model"] == "first"
