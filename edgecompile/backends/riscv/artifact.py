"""The folder of an artifact: C, the library and the program made of it, and files that build it."""

from __future__ import annotations

from pathlib import Path

from edgecompile.backends.protocol import Inspection
from edgecompile.backends.riscv.compiler import (
    ELF,
    LANGUAGE_FLAGS,
    LIBRARY,
    architecture_flags,
    compile_program,
)
from edgecompile.backends.riscv.describe import borders, describe, tensor_facts
from edgecompile.backends.riscv.elf import read_elf
from edgecompile.backends.riscv.harness import buffers, render
from edgecompile.backends.riscv.isa import parse_isa
from edgecompile.backends.riscv.memory import require_room
from edgecompile.backends.riscv.options import RiscvOptions
from edgecompile.backends.riscv.program import Program
from edgecompile.findings import Finding
from edgecompile.recipe.target import Target

_TEMPLATES = {
    "example_main.c": "example_main.c.j2",
    "Makefile": "Makefile.j2",
    "CMakeLists.txt": "CMakeLists.txt.j2",
}


def write_artifact(program: Program, target: Target, folder: Path) -> None:
    """Compile `program` and write all files.

    Raises:
        TargetCannotRun: it does not fit into the target's memory.
        ToolchainFailed: zig refuses the C, crashes or hangs.
    """
    options = RiscvOptions.model_validate(target.options)
    require_room(program, target)
    compiled = compile_program(program, options, target.limits, describe(program, options))
    (folder / ELF).write_bytes(compiled.elf)
    (folder / LIBRARY).write_bytes(compiled.library)
    for file, text in program.sources.items():
        (folder / file).write_text(text, encoding="utf-8")
    values = {
        "flags": LANGUAGE_FLAGS,
        "threaded": "pthread" in program.sources["model.c"],
        "architecture": architecture_flags(parse_isa(options.isa)),
        "compiler": f"riscv{parse_isa(options.isa).xlen}-"
        + ("linux-gnu-gcc" if options.environment == "linux" else "unknown-elf-gcc"),
        "sources": sorted(file for file in program.sources if file.endswith(".c")),
        **buffers(program),
    }
    for file, template in _TEMPLATES.items():
        (folder / file).write_text(render(template, **values), encoding="utf-8")


def one_thread_here(threads: int) -> Finding:
    """What was executed of a program for several cores."""
    return Finding(
        "note",
        "riscv-threads",
        f"model.c splits its work between {threads} threads; model.elf and libmodel.a, which need "
        "no C library, do the same parts with one, and that is what was executed",
        remedy="build model.c with your own compiler: the Makefile links its threads",
    )


def inspect_artifact(artifact: Path) -> Inspection:
    """What a `model.elf` says of itself.

    Raises:
        UserError: it is no such program.
    """
    elf = read_elf(artifact)
    return Inspection(
        f"ELF for {elf.description['isa']}, {elf.description['environment']}",
        elf.flash,
        elf.description["constants"],
        tuple(tensor_facts(border) for border in borders(elf.description, "inputs")),
        tuple(tensor_facts(border) for border in borders(elf.description, "outputs")),
        (),
    )
