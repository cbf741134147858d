"""C -> a static library and a program, by zig's clang: the same bytes on every machine.

Nothing of a C library is needed. Where the instruction set has no hardware for doubles, zig's
compiler-rt computes what the hardware lacks: it is compiled once for each instruction set, into
edgecompile's cache.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgecompile.backends.isolation import Ended, run_isolated
from edgecompile.backends.riscv.elf import SECTION
from edgecompile.backends.riscv.harness import buffers, read, render
from edgecompile.backends.riscv.isa import Isa, parse_isa
from edgecompile.backends.riscv.options import RiscvOptions
from edgecompile.backends.riscv.program import Program
from edgecompile.backends.riscv.tools import run_zig
from edgecompile.cache_root import default_cache_root
from edgecompile.errors import TargetCannotRun, ToolchainFailed
from edgecompile.recipe.target import Fact

TOOL = "zig cc"
TIME_LIMIT_SECONDS = 600
ELF, LIBRARY = "model.elf", "libmodel.a"

UNLIMITED = 64 << 20
"""Bytes of flash or RAM that a bare machine is given for a target which names none."""

_DESCRIPTION = "description.json"
_OVERFLOW = re.compile(r"section '\S+' will not fit in region '(\w+)': overflowed by (\d+) bytes")
_NO_STACK = "no room for a stack"


@dataclass(frozen=True)
class Compiled:
    """The program that runs samples, and the library for the user's own program."""

    elf: bytes
    library: bytes


def zig_cache() -> Path:
    """Where zig keeps what it makes once for each instruction set."""
    return default_cache_root() / "toolchains" / "zig"


def compile_program(
    program: Program,
    options: RiscvOptions,
    limits: Mapping[str, Fact],
    description: Mapping[str, Any],
) -> Compiled:
    """Compile a network with the program around it; `description` goes into the file as JSON.

    Raises:
        TargetCannotRun: it does not fit into the `limits` of a bare machine.
        ToolchainFailed: zig refuses the C, crashes or hangs.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompile-") as name:
        folder = Path(name)
        _write_sources(program, options, limits, description, folder)
        cache = zig_cache()
        cache.mkdir(parents=True, exist_ok=True)
        ended = run_isolated(
            run_zig,
            str(cache.resolve()),
            json.dumps(_commands(parse_isa(options.isa), options)),
            tool=TOOL,
            seconds=TIME_LIMIT_SECONDS,
            folder=folder,
        )
        if not ended.succeeded:
            raise _failure(ended, limits)
        return Compiled((folder / ELF).read_bytes(), (folder / LIBRARY).read_bytes())


def architecture_flags(isa: Isa) -> list[str]:
    """What gcc and clang take for the instruction set."""
    return [f"-march={isa.text}", f"-mabi={isa.abi}"]


LANGUAGE_FLAGS = ("-std=c99", "-O3", "-ffp-contract=off")
"""Without contraction: a fused multiply-add rounds once where the hub rounds twice."""


FREESTANDING_FLAGS = ("-ffreestanding", "-DTHREADS=1")
"""Without a C library there is one thread; it does the parts of an operator one after the other."""


def _write_sources(
    program: Program,
    options: RiscvOptions,
    limits: Mapping[str, Fact],
    description: Mapping[str, Any],
    folder: Path,
) -> None:
    for file, text in program.sources.items():
        (folder / file).write_text(text, encoding="utf-8")
    (folder / "platform.h").write_text(read("platform.h"), encoding="utf-8")
    (folder / "memory.c").write_text(read("memory.c"), encoding="utf-8")
    (folder / "platform.c").write_text(read(_platform(options)), encoding="utf-8")
    (folder / "runner.c").write_text(
        render("runner.c.j2", **buffers(program))
        # A section that is no part of the running program.
        + f'__asm__(".pushsection {SECTION}, \\"\\", @progbits\\n.incbin \\"{_DESCRIPTION}\\"\\n'
        '.popsection\\n");\n',
        encoding="utf-8",
    )
    (folder / _DESCRIPTION).write_text(json.dumps(description, sort_keys=True), encoding="utf-8")
    if options.environment == "bare-metal":
        sizes = {kind: _limit(limits, kind) for kind in ("flash", "ram")}
        (folder / "layout.ld").write_text(render("layout.ld.j2", **sizes), encoding="utf-8")


def _platform(options: RiscvOptions) -> str:
    return "bare_metal.c" if options.environment == "bare-metal" else "linux.c"


def _limit(limits: Mapping[str, Fact], kind: str) -> int:
    return int(limits[kind].value) if kind in limits else UNLIMITED


def _commands(isa: Isa, options: RiscvOptions) -> list[list[str]]:
    machine = [
        "-target",
        f"riscv{isa.xlen}-freestanding-none",
        f"-mcpu=generic_rv{isa.xlen}+{'+'.join(isa.extensions)}",
        "-mcmodel=medany",  # RAM of the emulated machine is above what medlow reaches
    ]
    common = [
        *machine,
        *LANGUAGE_FLAGS,
        *FREESTANDING_FLAGS,
        "-g0",
        "-fno-sanitize=undefined",
    ]
    link = ["cc", *common, "-fno-builtin", "-static", "-s", "-Wl,--gc-sections"]
    if options.environment == "bare-metal":
        link += ["-Wl,-T,layout.ld"]
    objects, arithmetic = ["model.o"], []
    if isa.double:  # the hardware has all that C needs
        link += ["-nostdlib"]
    elif isa.xlen == 64 and options.environment == "bare-metal":
        # zig's own copy of these functions is built for the lower 2 GiB, where a 32-bit program is.
        link += ["-nostdlib"]
        objects += ["arithmetic.o"]
        small = ["-O", "ReleaseSmall", "-ffunction-sections", "--name", "arithmetic"]
        arithmetic = [["build-obj", str(_zig_library() / "compiler_rt.zig"), *machine, *small]]
    return [
        ["cc", *common, "-ffunction-sections", "-c", "model.c", "-o", "model.o"],
        ["ar", "rcsD", LIBRARY, "model.o"],
        *arithmetic,
        [*link, "platform.c", "runner.c", "memory.c", *objects, "-o", ELF],
    ]


def _zig_library() -> Path:
    """The sources that zig brings, among them the arithmetic that a CPU without doubles lacks."""
    spec = find_spec("ziglang")
    assert spec is not None, "the backend's probe found it"
    assert spec.origin is not None
    return Path(spec.origin).parent / "lib"


def _failure(ended: Ended, limits: Mapping[str, Fact]) -> TargetCannotRun | ToolchainFailed:
    overflow = _OVERFLOW.search(ended.said)
    if overflow is not None:
        region, missing = overflow[1].lower(), int(overflow[2])
        name = {"flash": "flash", "ram": "RAM"}.get(region, region)
        return TargetCannotRun(
            f"the program needs {missing:,} bytes of {name} more than the "
            f"{_limit(limits, region):,} of the target",
            remedy="make the model smaller, or choose a larger device",
        )
    if _NO_STACK in ended.said:
        return TargetCannotRun(
            f"the program leaves no stack in the {_limit(limits, 'ram'):,} bytes of RAM of the "
            "target",
            remedy="make the model smaller, or choose a larger device",
        )
    return ended.failure()
