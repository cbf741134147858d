"""A plan as the text of `model.c` and `model.h`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecompile.backends.riscv.generator.arena import ALIGNMENT, Arena
from edgecompile.backends.riscv.generator.kernels import needed_parts
from edgecompile.backends.riscv.generator.storage import Pointer, Step, Storage
from edgecompile.backends.riscv.generator.text import c_type, comment, literals, real
from edgecompile.backends.riscv.program import Border
from edgecompile.graph.hub import Array

_TYPES = {"int8": "int8_t", "int16": "int16_t", "float32": "float"}


def model_source(
    steps: Sequence[Step],
    constants: Mapping[Storage, Array],
    arena: Arena,
    borders: Borders,
    threads: int = 1,
) -> str:
    """The text of `model.c`."""
    kernels = [step.kernel for step in steps]
    split = [step for step in steps if step.parts]
    if split:
        kernels.append("team")
    if borders.quantized:
        kernels += borders.conversions()
    parts = [
        *([_POSIX] if split else []),
        HEAD,
        *([f"#define PARTS {threads}\n"] if split else []),
        *(part.text for part in needed_parts(kernels)),
        *(_constant(storage, data) for storage, data in constants.items()),
    ]
    if arena.bytes:
        parts.append(f"static int8_t arena[{arena.bytes}] {_ALIGNED};\n")
    if split:
        parts.append(_split_steps(split, arena, borders))
    parts.append(_run(steps, arena, borders))
    if borders.quantized:
        parts.append(borders.float_function())
    return "\n".join(parts)


_ALIGNED = f"__attribute__((aligned({ALIGNMENT})))"

HEAD = """\
/* Written by edgecompile. C99; needs no library, no heap, no operating system. */
#include "model.h"

#include <stddef.h>
#include <stdint.h>
#if defined(__riscv_vector)
#include <riscv_vector.h>
#endif
"""


_POSIX = "#define _POSIX_C_SOURCE 200809L\n"


def _constant(storage: Storage, data: Array) -> str:
    kind = c_type(data.dtype)
    return (
        f"static const {kind} {storage.name}[{data.size}] {_ALIGNED} = {{\n"
        f"    {literals(data)}}};\n"
    )


def _run(steps: Sequence[Step], arena: Arena, borders: Borders) -> str:
    lines = [f"int model_run({borders.signature()})", "{"]
    split = [step for step in steps if step.parts]
    if split:
        lines += [f"    shared_{name} = {name};" for name in borders.names]
    origin = ""
    for step in steps:
        if step.origin != origin:
            origin = step.origin
            lines.append(f"    /* {comment(origin)} */")
        if step.parts:
            lines.append(f"    share(split{split.index(step)});")
            continue
        indent = "    "
        for depth, count in enumerate(step.loops):
            lines.append(f"{indent}for (int32_t i{depth} = 0; i{depth} < {count}; i{depth}++)")
            indent += "    "
        arguments = [
            one if isinstance(one, str) else _pointer(one, arena) for one in step.arguments
        ]
        lines.append(f"{indent}{step.kernel}({', '.join(arguments)});")
    return "\n".join([*lines, "    return 0;", "}", ""])


def _split_steps(split: Sequence[Step], arena: Arena, borders: Borders) -> str:
    """A function for each step that cores share, and where they find the caller's buffers."""
    lines = [f"static {word.replace('*', '*shared_')};" for word in borders.declarations()]
    for number, step in enumerate(split):
        lines += ["", f"static void split{number}(int32_t part)", "{"]
        for index, part in enumerate(step.parts):
            listed = [one if isinstance(one, str) else _pointer(one, arena, "shared_")
                      for one in part]  # fmt: skip
            lines.append(f"    if (part == {index})")
            lines.append(f"        {step.kernel}({', '.join(listed)});")
        lines.append("}")
    return "\n".join([*lines, ""])


def _pointer(pointer: Pointer, arena: Arena, border: str = "") -> str:
    """The C of an argument; `border` stands before the names of the caller's buffers."""
    loops = [f" + i{depth} * {step}" for depth, step in enumerate(pointer.steps) if step]
    storage = pointer.storage
    if storage.place != "arena":
        start = f" + {pointer.offset}" if pointer.offset else ""
        prefix = "" if storage.place == "constant" else border
        return f"{prefix}{storage.name}{start}{''.join(loops)}"
    const = "" if pointer.writes else "const "
    start = f"arena + {arena.offsets[storage]}"
    start = f"({const}{pointer.type} *)({start})"
    if pointer.type != "int8_t":
        start = f"({const}{pointer.type} *)(void *)(arena + {arena.offsets[storage]})"
    behind = f" + {pointer.offset}" if pointer.offset else ""
    return f"{start}{behind}{''.join(loops)}"


