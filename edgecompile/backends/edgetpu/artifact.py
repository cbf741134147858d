"""What lies beside `model.tflite`: the predicted mapping, and what the compiler made of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecompile.backends.edgetpu.check import fates
from edgecompile.backends.edgetpu.compiler import (
    INSTALL,
    PROGRAM,
    command_line,
    compile_file,
    find_compiler,
)
from edgecompile.backends.edgetpu.mapping import Placement
from edgecompile.findings import Finding

MAPPING, COMPILED, REPORT = "mapping.json", "model_edgetpu.tflite", "compiler.json"


def write_mapping(folder: Path, placements: Sequence[Placement]) -> None:
    """Write where each operator is predicted to run."""
    body = {"predicted": True, "operators": [asdict(fate) for fate in fates(placements)]}
    _write(folder / MAPPING, body)


def compile_if_possible(folder: Path, file: Path, runtime: int) -> None:
    """Write the compiled file and the compiler's report, if the compiler is on PATH.

    Raises:
        ToolchainFailed: it is there and fails.
    """
    program = find_compiler()
    if program is None:
        return
    content, report = compile_file(program, file, runtime)
    (folder / COMPILED).write_bytes(content)
    _write(folder / REPORT, asdict(report))


def compilation_findings(
    file: Path, placements: Sequence[Placement], runtime: int
) -> list[Finding]:
    """That a file of ours is not compiled, or where the compiler decided otherwise than predicted.
    Nothing about a stranger's file."""
    if not (file.parent / MAPPING).is_file():
        return []
    if not (file.parent / REPORT).is_file():
        return [
            Finding(
                "warning",
                "edgetpu-not-compiled",
                f"not compiled: {PROGRAM} is not on PATH ({INSTALL}); no Edge TPU has seen this "
                "file, and what is mapped is a prediction",
                remedy=" ".join(command_line(file.name, runtime)),
            )
        ]
    report = json.loads((file.parent / REPORT).read_bytes())
    said = {(row["operator"], row["status"]): row["count"] for row in report["operators"]}
    ours = Counter((p.operator.name, str(p.status)) for p in placements)
    differing = sorted(key for key in {*said, *ours} if said.get(key, 0) != ours.get(key, 0))
    if not differing:
        message = f"{PROGRAM} {report['version']} mapped what was predicted, operator for operator"
        return [Finding("note", "edgetpu-compiled", message)]
    rows = [f"{name} {said.get((name, s), 0)}, not {ours[name, s]}: {s}" for name, s in differing]
    return [
        Finding(
            "warning",
            "edgetpu-prediction",
            f"{PROGRAM} {report['version']} decided otherwise than predicted: {'; '.join(rows)}",
            remedy="its own word holds; please report the difference",
        )
    ]


def _write(path: Path, body: dict[str, Any]) -> None:
    path.write_text(json.dumps(body, sort_keys=True, indent=2) + "\n")
