"""Many generated programs in one translation unit: run on this machine by ctypes, or made into one
program for an emulator."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecompile.backends.riscv.border import from_bytes, to_bytes
from edgecompile.backends.riscv.generator.kernels import all_parts, needed_parts
from edgecompile.backends.riscv.generator.source import HEAD
from edgecompile.backends.riscv.program import Border, Program
from edgecompile.graph.hub import Array

_BYTES = {"int8": 1, "int16": 2, "float32": 4}


def together(programs: Sequence[Program]) -> str:
    """The text of all programs as `p0_run`, `p1_run` ...; each kernel stands there once."""
    kernels = needed_parts(all_parts())
    used, bodies = set(), []
    for number, program in enumerate(programs):
        text = program.sources["model.c"].replace(HEAD, "")
        for part in kernels:
            if part.text in text:
                used.add(part.name)
                text = text.replace(part.text, "")
        text = re.sub(r"#if !defined\(MODEL_INTEGERS_ONLY\).*?#endif", "", text, flags=re.DOTALL)
        text = re.sub(r"\barena\b", f"arena{number}", text)
        text = re.sub(r"\b(\w+_data\d*)\b", rf"p{number}_\1", text)
        bodies.append(re.sub(r"\bmodel_run\b", f"p{number}_run", text))
    head = HEAD.replace('#include "model.h"\n', "")
    return "\n".join([head, *(p.text for p in kernels if p.name in used), *bodies])


def size_of(borders: Sequence[Border]) -> int:
    """Bytes of one sample's inputs or outputs."""
    return sum(int(np.prod(b.shape, dtype=int)) * _BYTES[b.element_type] for b in borders)


def compile_c(source: Path, options: Sequence[str] = ("-O1",)) -> ctypes.CDLL:
    """A C file as a loaded library. -w: strictness is a test of its own."""
    library = source.with_suffix(".so")
    command = ["gcc", "-std=c99", "-w", *options, "-shared", "-fPIC", source, "-o", library]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    return ctypes.CDLL(str(library))


class Hosted:
    """Programs by name, compiled for this machine."""

    def __init__(
        self, programs: Mapping[str, Program], folder: Path, options: Sequence[str] = ("-O1",)
    ) -> None:
        self.programs = dict(programs)
        source = folder / "together.c"
        source.write_text(together(list(self.programs.values())))
        self.library = compile_c(source, options)

    def run(self, name: str, samples: Array) -> list[Array]:
        """Real outputs in the model's own layout, for real samples of the one input."""
        program = self.programs[name]
        number = list(self.programs).index(name)
        return run_function(getattr(self.library, f"p{number}_run"), program, samples)


def run_function(
    function: ctypes._NamedFuncPointer, program: Program, samples: Array
) -> list[Array]:
    """Call a compiled `model_run` for each sample."""
    (border,) = program.inputs
    content = b""
    for sample in samples:
        stored = ctypes.create_string_buffer(to_bytes(border, sample[None]))
        outputs = [ctypes.create_string_buffer(size_of([one])) for one in program.outputs]
        assert function(stored, *outputs) == 0
        content += b"".join(bytes(one) for one in outputs)
    return from_bytes(program.outputs, content, len(samples))


class Combined:
    """One program that runs one sample of many programs after the other."""

    def __init__(self, programs: Mapping[str, Program]) -> None:
        self.programs = dict(programs)
        calls, sizes_in, sizes_out = [], 0, 0
        for number, program in enumerate(self.programs.values()):
            outputs, at = [], sizes_out
            for border in program.outputs:
                outputs.append(f"(void *)(out + {at})")
                at += _rounded(size_of([border]))
            arguments = ", ".join([f"(const void *)(in + {sizes_in})", *outputs])
            calls.append(f"    p{number}_run({arguments});")
            sizes_in += _rounded(size_of(program.inputs))
            sizes_out = at
        body = "\n".join(["int model_run(const int8_t *in, int8_t *out)", "{", *calls])
        source = together(list(self.programs.values()))
        self.program = Program(
            {
                "model.c": f"{source}\n{body}\n    return 0;\n}}\n",
                "model.h": "#include <stdint.h>\nint model_run(const int8_t *in, int8_t *out);\n",
            },
            (Border("in", "int8", (sizes_in,), (), 1.0, 0),),
            (Border("out", "int8", (sizes_out,), (), 1.0, 0),),
            sum(program.arena for program in self.programs.values()),
            (),
            (),
            0,
        )

    def sample(self, samples: Mapping[str, Array]) -> Array:
        """One sample of each program, (*shape), as the one of the combined program."""
        parts = [
            to_bytes(program.inputs[0], samples[name][None])
            for name, program in self.programs.items()
        ]
        content = b"".join(part.ljust(_rounded(len(part)), b"\0") for part in parts)
        return np.frombuffer(content, np.int8).astype(np.float32)

    def outputs(self, combined: Array) -> dict[str, list[Array]]:
        """The real outputs of each program out of the combined one's."""
        content = combined.astype(np.int8).tobytes()
        found, at = {}, 0
        for name, program in self.programs.items():
            found[name] = []
            for border in program.outputs:
                size = size_of([border])
                found[name] += from_bytes([border], content[at : at + size], 1)
                at += _rounded(size)
        return found


def _rounded(size: int) -> int:
    return -(-size // 16) * 16
