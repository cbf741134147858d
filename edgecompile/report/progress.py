"""What a person sees while a build works: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from edgecompile.build.execute import Listener, StepOutcome
from edgecompile.build.step import Step

_WORDS = {
    "data": "preparing the data",
    "pytorch": "measuring the PyTorch model",
    "export": "exporting to ONNX",
    "simplify": "simplifying the graph",
    "check": "checking the target",
    "quantize": "quantizing",
    "spike": "converting to spikes",
    "lower": "lowering",
}


class Progress:
    """Listens to a build. `log` is where the workers print."""

    def __init__(self, log: Path) -> None:
        self.log = log

    @property
    def listener(self) -> Listener:
        """To be handed to the build."""
        return self.on_step

    def on_step(self, step: Step, outcome: StepOutcome | None) -> None:
        """Say nothing."""


class PlainProgress(Progress):
    """One line for each step that was really carried out: for logs and CI."""

    def on_step(self, step: Step, outcome: StepOutcome | None) -> None:
        """Print the end of a step."""
        if outcome is None or outcome.status in {"cached", "skipped"}:
            return
        if outcome.status == "failed":
            print(f"{step.name}: failed", file=sys.stderr, flush=True)
        else:
            cost = f" ({outcome.cpu_seconds:.1f} CPU s)" if outcome.cpu_seconds else ""
            print(f"{step.name}: done{cost}", file=sys.stderr, flush=True)


class LiveProgress(Progress):
    """A spinner with the step at work, redrawn in place."""

    def __init__(self, log: Path, model: str, stream: TextIO) -> None:
        super().__init__(log)
        from rich.console import Console

        self.model = model
        self.status = Console(file=stream).status(f"{model}: planning")

    def on_step(self, step: Step, outcome: StepOutcome | None) -> None:
        """Show the step that starts."""
        if outcome is None:
            words = _WORDS.get(step.stage, step.stage)
            detail = f" for {step.target}" if step.target else ""
            self.status.update(f"{self.model}: {words}{detail} [dim]{step.name}[/dim]")


@contextmanager
def build_progress(verbosity: int, model: str) -> Iterator[Progress]:
    """The progress display that fits the terminal and the verbosity.

    With -v, what the workers printed follows at the end.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as folder:
        log = Path(folder) / "worker.log"
        if verbosity < 0:
            yield Progress(log)
        elif sys.stderr.isatty():
            live = LiveProgress(log, model, sys.stderr)
            with live.status:
                yield live
        else:
            yield PlainProgress(log)
        if verbosity > 0 and log.is_file():
            text = log.read_text(encoding="utf-8", errors="replace")
            print(f"--- log of the steps ---\n{text}", file=sys.stderr)
