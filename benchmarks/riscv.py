"""`python -m benchmarks.riscv [RECIPE ...]`: instructions of one inference, ours and the peer's.

Counted by the same plugin under the same QEMU, in one run: the cost of a program for three samples
less that for one. The peer's outputs are held against ours: a program that computes something else
is no peer. With `--write`, the table of docs/backends/riscv.md is written anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from benchmarks import peer_emx
from benchmarks.inputs import load_split
from edgecompile.backends.riscv.border import to_bytes
from edgecompile.backends.riscv.compiler import compile_program
from edgecompile.backends.riscv.counting import plugin
from edgecompile.backends.riscv.describe import describe
from edgecompile.backends.riscv.emulator import execute
from edgecompile.backends.riscv.generator.generate import generate
from edgecompile.backends.riscv.isa import parse_isa
from edgecompile.backends.riscv.machine import Machine
from edgecompile.backends.riscv.options import RiscvOptions
from edgecompile.backends.riscv.program import Border
from edgecompile.evaluate.outputs import Array
from edgecompile.graph.hub import load, shape_of
from edgecompile.recipe.load import load_recipe

CNN = ("digits_cnn", "ic_resnet8", "kws_dscnn", "cifar_resnet20", "fmnist_cnn")
OTHERS = ("ad_autoencoder",)
VLEN = 256
ISAS = {"rv64gcv": "baseline_rv64+v", "rv64gc": "baseline_rv64"}
SAMPLES = 3
PAGE = Path(__file__).resolve().parents[1] / "docs/backends/riscv.md"
BEGIN, END = "<!-- benchmark -->\n", "<!-- end of benchmark -->"


@dataclass(frozen=True)
class Row:
    """Instructions per inference; `peer` by the precision of its hub, None where QEMU aborts."""

    recipe: str
    isa: str
    macs: int
    ours: float
    peer: dict[str, float | None]

    @property
    def ratio(self) -> float:
        """How many of the best peer's go into one of ours."""
        return min(value for value in self.peer.values() if value is not None) / self.ours


def main() -> None:
    """Measure the recipes that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=[*CNN, *OTHERS])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for recipe in arguments.recipes:
        for row in measure(recipe):
            rows.append(row)
            print(_line(row), flush=True)
    if arguments.write:
        before, found, rest = PAGE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(before + found + _table(rows) + END + after)


def measure(recipe: str) -> list[Row]:
    """One row for each instruction set."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hubs = {precision: _hub(recipe, precision, folder) for precision in ("int8", "fp32")}
        hub = load(hubs["int8"])
        shape = shape_of(hub.graph.inputs[0])[1:]
        samples = load_split(load_recipe(recipe), "evaluation", folder)[0][:SAMPLES]
        rows = []
        for isa, mcpu in ISAS.items():
            ours, expected, macs = _ours(hub, isa, samples, folder)
            peer = {}
            for precision, file in hubs.items():
                own = folder / precision
                own.mkdir(exist_ok=True)
                elf = _peer_program(file, own, mcpu, int(np.prod(shape)), expected[0].size)
                peer[precision], found = _count(elf, isa, samples)
                _require_same(recipe, precision, found, expected)
            rows.append(Row(recipe, isa, macs, ours, peer))
        return rows


def _hub(recipe: str, precision: str, folder: Path) -> Path:
    file = folder / f"{precision}.onnx"
    verb = (
        ["export", recipe] if precision == "fp32" else ["quantize", recipe, "-t", "rv64gcv-linux"]
    )
    command = [sys.executable, "-m", "edgecompile", "-q", *verb, "-o", str(file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return file


def _ours(hub: ir.Model, isa: str, samples: Array, folder: Path) -> tuple[float, Array, int]:
    options = RiscvOptions(isa=isa, vlen=VLEN)
    program = generate(hub, parse_isa(isa))
    elf = folder / f"{isa}.elf"
    elf.write_bytes(compile_program(program, options, {}, describe(program, options)).elf)
    one, several = (execute(elf, samples[:n], VLEN, plugin()) for n in (1, SAMPLES))
    total = (several.count.total - one.count.total) / (SAMPLES - 1)
    return total, several.outputs[0], program.macs


def _peer_program(hub: Path, folder: Path, mcpu: str, inputs: int, outputs: int) -> Path:
    source = folder / "emx.c"
    if not source.exists():
        source = peer_emx.generate(hub, folder)
    return peer_emx.compile_program(source, mcpu, inputs, outputs)


def _count(elf: Path, isa: str, samples: Array) -> tuple[float | None, Array]:
    """None where QEMU 7.2 aborts: on vector conversions that round toward zero (its issue 1441)."""
    machine = Machine(parse_isa(isa), False, VLEN if "v" in isa[4:] else None)
    totals = []
    for n in (1, SAMPLES):
        counts = elf.with_suffix(".txt")
        done = subprocess.run(
            machine.command(elf, plugin(), str(counts)),
            input=to_bytes(Border("x", "float32", samples.shape[1:]), samples[:n]),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            if b"insn_start != NULL" not in done.stderr:
                raise SystemExit(f"{elf.name} ended with {done.returncode}")
            return None, np.empty(0, np.float32)
        totals.append(int(counts.read_text().split()[0]))
    return (totals[1] - totals[0]) / (SAMPLES - 1), np.frombuffer(done.stdout, np.float32)


def _require_same(recipe: str, precision: str, found: Array, expected: Array) -> None:
    """The int8 peer computes the same hub: a rounding apart. The float one what it stands for."""
    if not found.size:
        return
    worst = float(np.abs(found.reshape(expected.shape) - expected).max() / np.ptp(expected))
    if worst > (0.02 if precision == "int8" else 0.2):
        raise SystemExit(
            f"{recipe}: the peer's {precision} outputs differ by {worst:.1%} of the range"
        )


def _line(row: Row) -> str:
    peers = ", ".join(f"emx {name} {_millions(value)}" for name, value in row.peer.items())
    return (
        f"{row.recipe:16} {row.isa:8} ours {row.ours / 1e6:.3f} M, "
        f"{row.ours / row.macs:.4f} per MAC; {peers}; ratio {row.ratio:.2f}"
    )


def _millions(value: float | None) -> str:
    return "not counted" if value is None else f"{value / 1e6:.2f} M"


def _table(rows: list[Row]) -> str:
    lines = [
        "",
        "| recipe | cores | M MACs | ours | per MAC | MACs each | emx int8 | emx float | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        peer = [_millions(value) for value in row.peer.values()]
        each = row.macs / row.ours
        lines.append(
            f"| {row.recipe} | {row.isa} | {row.macs / 1e6:.2f} | {row.ours / 1e6:.3f} M "
            f"| {row.ours / row.macs:.3f} | {each:.2f} | {peer[0]} | {peer[1]} | {row.ratio:.1f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
