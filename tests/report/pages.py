"""A build with pages to look at: three devices of which one cannot be built, and findings."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import run_here, write_tiny

MODEL = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        return nn.functional.elu(self.linear(x))  # the chip has no such operator


def build():
    return Net()
"""

TARGETS = {
    "android-tflite": None,
    "coral-usb": None,
    "no-room": "title: A <b>board</b> & no flash\nbackend: tflite\nprecisions: [int8]\n"
    "limits: {flash: {value: 10, unit: B, source: https://example.org/a?b=1&c=2}}\n",
}


def build_with_pages(root: Path, cache: Path) -> Path:
    """Builds below `root`; returns the folder of the model."""
    write_tiny(root / "tiny", model=MODEL)
    weights = root / "tiny/weights.safetensors"
    _rename_weights(weights)
    (root / "targets").mkdir()
    words = []
    for name, text in TARGETS.items():
        words += ["-t", name]
        if text is not None:
            (root / f"targets/{name}.yaml").write_text(text)
    options = ["--set", "stages.quantize.sensitivity=true", "--set", "description=<i>a & b</i>"]
    options += ["--junit", "ci/junit.xml", "--sarif", "ci/report.sarif"]
    done = run_here(
        *("build", "tiny", "-q", *words, *options),
        folder=root,
        GITHUB_ACTIONS="true",
        GITHUB_WORKSPACE=str(root),
        GITHUB_STEP_SUMMARY=str(root / "summary.md"),
        EDGECOMPILE_CACHE=str(cache),
    )
    assert done.exit_code == 4, done.stderr
    (root / "stderr").write_text(done.stderr)
    return root / "dist/tiny"


def _rename_weights(file: Path) -> None:
    from safetensors.numpy import load_file, save_file

    save_file({f"linear.{name}": array for name, array in load_file(file).items()}, file)
