"""`edgecompile targets new`."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecompile.backends.registry import backend_names


@pytest.mark.parametrize("backend", backend_names())
def test_a_new_target_of_any_backend_is_valid_as_it_is(edgecompile, backend):
    result = edgecompile("targets", "new", "my-board", "--backend", backend)
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "",
        "wrote targets/my-board.yaml\nnext: edgecompile targets show my-board\n",
    )
    shown = edgecompile("targets", "show", "my-board", "--format", "json").json()
    assert (shown["name"], shown["backend"]) == ("my-board", backend)
    assert edgecompile("check", "digits_cnn", "-t", "my-board", "-q").exit_code in {0, 4}


def test_a_new_target_builds(edgecompile, tiny):
    edgecompile("targets", "new", "my-board", "--backend", "tflite")
    assert edgecompile("build", "tiny", "-t", "my-board", "-q").exit_code == 0
    assert Path("dist/tiny/my-board/model.tflite").is_file()


def test_every_option_is_there_with_what_it_means(edgecompile):
    edgecompile("targets", "new", "my-chip", "--backend", "qnn", "--in", "mine")
    text = Path("mine/my-chip.yaml").read_text()
    assert "  # The chip's part number, as the binary must say it: SM8650.\n  soc: " in text
    assert "  split: false\n" in text
    assert "# limits:\n" in text


@pytest.mark.parametrize(
    ("name", "backend", "message"),
    [
        ("mine", "tflight", "error: there is no backend named 'tflight'\n"),
        ("../mine", "tflite", "error: '../mine' may hold only letters, digits, "),
        ("coral-usb", "tflite", "error: a target named 'coral-usb' is there already: "),
    ],
)
def test_what_cannot_be_a_target_is_refused(edgecompile, tmp_path, name, backend, message):
    result = edgecompile("targets", "new", name, "--backend", backend)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_new_target_does_not_overwrite_an_old_one(edgecompile):
    edgecompile("targets", "new", "mine", "--backend", "tflite")
    Path("targets/mine.yaml").write_text("precious")
    result = edgecompile("targets", "new", "mine", "--backend", "tflite")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: targets/mine.yaml is there already\nhelp: choose another name\n",
    )
    assert Path("targets/mine.yaml").read_text() == "precious"
