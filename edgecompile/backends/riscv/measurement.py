"""What the emulator tells about one inference: instructions, memory, and that the vector length
does not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecompile.backends.riscv.counting import plugin
from edgecompile.backends.riscv.elf import Elf, read_elf
from edgecompile.backends.riscv.emulator import Executed, execute
from edgecompile.backends.riscv.isa import parse_isa
from edgecompile.backends.riscv.options import VLENS
from edgecompile.errors import ContractError, ToolchainFailed
from edgecompile.evaluate.outputs import Array
from edgecompile.measured import Measured

SAMPLES = 3
"""So many are run to be counted; the first one's cost, with that of starting, is taken off."""
_REFUSED = "Could not load plugin"
TOLERANCE = 0.02
"""Of the range of an output: five steps of 8 bits."""


def measure(artifact: Path, samples: Array) -> tuple[Measured, ...]:
    """Figures of a saved program, on the first of `samples`; instructions at each vector length.

    Raises:
        ContractError: the outputs depend on the vector length: a bug of ours.
        ToolchainMissing, ToolchainFailed: as `emulator.execute`.
    """
    elf = read_elf(artifact)
    few = np.concatenate([samples[:SAMPLES]] * SAMPLES)[:SAMPLES]
    counter = _accepted_plugin(artifact, few[:1])
    vlen = elf.description["vlen"]
    lengths = _lengths(elf, vlen)
    runs = {
        length: tuple(execute(artifact, few[:n], length, counter) for n in (1, SAMPLES))
        for length in lengths
    }
    found = []
    for length, (one, several) in runs.items():
        found += _instructions(elf, one, several, _where(elf, length))
    if len(lengths) > 1:
        found.append(_equality({length: run[1].outputs for length, run in runs.items()}))
    return (*found, *_memory(elf, runs[vlen][1].stack))


def _accepted_plugin(artifact: Path, sample: Array) -> Path | None:
    """The plugin, if this QEMU takes it: others than 7.2 may have another plugin interface."""
    counter = plugin()
    try:
        execute(artifact, sample, plugin=counter)
    except ToolchainFailed as error:
        if _REFUSED not in error.message:
            raise
        return None
    return counter


def _lengths(elf: Elf, vlen: int) -> list[int]:
    """The target's own first."""
    isa = parse_isa(elf.description["isa"])
    if not isa.vector:
        return [vlen]
    return [vlen, *(length for length in VLENS if isa.min_vlen <= length != vlen)]


def _where(elf: Elf, vlen: int) -> str:
    vector = parse_isa(elf.description["isa"]).vector
    return f"executed under QEMU, VLEN {vlen}" if vector else "executed under QEMU"


def _instructions(elf: Elf, one: Executed, several: Executed, method: str) -> list[Measured]:
    if one.count is None or several.count is None:
        return []
    total = (several.count.total - one.count.total) / (SAMPLES - 1)
    found = [Measured("instructions", round(total), "per inference", method)]
    if parse_isa(elf.description["isa"]).vector:
        vector = (several.count.vector - one.count.vector) / (SAMPLES - 1)
        found.append(
            Measured("vector instructions", round(100 * vector / total, 1), "% of them", method)
        )
    macs = elf.description["macs"]
    if macs:
        found.append(
            Measured("instructions per MAC", round(total / macs, 4), f"of {macs:,} MACs", method)
        )
    return found


def _equality(outputs: dict[int, list[Array]]) -> Measured:
    """How many outputs are equal at all vector lengths. Sums of floats may be rounded in another
    order, integers behind them fall to the other side of a tie: what is further apart is a bug.
    """
    (first, expected), *others = outputs.items()
    equal = [np.ones(one.shape, bool) for one in expected]
    for length, found in others:
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            equal[index] &= one == other
            if np.abs(one - other).max() > TOLERANCE * np.ptp(one):
                raise ContractError(
                    f"the program's outputs differ between vectors of {first} and {length} bits",
                    remedy="this is a bug of edgecompile's RISC-V kernels: please report the model",
                )
    total = sum(one.size for one in equal)
    share = 100 * sum(int(one.sum()) for one in equal) / total
    lengths = ", ".join(map(str, sorted(outputs)))
    return Measured(
        "equal outputs",
        round(share, 3),
        f"% of {total:,}",
        f"executed under QEMU, VLEN {lengths}",
    )


def _memory(elf: Elf, stack: int) -> list[Measured]:
    layout = "sections of model.elf, its runner included"
    return [
        Measured("flash", elf.flash, "bytes", layout),
        Measured("activations", elf.description["arena"], "bytes of RAM", "planned, in model.c"),
        Measured("stack", stack, "bytes of RAM", "high-water mark under QEMU"),
    ]
