"""`edgecompile inspect`: what an artifact holds, read back from its bytes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecompile.cli.app import App
from edgecompile.cli.options import format_option, verbosity_options

if TYPE_CHECKING:
    from edgecompile.backends.protocol import Inspection, TensorFacts


@click.command("inspect")
@click.argument("artifact", type=click.Path(exists=True, path_type=Path))
@format_option
@verbosity_options
@click.pass_obj
def inspect_artifact(app: App, artifact: Path, output_format: str) -> None:
    """Show operators, types, scales and sizes of ARTIFACT (a file or a target's folder)."""
    from edgecompile.backends.files import backend_of_file, main_file, measured_evidence

    path = main_file(artifact)
    facts = backend_of_file(path).inspect(path)
    evidence = measured_evidence(path)
    if output_format == "json":
        app.json({**asdict(facts), "evidence": evidence})
        return
    _show(app, path, facts)
    for row in evidence:
        app.data(f"{row['stage']:10}  metric {row['metric']}  ({row['evidence']})")
    if not evidence:
        app.data("accuracy    not measured (no manifest.json beside it)")


def _show(app: App, path: Path, facts: Inspection) -> None:
    app.columns(
        [
            ("file", path.name),
            ("format", facts.format),
            ("size", f"{facts.size_bytes:,} bytes, of which weights {facts.weight_bytes:,}"),
            *(("input", _tensor(tensor)) for tensor in facts.inputs),
            *(("output", _tensor(tensor)) for tensor in facts.outputs),
        ]
    )
    app.data("")
    rows = []
    for operator in facts.operators:
        version = "" if operator.version is None else str(operator.version)
        outputs = "; ".join(_tensor(tensor) for tensor in operator.outputs)
        rows.append((operator.name, version, outputs))
    app.columns([("OPERATOR", "VERSION", "OUTPUT"), *rows])
    counts = Counter(operator.name for operator in facts.operators)
    app.data("")
    app.data(", ".join(f"{count} {name}" for name, count in counts.most_common()))


def _tensor(tensor: TensorFacts) -> str:
    text = f"{tensor.dtype} {list(tensor.shape)}"
    if len(tensor.scale) == 1:
        text += f" scale {tensor.scale[0]:.6g} zero point {tensor.zero_point[0]}"
    elif tensor.scale:
        text += f" {len(tensor.scale)} scales"
    return text
