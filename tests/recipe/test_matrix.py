"""The matrix file: which recipes for which targets, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecompile.errors import UserError
from edgecompile.recipe.matrix import load_matrix
from tests.conftest import write_tiny

BOTH = """\
recipes: [./first, ./second]
targets: [cpu-onnxruntime, mcu-tflite]
exclude:
  - {recipe: ./second, target: mcu-tflite}
"""


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    for name in ("first", "second"):
        write_tiny(tmp_path / "ci" / name)
    return tmp_path / "ci"


def pairs(folder: Path, text: str, targets: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    (folder / "edge.yaml").write_text(text)
    entries = load_matrix(folder / "edge.yaml", (), targets)
    return [(loaded.recipe.name, one.name) for loaded, kept in entries for one in kept]


def test_each_recipe_is_built_for_each_target_less_what_is_excluded(recipes):
    assert pairs(recipes, BOTH) == [
        ("first", "cpu-onnxruntime"),
        ("first", "mcu-tflite"),
        ("second", "cpu-onnxruntime"),
    ]


def test_without_targets_each_recipe_has_its_own(recipes):
    assert pairs(recipes, "recipes: [./first]") == [("first", "cpu-onnxruntime")]


def test_targets_of_the_command_line_take_the_place_of_the_files(recipes):
    assert pairs(recipes, BOTH, ("mcu-tflite",)) == [("first", "mcu-tflite")]


def test_an_exclusion_without_a_target_is_of_the_whole_recipe(recipes):
    text = BOTH.replace(", target: mcu-tflite", "")
    assert {model for model, _ in pairs(recipes, text)} == {"first"}


@pytest.mark.parametrize(
    ("wrong", "said", "line"),
    [
        ("recipes: [./frist]", "there is no recipe", 1),
        ("recipes: [./first]\ntarget: [x]", "unknown key 'target'", 2),
        ("recipes: []", "recipes must hold at least 1", 1),
        (BOTH.replace("./second,", "second,"), "no pair of a recipe and a target is excluded", 4),
    ],
)
def test_what_is_wrong_is_told_with_its_line(recipes, wrong, said, line):
    with pytest.raises(UserError) as error:
        pairs(recipes, wrong)
    assert said in error.value.message
    assert error.value.location.line == line