class Borders:
    """The inputs and outputs as C declares them."""

    def __init__(self, inputs: Sequence[Border], outputs: Sequence[Border]) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.names = [*names_of("in", len(inputs)), *names_of("out", len(outputs))]

    @property
    def quantized(self) -> bool:
        """Is any of them of integers?"""
        return any(one.scale is not None for one in (*self.inputs, *self.outputs))

    def signature(self, *, real_numbers: bool = False) -> str:
        """The parameters of `model_run`, or of `model_run_float`."""
        return ", ".join(self.declarations(real_numbers=real_numbers))

    def declarations(self, *, real_numbers: bool = False) -> list[str]:
        """Each input and output as C declares it."""
        words = []
        for number, border in enumerate((*self.inputs, *self.outputs)):
            const = "const " if number < len(self.inputs) else ""
            kind = "float" if real_numbers else _TYPES[border.element_type]
            words.append(f"{const}{kind} *{self.names[number]}")
        return words

    def conversions(self) -> list[str]:
        """The kernels that the float function calls."""
        return [
            *(f"quantize_s{_bits(one)}" for one in self.inputs if one.scale is not None),
            *(f"dequantize_s{_bits(one)}" for one in self.outputs if one.scale is not None),
        ]

    def float_function(self) -> str:
        """The text of `model_run_float`: it has integers of its own for the borders."""
        before, after, arguments, buffers = [], [], [], []
        for number, border in enumerate((*self.inputs, *self.outputs)):
            name = self.names[number]
            if border.scale is None:
                arguments.append(name)
                continue
            size, bits = elements(border), _bits(border)
            buffers.append(f"    static {_TYPES[border.element_type]} {name}_integers[{size}];")
            rest = f"{size}, {real(border.scale)}, {border.zero_point});"
            arguments.append(f"{name}_integers")
            if number < len(self.inputs):
                before.append(f"    quantize_s{bits}({name}, {name}_integers, {rest}")
            else:
                after.append(f"    dequantize_s{bits}({name}_integers, {name}, {rest}")
        return "\n".join(
            [
                "#if !defined(MODEL_INTEGERS_ONLY)",
                f"int model_run_float({self.signature(real_numbers=True)})",
                "{",
                *buffers,
                *before,
                f"    const int status = model_run({', '.join(arguments)});",
                *after,
                "    return status;",
                "}",
                "#endif",
                "",
            ]
        )

    def header(self, arena_bytes: int) -> str:
        """The text of `model.h`."""
        lines = [_USAGE]
        count = len(self.inputs)
        for number, border in enumerate((*self.inputs, *self.outputs)):
            side = "INPUT" if number < count else "OUTPUT"
            several = count if number < count else len(self.outputs)
            position = number if number < count else number - count
            suffix = str(position) if several > 1 else ""
            each = {"int8": 1, "int16": 2, "float32": 4}[border.element_type]
            shape = " x ".join(str(size) for size in border.shape) or "1"
            lines.append(f"/* {comment(border.name)}: {shape} of {border.element_type} */")
            lines.append(f"#define MODEL_{side}{suffix}_BYTES {elements(border) * each}")
            lines.append(f"#define MODEL_{side}{suffix}_ELEMENTS {elements(border)}")
            if border.scale is not None:
                lines.append(f"#define MODEL_{side}{suffix}_SCALE {real(border.scale)}")
                lines.append(f"#define MODEL_{side}{suffix}_ZERO_POINT ({border.zero_point})")
        lines += [
            "/* Static working memory inside of model.c. */",
            f"#define MODEL_ARENA_BYTES {arena_bytes}",
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            f"int model_run({self.signature()});",
        ]
        if self.quantized:
            lines += [
                "#if !defined(MODEL_INTEGERS_ONLY)",
                f"int model_run_float({self.signature(real_numbers=True)});",
                "#endif",
            ]
        lines += ["", "#ifdef __cplusplus", "}", "#endif", "", "#endif", ""]
        return "\n".join(lines)


_USAGE = """\
/* Written by edgecompile.

   One inference: model_run(inputs ..., outputs ...) reads and writes the caller's buffers, images
   channels last, and returns 0. real = scale * (integer - zero point). model_run_float takes and
   gives floats instead, with static buffers of its own: -DMODEL_INTEGERS_ONLY leaves it out.
   Not reentrant: the working memory is static. */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>
"""


def names_of(stem: str, count: int) -> list[str]:
    """The C names of the inputs or outputs."""
    return [stem] if count == 1 else [f"{stem}{number}" for number in range(count)]


def elements(border: Border) -> int:
    """How many numbers a border has."""
    result = 1
    for size in border.shape:
        result *= size
    return result


def _bits(border: Border) -> int:
    return 8 if border.element_type == "int8" else 16
