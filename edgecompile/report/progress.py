"""What a person sees while a build works: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
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
    """Listens to builds. `logs` is the folder to which the workers print, `title` what is built."""

    def __init__(self, logs: Path, title: str) -> None:
        self.logs = logs
        self.title = title

    @property
    def listener(self) -> Listener:
        """To be handed to the build, if there is only one."""
        return self.listener_of(self.title)

    def listener_of(self, model: str) -> Listener:
        """To be handed to the build of one of several models."""
        return partial(self.on_step, model)

    def on_step(self, model: str, step: Step, outcome: StepOutcome | None) -> None:
        """Say nothing."""

    def name_of(self, model: str, step: Step) -> str:
        """The step, with its model where that is not told by the title."""
        return step.name if model == self.title else f"{model}: {step.name}"


class PlainProgress(Progress):
    """One line for each step that was really carried out: for logs and CI."""

    def on_step(self, model: str, step: Step, outcome: StepOutcome | None) -> None:
        """Print the end of a step."""
        if outcome is None or outcome.status in {"cached", "skipped"}:
            return
        if outcome.status == "failed":
            said = "failed"
        else:
            said = f"done ({outcome.cpu_seconds:.1f} CPU s)" if outcome.cpu_seconds else "done"
        print(f"{self.name_of(model, step)}: {said}", file=sys.stderr, flush=True)


class LiveProgress(Progress):
    """A spinner with the steps at work, redrawn in place."""

    def __init__(self, logs: Path, title: str, stream: TextIO) -> None:
        super().__init__(logs, title)
        from rich.console import Console

        self.status = Console(file=stream).status(f"{title}: planning")
        self.at_work: dict[str, str] = {}

    def on_step(self, model: str, step: Step, outcome: StepOutcome | None) -> None:
        """Show the steps at work."""
        name = self.name_of(model, step)
        if outcome is not None:
            self.at_work.pop(name, None)
        else:
            words = _WORDS.get(step.stage, step.stage)
            self.at_work[name] = f"{words} for {step.target}" if step.target else words
        if self.at_work:
            shown = (f"{words} [dim]{name}[/dim]" for name, words in self.at_work.items())
            self.status.update(f"{self.title}: {', '.join(shown)}")


@contextmanager
def build_progress(verbosity: int, title: str) -> Iterator[Progress]:
    """The progress display that fits the terminal and the verbosity.

    With -v, what the workers printed follows at the end.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as folder:
        logs = Path(folder)
        if verbosity < 0:
            yield Progress(logs, title)
        elif sys.stderr.isatty():
            live = LiveProgress(logs, title, sys.stderr)
            with live.status:
                yield live
        else:
            yield PlainProgress(logs, title)
        if verbosity > 0:
            files = sorted(logs.iterdir())
            for file in files:
                text = file.read_text(encoding="utf-8", errors="replace")
                which = f" ({file.stem})" if len(files) > 1 else ""
                print(f"--- log of the steps{which} ---\n{text}", file=sys.stderr)
