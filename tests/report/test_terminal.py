"""What a person reads on the terminal and in a log."""

from __future__ import annotations

import os
import pty
import re
import subprocess

from edgecompile.measured import Measured
from edgecompile.report.words import measured_lines
from tests.conftest import command


def test_the_table_has_one_row_per_measured_step_and_then_the_artifacts(edgecompile, tiny, built):
    result = edgecompile("build", "tiny")
    assert result.exit_code == 0
    text = result.stdout
    assert text.splitlines()[1].startswith("tiny, measured on 200 samples; ")
    rows = [line.split() for line in text.splitlines() if "%" in line and line.startswith(" ")]
    assert [row[0] for row in rows][-1:] == ["lower"]
    assert [row[1] if row[0] == "lower" else row[0] for row in rows][1:] == [
        "export",
        "simplify",
        "quantize[affine]",
        "cpu-onnxruntime",
    ]
    assert all(row[-1] == "cached" for row in rows)
    size = (built / "model.onnx").stat().st_size
    assert f"dist/tiny/cpu-onnxruntime/model.onnx (int8, {size / 1000:.1f} kB)" in text


def test_nothing_is_cut_off_in_a_log_however_long_the_names(edgecompile, tiny, tmp_path):
    name = "a-board-with-a-name-that-nobody-can-remember-" + "x" * 60
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / f"{name}.yaml").write_text(
        "title: Long\nbackend: onnxruntime\nprecisions: [int8]\n"
    )
    result = edgecompile("build", "tiny", "-t", name)
    assert result.exit_code == 0
    assert "…" not in result.stdout
    assert f"dist/tiny/{name}/model.onnx" in result.stdout


def test_names_that_look_like_markup_are_shown_as_they_are(edgecompile, tiny):
    result = edgecompile("build", "tiny", "-o", "[bold]out[/bold]")
    assert result.exit_code == 0
    assert "[bold]out[/bold]/tiny/cpu-onnxruntime/model.onnx" in result.stdout


def test_a_log_has_one_plain_line_for_each_step_that_was_carried_out(edgecompile, tiny, built):
    result = edgecompile("build", "tiny")
    assert result.stderr == ""  # all of it came from the cache
    result = edgecompile(
        "build", "tiny", "--set", "metric=top5", "--set", "stages.quantize.calibration_samples=9"
    )
    lines = result.stderr.splitlines()
    assert lines and all(re.fullmatch(r"\S+: done( \(\d+\.\d CPU s\))?", line) for line in lines)
    assert "\x1b" not in result.stderr + result.stdout


def test_on_a_terminal_the_build_shows_its_progress_and_the_table(tiny, built):
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        command("build", "tiny"),
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "140"},
    )
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(controller, 65536):
            shown += part
    except OSError:  # Linux: the other side was closed
        pass
    os.close(controller)
    assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert "tiny: " in text and "\x1b[" in text
    assert "Traceback" not in text
    assert "dist/tiny/cpu-onnxruntime/model.onnx" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_figures_that_were_measured_in_one_way_share_a_line():
    figures = [
        Measured("instructions", 1283508, "per inference", "VLEN 256"),
        Measured("vector instructions", 61.25, "% of them", "VLEN 256"),
        Measured("stack", 2160, "bytes", "high-water mark"),
    ]
    assert measured_lines(figures) == [
        "measured: instructions 1,283,508 per inference; vector instructions 61.25 % of them "
        "(VLEN 256)",
        "measured: stack 2,160 bytes (high-water mark)",
    ]
