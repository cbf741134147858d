"""Every operator of the table computes in C what ONNX Runtime computes from the same hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.backends.riscv.artifact import write_artifact
from edgecompile.backends.riscv.emulator import execute
from edgecompile.backends.riscv.generator.check import check_operators
from edgecompile.backends.riscv.generator.generate import generate
from edgecompile.backends.riscv.generator.operators.table import OPERATORS
from edgecompile.backends.riscv.isa import parse_isa
from edgecompile.backends.riscv.program import Program
from edgecompile.compress.scheme import QuantScheme
from edgecompile.conformance.cases import CASES, FIRST
from edgecompile.conformance.cases.case import Case
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import Array, serialize
from edgecompile.graph.qdq import WIDE_OPERATORS, output_scales
from tests.backends.riscv import hand_made
from tests.backends.riscv.hosted import Combined, Hosted
from tests.backends.riscv.operator_cases import BY_NAME, EMULATED, samples_of
from tests.formats.tflite.compare import relative_error
from tests.hubs import quickly_quantized

EXACT = 2e-6
"""Of the largest output: float sums in another order."""

LAYOUTS = {"rv64gcv": "float int8", "rv64gc": "int8", "rv32imac": "int8"}
"""Instruction sets with kernels of their own, and what they have them for."""


def programs(hubs: Mapping[str, ir.Model], isa: str) -> dict[str, Program]:
    kinds = LAYOUTS[isa].split()
    chosen = {name: hub for name, hub in hubs.items() if name.split()[0] in kinds}
    return {name: generate(hub, parse_isa(isa)) for name, hub in chosen.items()}


@pytest.fixture(scope="module")
def hosted(hubs, tmp_path_factory) -> Mapping[str, Hosted]:
    """All cases compiled for this machine, once for each layout of weights."""
    return {isa: Hosted(programs(hubs, isa), tmp_path_factory.mktemp(isa)) for isa in LAYOUTS}


def require_equal(name: str, hub: ir.Model, samples: Array, found: list[Array]) -> None:
    """To rounding for floats, within the case's LSB for integers."""
    case = BY_NAME[name]
    expected = run_onnx(serialize(hub), samples)
    for one, other, scale in zip(expected, found, output_scales(hub), strict=True):
        assert one.shape == other.shape
        largest = float(np.abs(one).max())
        allowed = EXACT * largest if scale is None else (case.lsb + 0.01) * scale
        assert np.abs(one - other).max() <= allowed


def test_every_operator_of_the_table_has_a_case():
    assert {case.op for case in CASES} == set(OPERATORS)


def test_every_case_is_written(hubs):
    assert [name for name, hub in hubs.items() if check_operators(hub)] == []


@pytest.mark.parametrize("name", BY_NAME)
def test_programs_compute_what_the_hub_says(name, hubs, hosted):
    samples = samples_of(BY_NAME[name])
    for isa, kinds in LAYOUTS.items():
        if name.split()[0] in kinds:
            require_equal(name, hubs[name], samples, hosted[isa].run(name, samples))


WIDE = 5e-5
"""Of the largest output: one or two of 16 bits' steps."""


def test_operators_on_16_bits_compute_what_the_hub_says(tmp_path):
    hubs = {
        str(case): quickly_quantized(
            case.hub(), samples_of(case), QuantScheme("affine", activation_bits=16)
        )
        for case in EMULATED
        if case.op in WIDE_OPERATORS
    }
    isa = parse_isa("rv64gc")
    wide = Hosted({name: generate(hub, isa) for name, hub in hubs.items()}, tmp_path)
    for case in (case for case in EMULATED if str(case) in hubs):
        samples = samples_of(case)
        expected = run_onnx(serialize(hubs[str(case)]), samples)
        assert relative_error(expected, wide.run(str(case), samples)) < WIDE, case


def emulated(
    hubs: Mapping[str, ir.Model], cases: list[Case], isa: str, environment: str, folder: Path
) -> Combined:
    """The program of many cases, compiled for a core."""
    names = {f"{kind} {case}" for case in cases for kind in ("float", "int8")}
    combined = Combined({n: p for n, p in programs(hubs, isa).items() if n in names})
    write_artifact(combined.program, hand_made.target(isa, environment), folder)
    return combined


def require_equal_on(hubs, combined: Combined, folder: Path, vlen: int | None) -> None:
    samples = {name: samples_of(BY_NAME[name])[0] for name in combined.programs}
    done = execute(folder / "model.elf", combined.sample(samples)[None], vlen=vlen)
    found = combined.outputs(done.outputs[0][0])
    for name in combined.programs:
        require_equal(name, hubs[name], samples[name][None], found[name])


@pytest.mark.usefixtures("toolchain")
def test_vectors_of_every_length_compute_the_same(hubs, tmp_path):
    combined = emulated(hubs, EMULATED, "rv64gcv", "linux", tmp_path)
    for vlen in (128, 256, 512, 1024):
        require_equal_on(hubs, combined, tmp_path, vlen)


@pytest.mark.full
@pytest.mark.usefixtures("toolchain")
def test_a_core_of_32_bits_without_floats_computes_the_same(hubs, tmp_path):
    combined = emulated(hubs, FIRST, "rv32imac", "bare-metal", tmp_path)
    require_equal_on(hubs, combined, tmp_path, None)
