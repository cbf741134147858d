"""Generated programs compiled for this machine: many in one translation unit, run by ctypes."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecompile.backends.riscv.generator.kernels import all_parts, needed_parts
from edgecompile.backends.riscv.generator.source import HEAD
from edgecompile.backends.riscv.program import Border, Program
from edgecompile.graph.hub import Array

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")


def compile_many(
    programs: Mapping[str, Program], folder: Path, options: Sequence[str] = ("-O1",)
) -> Hosted:
    """Kernels are compiled once for all: whatever else a program has gets a name of its own."""
    kernels = needed_parts(all_parts())
    used, bodies = set(), []
    for number, program in enumerate(programs.values()):
        text = program.sources["model.c"].replace(HEAD, "")
        for part in kernels:
            if part.text in text:
                used.add(part.name)
                text = text.replace(part.text, "")
        bodies.append(_renamed(text, number))
    head = "#include <stddef.h>\n#include <stdint.h>\n"
    source = head + "\n".join([p.text for p in kernels if p.name in used] + bodies)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "many.c").write_text(source)
    return _load(programs, folder, folder / "many.c", options)


def _renamed(text: str, number: int) -> str:
    text = re.sub(r"\barena\b", f"arena{number}", text)
    text = re.sub(r"\b(\w+_data\d*)\b", rf"p{number}_\1", text)
    return re.sub(r"\bmodel_run(_float)?\b", rf"p{number}_run\1", text)


def _load(
    programs: Mapping[str, Program], folder: Path, source: Path, options: Sequence[str]
) -> Hosted:
    library = folder / "many.so"
    command = ["gcc", "-std=c99", "-w", *options, "-shared", "-fPIC", source, "-o", library]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    return Hosted(dict(programs), ctypes.CDLL(str(library)))


class Hosted:
    """Programs by name, in one shared library."""

    def __init__(self, programs: dict[str, Program], library: ctypes.CDLL) -> None:
        self.programs, self.library = programs, library
        self.numbers = {name: number for number, name in enumerate(programs)}

    def run(self, name: str, samples: Array) -> list[Array]:
        """Real outputs in the model's own layout, for real samples of the one input."""
        program = self.programs[name]
        borders = (*program.inputs, *program.outputs)
        suffix = "_float" if any(border.scale is not None for border in borders) else ""
        function = getattr(self.library, f"p{self.numbers[name]}_run{suffix}")
        (border,) = program.inputs
        results = []
        for sample in samples:
            stored = np.ascontiguousarray(stored_sample(sample, border), np.float32)
            outputs = [np.full(one.shape, np.nan, np.float32) for one in program.outputs]
            assert function(*(_address(one) for one in (stored, *outputs))) == 0
            pairs = zip(outputs, program.outputs, strict=True)
            results.append([own_layout(output, one) for output, one in pairs])
        return [np.stack(column) for column in zip(*results, strict=True)]


def _address(array: Array) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def stored_sample(sample: Array, border: Border) -> Array:
    """A sample in the layout that C sees."""
    return sample.transpose(border.transpose) if border.transpose else sample


def own_layout(output: Array, border: Border) -> Array:
    """An output in the model's own layout."""
    return output.transpose(np.argsort(border.transpose)) if border.transpose else output
