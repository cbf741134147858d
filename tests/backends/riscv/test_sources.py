"""The C itself: strict compilers and sanitizers find nothing in it, and it is always the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edgecompile.backends.riscv.compiler import zig_cache
from edgecompile.backends.riscv.generator.generate import generate
from edgecompile.backends.riscv.isa import parse_isa
from edgecompile.backends.riscv.program import Program
from tests.backends.riscv.hosted import Combined, together
from tests.backends.riscv.operator_cases import FIRST, samples_of

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]

SANITIZED = ["-std=c99", "-w", "-O0", "-fsanitize=address,undefined",
             "-fno-sanitize-recover=all"]  # fmt: skip

MAIN = """
#include <stdio.h>
static int8_t inputs[IN] __attribute__((aligned(16))), outputs[OUT] __attribute__((aligned(16)));
int main(void)
{
    if (fread(inputs, 1, IN, stdin) != IN) return 1;
    return model_run(inputs, outputs) || fwrite(outputs, 1, OUT, stdout) != OUT;
}
"""


@pytest.fixture(scope="module")
def programs(hubs) -> Mapping[str, dict[str, Program]]:
    """By instruction set, the programs of a float and an int8 hub of each operator."""
    names = [f"{kind} {case}" for kind in ("float", "int8") for case in FIRST]
    return {
        isa: {name: generate(hubs[name], parse_isa(isa)) for name in names}
        for isa in ("rv64gcv", "rv64gc", "rv32imac")
    }


def write_together(made: list[Program], file: Path) -> None:
    """All programs as one file, each declared as its header declares it."""
    declared = "".join(
        declaration.replace("model_run", f"p{number}_run")
        for number, program in enumerate(made)
        for declaration in re.findall(r"^int model_run\(.*\);\n", program.sources["model.h"], re.M)
    )
    text = together(made)
    first = text.index("#endif\n") + len("#endif\n")
    file.write_text(text[:first] + declared + text[first:])


def require_silence(words: list[object], **environment: str) -> None:
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr[:2000]) == (0, "")


def test_gcc_has_nothing_to_say(programs, tmp_path):
    for isa, made in programs.items():
        write_together(list(made.values()), tmp_path / f"{isa}.c")
        require_silence(["gcc", *STRICT, "-fsyntax-only", tmp_path / f"{isa}.c"])


@pytest.mark.usefixtures("toolchain")
def test_clang_has_nothing_to_say(programs, tmp_path):
    cache = str(zig_cache())
    machine = ["-target", "riscv64-freestanding-none", "-mcpu=generic_rv64+m+a+f+d+c+v", "-O0",
               "-ffreestanding"]  # fmt: skip
    # The kernels for cores without vectors are compiled for one that has them, too.
    both = tmp_path / "both.c"
    programs_of_both = [*programs["rv64gcv"].values(), *programs["rv64gc"].values()]
    write_together(programs_of_both, both)
    require_silence(
        [sys.executable, "-m", "ziglang", "cc", *machine, *STRICT, "-c", both, "-o", "model.o"],
        ZIG_GLOBAL_CACHE_DIR=cache,
        ZIG_LOCAL_CACHE_DIR=cache,
    )


_FUNCTION = re.compile(
    r"^(?:__attribute__\(\(__noinline__\)\) )?static (?:inline )?[\w ]+?[ *]+(\w+)\(", re.MULTILINE
)


def test_no_program_has_a_function_that_it_does_not_call(programs):
    for name, program in [item for made in programs.values() for item in made.items()]:
        text = program.sources["model.c"]
        for function in _FUNCTION.findall(text):
            excused = re.search(rf"__unused__.*\n.*\b{function}\(", text)
            assert excused or len(re.findall(rf"\b{function}\(", text)) > 1, (name, function)


def test_sanitizers_find_nothing(programs, tmp_path):
    sanitize(programs["rv64gc"], tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("isa", ["rv64gcv", "rv32imac"])
def test_sanitizers_find_nothing_in_other_layouts(programs, tmp_path, isa):
    sanitize(programs[isa], tmp_path)


def sanitize(made: Mapping[str, Program], folder: Path) -> None:
    """Run one sample of each program under ASan and UBSan."""
    combined = Combined(made)
    sizes = [combined.program.inputs[0].shape[0], combined.program.outputs[0].shape[0]]
    source, binary = folder / "model.c", folder / "model"
    (folder / "model.h").write_text(combined.program.sources["model.h"])
    source.write_text(combined.program.sources["model.c"] + MAIN)
    require_silence(
        ["gcc", *SANITIZED, f"-DIN={sizes[0]}", f"-DOUT={sizes[1]}", source, "-o", binary]
    )
    cases = {str(case): case for case in FIRST}
    samples = {name: samples_of(cases[name.split(" ", 1)[1]])[0] for name in made}
    content = combined.sample(samples).astype(np.int8).tobytes()
    done = subprocess.run([binary], input=content, capture_output=True, check=False)
    assert (done.returncode, done.stderr[:2000]) == (0, b"")
    assert len(done.stdout) == sizes[1]


def test_the_same_hub_gives_the_same_text():
    hub = FIRST[0].hub()
    texts = [generate(hub, parse_isa("rv64gcv")).sources for _ in range(2)]
    assert texts[0] == texts[1]
