"""The command line itself: help, verbosity, formats, exit codes, what it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import edgecompile as package
from edgecompile.cli.app import cli
from tests.conftest import TINY_RECIPE, command, write_tiny

VERBS = [
    *("build", "export", "prune", "quantize", "compile", "check", "inspect", "eval"),
    *("compare", "lock", "verify", "bom", "matrix", "recipes", "targets", "backends"),
    *("conformance", "cache", "doctor"),
]


def leaves(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from leaves(found, (*path, name))
        else:
            yield (*path, name), found


LEAVES = dict(leaves(cli))


def imported(*arguments: object, heavy: tuple[str, ...]) -> set[str]:
    """Which of `heavy` were imported by a call that must succeed."""
    script = (
        "import sys\n"
        "from edgecompile.cli.app import run\n"
        "code = run(sys.argv[1:])\n"
        f"print('\\nMODULES', *[m for m in {heavy!r} if m in sys.modules])\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("MODULES")[2].split())


HEAVY = (
    *("torch", "tensorflow", "nncf", "onnxruntime", "sklearn", "onnx", "onnx_ir", "scipy"),
    *("jinja2", "vl_convert"),
)


def test_the_help_imports_neither_torch_nor_pydantic_nor_numpy():
    heavy = (*HEAVY, "pydantic", "numpy", "yaml", "rich")
    assert imported("--help", heavy=heavy) == set()


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_imports_nothing_heavy(verb):
    assert imported(verb, "--help", heavy=(*HEAVY, "pydantic", "numpy")) == set()


def test_the_list_of_targets_imports_neither_torch_nor_pydantic_nor_numpy():
    assert imported("targets", "list", heavy=(*HEAVY, "pydantic", "numpy")) == set()


def test_an_unchanged_rebuild_imports_no_torch_and_no_runtime(tiny, built):
    assert imported("build", "tiny", "-q", heavy=HEAVY) == set()


TARGETS = (
    *("coral-usb", "snapdragon-8-gen-3", "rtx-4090", "jetson-orin-nx", "iphone-15-pro"),
    *("loihi2", "speck2f"),
)
"""One of each backend that the recipe `tiny` does not name."""


def test_an_unchanged_rebuild_imports_nothing_heavy_whatever_the_backend(edgecompile, tiny):
    call = ["build", "tiny", "-q", *(word for name in TARGETS for word in ("-t", name))]
    assert edgecompile(*call).exit_code == 0
    assert imported(*call, heavy=(*HEAVY, "numpy")) == set()


def test_the_help_lists_every_verb_with_a_line(edgecompile):
    result = edgecompile("--help")
    assert result.exit_code == 0
    listed = result.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == VERBS
    assert all(len(line.split()) > 3 for line in listed)


def test_the_version_is_that_of_the_package(edgecompile):
    assert edgecompile("--version").stdout == f"edgecompile, version {package.__version__}\n"


def test_a_misspelt_verb_is_told_with_the_nearest_one(edgecompile):
    result = edgecompile("biuld", "x")
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        "",
        "Usage: edgecompile [OPTIONS] COMMAND [ARGS]...\n"
        "Try 'edgecompile --help' for help.\n"
        "\n"
        "Error: No such command 'biuld'. Did you mean 'build'?\n",
    )


def test_a_verb_like_no_other_is_told_without_a_guess(edgecompile):
    result = edgecompile("xyzzy")
    assert result.exit_code == 2
    assert result.stderr.endswith("\nError: No such command 'xyzzy'.\n")


def test_an_unknown_option_is_refused(edgecompile, tiny):
    result = edgecompile("build", "tiny", "--no-such-option")
    assert result.exit_code == 2
    assert "No such option '--no-such-option'" in result.stderr


@pytest.mark.parametrize("verb", LEAVES, ids=" ".join)
def test_every_verb_takes_the_verbosity_and_the_format(verb):
    parameters = {parameter.name for parameter in LEAVES[verb].params}
    assert {"verbose", "quiet", "output_format"} <= parameters


@pytest.mark.parametrize(
    "arguments",
    [
        ("-q", "recipes", "new", "mine"),
        ("recipes", "new", "mine", "-q"),
        ("-v", "recipes", "new", "mine", "-qq"),
    ],
)
def test_q_silences_stderr_before_and_after_the_verb(edgecompile, arguments):
    result = edgecompile(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")


def test_q_still_tells_errors(edgecompile, tiny):
    result = edgecompile("build", "no-such-recipe", "-q")
    assert result.stderr.startswith("error: there is no recipe named 'no-such-recipe'\n")


LOG = "--- log of the steps ---\n"


@pytest.mark.parametrize(
    ("arguments", "environment", "logged"),
    [
        (("build", "tiny", "-v"), None, True),
        (("-v", "build", "tiny"), None, True),
        (("build", "tiny"), "1", True),
        (("build", "tiny", "-q"), "1", False),
        (("-v", "build", "tiny", "-q"), None, False),
        (("build", "tiny"), None, False),
    ],
)
def test_v_shows_the_log_of_the_steps_wherever_it_stands(
    edgecompile, tmp_path, monkeypatch, arguments, environment, logged
):
    """A step that fails at once: what matters is the log."""
    model = "print('importing')\nraise ValueError('no')\n"
    recipe = TINY_RECIPE.replace("eval.npz", "model.py:data")
    write_tiny(tmp_path / "tiny", model=model, recipe=recipe)
    if environment is not None:
        monkeypatch.setenv("EDGECOMPILE_VERBOSE", environment)
    result = edgecompile(*arguments)
    assert result.exit_code == 2
    assert (LOG + "importing" in result.stderr) == logged


def test_a_verbosity_that_is_no_number_is_refused(edgecompile, monkeypatch):
    monkeypatch.setenv("EDGECOMPILE_VERBOSE", "yes")
    result = edgecompile("targets", "list")
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        "",
        "error: EDGECOMPILE_VERBOSE is 'yes': it must be a number, as 1 for -v\n",
    )


JSON_CALLS = [
    ("build", "tiny"),
    ("build", "tiny", "--dry-run"),
    ("export", "tiny"),
    ("prune", "digits_cnn", "--set", "stages.prune={ratio: 0.5}"),
    ("quantize", "tiny", "-t", "cpu-onnxruntime"),
    ("compile", "tiny/hub.onnx", "-t", "cpu-onnxruntime", "-o", "compiled"),
    ("check", "tiny"),
    ("inspect", "dist/tiny/cpu-onnxruntime"),
    ("eval", "dist/tiny/cpu-onnxruntime", "--recipe", "tiny"),
    ("recipes", "list"),
    ("compare", "dist", "dist"),
    ("lock", "tiny"),
    ("verify", "dist"),
    ("bom", "dist"),
    ("matrix", "tiny"),
    ("recipes", "show", "tiny"),
    ("recipes", "schema"),
    ("recipes", "new", "another"),
    ("targets", "list"),
    ("targets", "show", "mcu-tflite"),
    ("targets", "new", "my-board", "--backend", "tflite"),
    ("backends", "list"),
    ("backends", "new", "mychip"),
    ("conformance", "onnxruntime", "--operator", "Abs", "--quick", "--precision", "fp32"),
    ("cache", "info"),
    ("doctor",),
]


@pytest.mark.parametrize("arguments", JSON_CALLS, ids=lambda a: " ".join(a[:2]))
def test_json_is_one_document_on_stdout_and_nothing_else(edgecompile, built, arguments):
    if arguments[0] == "compile":
        assert edgecompile("export", "tiny", "-o", "tiny/hub.onnx").exit_code == 0
    result = edgecompile(*arguments, "--format", "json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document
    assert result.stdout == json.dumps(document, indent=2, sort_keys=True) + "\n"


def test_every_verb_is_called_for_its_json():
    called = {path for path in LEAVES for call in JSON_CALLS if call[: len(path)] == path}
    assert called == set(LEAVES) - {("cache", "clear")}  # which has its own test


def test_clearing_the_cache_as_json_is_one_document(edgecompile, own_cache):
    body = edgecompile("cache", "clear", "--format", "json").json()
    assert body == {"folder": str(own_cache), "removed_steps": 0, "removed_bytes": 0}


def test_the_format_can_be_set_by_a_variable(edgecompile, monkeypatch):
    monkeypatch.setenv("EDGECOMPILE_FORMAT", "json")
    assert isinstance(edgecompile("targets", "list").json(), list)


def test_a_closed_pipe_is_no_error(tmp_path):
    script = f"{sys.executable} -m edgecompile recipes schema | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_told(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("targets", "list"), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (2, "error: No space left on device\n")


def test_ctrl_c_ends_the_build_and_keeps_what_was_finished(tmp_path, own_cache):
    model = "import time\n\ntime.sleep(100)\n"
    write_tiny(tmp_path / "tiny", model=model)
    process = subprocess.Popen(
        command("build", "tiny", "-q"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(own_cache.glob("locks/*")) or len(list(own_cache.glob("steps/*/*"))) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the worker gets it too
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (
        130,
        "",
        "\nstopped; finished steps are kept and the next build goes on from them\n",
    )


def test_an_internal_error_is_told_without_a_traceback_and_with_one_under_v(
    edgecompile, monkeypatch
):
    from edgecompile.recipe import catalogue

    def broken(kind):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(catalogue, "list_entries", broken)
    message = (
        "internal error: ZeroDivisionError: a bug\n"
        "help: this is a bug of edgecompile; `edgecompile -v ...` prints the traceback\n"
    )
    result = edgecompile("targets", "list")
    assert (result.exit_code, result.stderr) == (70, message)
    result = edgecompile("targets", "list", "-v")
    assert result.exit_code == 70
    assert result.stderr.startswith("Traceback (most recent call last):\n")
    assert result.stderr.endswith(message)
