"""What the user's Python does wrong is told with its line, never with a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecompile.errors import UserError
from edgecompile.frontend.module import build_module


def refusal(folder: Path, source: str, reference: str = "model.py:build") -> str:
    (folder / "model.py").write_text(source)
    with pytest.raises(UserError) as caught:
        build_module(reference, None, folder)
    return caught.value.render()


def test_a_factory_that_is_not_there_is_told_with_the_nearest_name(tmp_path):
    assert refusal(tmp_path, "def built():\n    return 1\n") == (
        "error: model.py has no function named 'build'\nhelp: did you mean 'built'?"
    )


def test_a_file_that_is_not_there_is_told(tmp_path):
    assert refusal(tmp_path, "", "other.py:build") == (
        "error: there is no file 'other.py' in the folder of the recipe"
    )


def test_a_module_that_is_not_installed_is_told(tmp_path):
    assert refusal(tmp_path, "", "no_such.models:factory") == (
        "error: there is no module 'no_such.models' to import\n"
        "help: install the package that holds it, or name a file: model.py:build"
    )


def test_a_factory_that_returns_no_module_is_told(tmp_path):
    assert refusal(tmp_path, "def build():\n    return 3\n") == (
        "error: model.py:build returned int, not a torch.nn.Module"
    )


def test_an_exception_in_the_factory_names_the_innermost_line_of_the_user(tmp_path):
    source = (
        "import json\n\n\ndef parse(text):\n    return json.loads(text)\n\n\n"
        "def build():\n    return parse('{')\n"
    )
    assert refusal(tmp_path, source) == (
        "error: calling model.py:build failed: JSONDecodeError: Expecting property name enclosed "
        "in double quotes: line 1 column 2 (char 1)\n"
        "  --> model.py:5\n"
        " 5 |     return json.loads(text)"
    )


def test_an_import_that_fails_names_the_line(tmp_path):
    assert refusal(tmp_path, "\nimport no_such_package\n") == (
        "error: importing model.py failed: ModuleNotFoundError: "
        "No module named 'no_such_package'\n"
        "  --> model.py:2\n"
        " 2 | import no_such_package"
    )


def test_a_syntax_error_is_shown_with_a_caret(tmp_path):
    assert refusal(tmp_path, "def build(:\n    pass\n") == (
        "error: importing model.py failed: SyntaxError: invalid syntax (model.py, line 1)\n"
        "  --> model.py:1:11\n"
        " 1 | def build(:\n"
        "   |           ^"
    )


def test_sys_exit_in_the_factory_is_an_error_like_any_other(tmp_path):
    assert refusal(tmp_path, "import sys\n\n\ndef build():\n    sys.exit(0)\n") == (
        "error: calling model.py:build failed: SystemExit: 0\n"
        "  --> model.py:5\n"
        " 5 |     sys.exit(0)"
    )


def test_a_file_beside_the_model_can_be_imported(tmp_path):
    (tmp_path / "parts.py").write_text(
        "from torch import nn\n\n\ndef head():\n    return nn.ReLU()\n"
    )
    (tmp_path / "model.py").write_text(
        "from parts import head\n\n\ndef build():\n    return head()\n"
    )
    assert type(build_module("model.py:build", None, tmp_path)).__name__ == "ReLU"


def test_two_recipes_may_each_have_a_model_py(tmp_path):
    for name in ("ReLU", "Tanh"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.py").write_text(
            f"from torch import nn\n\n\ndef build():\n    return nn.{name}()\n"
        )
        assert type(build_module("model.py:build", None, folder)).__name__ == name
