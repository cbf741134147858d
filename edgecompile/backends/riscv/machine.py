"""The emulated machine: QEMU's command line for an instruction set, and whether QEMU is here."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgecompile.backends.riscv.isa import Isa
from edgecompile.errors import ToolchainMissing

USER, SYSTEM = "qemu-riscv64", "qemu-system-riscv{bits}"
"""Emulators of a Linux program, and of a whole machine. QEMU has no program for 32-bit Linux on
Debian that our 32-bit targets would need: they are bare."""
PROGRAMS = (USER, "qemu-system-riscv32", "qemu-system-riscv64")
REMEDY = "apt-get install qemu-user qemu-system-misc (Debian, Ubuntu), or: make system"

_OPTIONAL = ("zba", "zbb", "zbc", "zbs")
"""Extensions that QEMU 7.2 switches on by itself."""
_LETTERS = "mafdcv"
_VERSION = re.compile(r"version (\d+\.\d+(?:\.\d+)?)")
_ELEMENT_VERSION = "vext_spec=v1.0"


@dataclass(frozen=True)
class Machine:
    """One RISC-V core. `vlen` is None where it has no vectors."""

    isa: Isa
    bare: bool
    vlen: int | None

    @property
    def streams(self) -> bool:
        """Does a program read samples from its standard input? Else from a file."""
        return not self.bare

    def command(self, program: Path, plugin: Path | None = None, counts: str = "") -> list[str]:
        """The words that run `program`, counted by `plugin` into the file `counts`.

        Raises:
            ToolchainMissing: the emulator is not installed.
        """
        name = SYSTEM.format(bits=self.isa.xlen) if self.bare else USER
        words = [require(name), "-cpu", self._cpu()]
        if plugin is not None:
            words += ["-plugin", f"{plugin},counts={counts}"]
        if not self.bare:
            return [*words, str(program)]
        # Semihosting lets the bare program read and write files of its working folder.
        return [
            *words,
            *("-machine", "virt", "-m", "256M", "-bios", "none", "-kernel", str(program)),
            *("-display", "none", "-serial", "none", "-monitor", "none"),
            *("-semihosting-config", "enable=on,target=native"),
        ]

    def _cpu(self) -> str:
        """Nothing that the instruction set does not have, so that its absence is noticed."""
        has = self.isa.extensions
        switches = ["g=false", *(f"{c}={_flag(c in has)}" for c in _LETTERS)]
        switches += [f"{name}={_flag(name in has or 'b' in has)}" for name in _OPTIONAL]
        if self.vlen is not None:
            switches += [_ELEMENT_VERSION, f"vlen={self.vlen}"]
        return ",".join([f"rv{self.isa.xlen}", *switches])


def _flag(value: bool) -> str:
    return "true" if value else "false"


def require(name: str) -> str:
    """The path of an emulator.

    Raises:
        ToolchainMissing: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolchainMissing(f"the emulator {name} is not installed", remedy=REMEDY)
    return found


def missing() -> list[str]:
    """The emulators that are not on PATH."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def version() -> str:
    """Of QEMU, as its first program says it; ``unknown`` if it says nothing that we know."""
    done = subprocess.run(  # noqa: S603 - a program found on PATH, no shell
        [require(USER), "--version"], capture_output=True, text=True, check=False, timeout=30
    )
    found = _VERSION.search(done.stdout)
    return found[1] if found else "unknown"
