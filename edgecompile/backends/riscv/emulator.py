"""Execute a saved `model.elf` under QEMU: its outputs, and what it took."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecompile.backends.isolation import Ended, run_isolated
from edgecompile.backends.riscv.border import from_bytes, to_bytes
from edgecompile.backends.riscv.describe import borders
from edgecompile.backends.riscv.elf import Elf, read_elf
from edgecompile.backends.riscv.isa import parse_isa
from edgecompile.backends.riscv.machine import Machine
from edgecompile.backends.riscv.tools import OUTPUTS, SAMPLES, run_program
from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.outputs import Array
from edgecompile.graph.macs import count_macs
from edgecompile.parallel import cores

TOOL = "the program under QEMU"
TIME_LIMIT_SECONDS = 1800
_STACK = re.compile(r"^stack (\d+)$", re.MULTILINE)
_COUNTS = "counts.txt"
_TRAP, _TRAPS = 100, 16
_STATUSES = {65: "it read a part of a sample", 66: "its stack overflowed", 74: "it could not write"}
"""Exit statuses of the runner, `harness/`."""


@dataclass(frozen=True)
class Count:
    """Instructions of one run, and those of them that are RVV's."""

    total: int
    vector: int


@dataclass(frozen=True)
class Executed:
    """What one process of the emulator gave. `stack` is in bytes; `count` None: not counted."""

    outputs: list[Array]
    stack: int
    count: Count | None


def machine_of(elf: Elf, vlen: int | None = None) -> Machine:
    """The machine that a program was compiled for; `vlen`: with vectors of another length."""
    isa = parse_isa(elf.description["isa"])
    bare = elf.description["environment"] == "bare-metal"
    return Machine(isa, bare, (vlen or elf.description["vlen"]) if isa.vector else None)


def run_all(artifact: Path, samples: Array) -> list[Array]:
    """Outputs for float32 samples (samples, *shape without batch), in the model's own layout.

    The samples are spread over the cores, one process each.

    Raises:
        UserError: the file is no program of ours.
        ToolchainMissing: the emulator is not installed.
        ToolchainFailed: the program crashed, or took longer than half an hour.
    """
    workers = max(1, min(cores(), len(samples)))
    parts = np.array_split(np.arange(len(samples)), workers)
    with ThreadPoolExecutor(workers) as pool:
        done = list(
            pool.map(lambda part: execute(artifact, samples[part[0] : part[-1] + 1]).outputs, parts)
        )
    return [np.concatenate(columns) for columns in zip(*done, strict=True)]


def execute(
    artifact: Path, samples: Array, vlen: int | None = None, plugin: Path | None = None
) -> Executed:
    """One process for all `samples`, counted where there is a `plugin`. `vlen`: with vectors of
    another length than the target's.

    Raises:
        as `run_all`.
    """
    elf = read_elf(artifact)
    machine = machine_of(elf, vlen)
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        folder = Path(name)
        program = folder / artifact.name
        shutil.copyfile(artifact, program)
        program.chmod(0o755)  # QEMU runs no other; a file in the cache or in dist/ is just a file
        command = machine.command(program, plugin, _COUNTS)
        (folder / SAMPLES).write_bytes(_input_bytes(elf.description, samples))
        ended = run_isolated(
            run_program,
            json.dumps(command),
            machine.streams,
            tool=TOOL,
            seconds=TIME_LIMIT_SECONDS,
            folder=folder,
        )
        if not ended.succeeded:
            raise _failure(ended)
        return _read(folder, elf.description, ended, len(samples))


def _input_bytes(description: dict[str, Any], samples: Array) -> bytes:
    (border,) = borders(description, "inputs")  # a recipe's model has one input
    return to_bytes(border, np.asarray(samples, np.float32))


def _read(folder: Path, description: dict[str, Any], ended: Ended, samples: int) -> Executed:
    stack = _STACK.search(ended.said)
    try:
        content = (folder / OUTPUTS).read_bytes()
        outputs = from_bytes(borders(description, "outputs"), content, samples)
    except (OSError, ValueError) as error:
        raise ToolchainFailed(f"{TOOL} ended without all outputs: {error}") from error
    if stack is None:
        raise ToolchainFailed(f"{TOOL} ended without the account of its stack")
    return Executed(outputs, int(stack[1]), _read_counts(folder / _COUNTS))


def _read_counts(file: Path) -> Count | None:
    if not file.is_file():
        return None
    total, vector = file.read_text(encoding="ascii").split()
    return Count(int(total), int(vector))


def _failure(ended: Ended) -> ToolchainFailed:
    code = ended.exit_code
    if code is None:
        failure = ended.failure()
        failure.remedy = "measure fewer samples: --set data.emulated_samples=200"
        return failure
    if code in _STATUSES:
        return ToolchainFailed(f"{TOOL} stopped: {_STATUSES[code]}")
    if _TRAP <= code < _TRAP + _TRAPS:
        return ToolchainFailed(f"{TOOL} stopped at a fault: mcause {code - _TRAP}")
    return ended.failure()


_MACS_PER_SECOND = 6e7
"""Of vector instructions at their slowest, on one core: see docs/backends/riscv.md."""
_SECONDS_EACH = 1e-3


def seconds_per_sample(hub: ir.Model) -> float:
    """About what one inference takes, on one core."""
    return _SECONDS_EACH + count_macs(hub) / _MACS_PER_SECOND
