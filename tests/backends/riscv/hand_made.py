"""A network of one matrix, written by hand: what the compiler and the emulators are tried with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecompile.backends.riscv.artifact import write_artifact
from edgecompile.backends.riscv.options import RiscvOptions
from edgecompile.backends.riscv.program import Block, Border, Program
from edgecompile.recipe.target import Target

WEIGHT = np.array(
    [[1, 2, 3, 4, 5, 6, 7, 8], [-1, 1, -1, 1, -1, 1, -1, 1], [3, 0, 0, 0, 0, 0, 0, 9]]
)

HEADER = """\
#ifndef MODEL_H
#define MODEL_H
#include <stdint.h>
int model_run(const int8_t *in, int8_t *out);
#endif
"""

BODY = """\
    for (int o = 0; o < 3; o++) {
        int32_t sum = 0;
        for (int i = 0; i < 8; i++) sum += in[i] * weight[o][i];
        const float moved = (float)sum * 0.0625f + 12582912.0f;
        const int32_t rounded = (int32_t)(moved - 12582912.0f);
        out[o] = (int8_t)(rounded > 127 ? 127 : rounded < -128 ? -128 : rounded);
    }
    return 0;
"""


def program(body: str = BODY) -> Program:
    """Input (2 channels, 2 rows, 2 columns), channels last in C; three outputs."""
    rows = ", ".join("{" + ", ".join(map(str, row)) + "}" for row in WEIGHT)
    source = (
        f'#include "model.h"\n\nstatic const int8_t weight[3][8] = {{{rows}}};\n\n'
        f"int model_run(const int8_t *in, int8_t *out) {{\n{body}}}\n"
    )
    return Program(
        {"model.c": source, "model.h": HEADER},
        (Border("x", "int8", (2, 2, 2), (1, 2, 0), 0.5, 3),),
        (Border("y", "int8", (3,), (), 0.25, -1),),
        64,
        (Block("x", 8), Block("y", 3)),
        (Block("weight", 24),),
        24,
    )


def expected(samples: np.ndarray) -> np.ndarray:
    """What the program must give for float samples (n, 2, 2, 2)."""
    steps = np.clip(np.rint(samples.transpose(0, 2, 3, 1) / np.float32(0.5)) + 3, -128, 127)
    sums = steps.reshape(len(samples), 8) @ WEIGHT.T
    outputs = np.clip(np.rint(sums.astype(np.float32) * np.float32(0.0625)), -128, 127)
    return (outputs + 1).astype(np.float32) * np.float32(0.25)


def samples(count: int) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 20, (count, 2, 2, 2)).astype(np.float32)


def target(isa: str, environment: str = "linux", threads: int = 1, **limits: int) -> Target:
    return Target(
        name="device",
        title="a device",
        backend="riscv",
        precisions=["int8"],
        options=RiscvOptions(isa=isa, environment=environment, threads=threads).model_dump(),
        limits={k: {"value": v, "unit": "bytes", "source": "test"} for k, v in limits.items()},
    )


def build(folder: Path, isa: str, environment: str = "linux", body: str = BODY, **limits: int):
    """The artifact's folder; returns its `model.elf`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_artifact(program(body), target(isa, environment, **limits), folder)
    return folder / "model.elf"
