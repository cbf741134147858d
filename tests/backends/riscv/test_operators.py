"""Every operator of the table computes in C what ONNX Runtime computes from the same hub."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.backends.riscv.generator.check import check_operators
from edgecompile.backends.riscv.generator.generate import generate
from edgecompile.backends.riscv.generator.operators.table import OPERATORS
from edgecompile.backends.riscv.isa import parse_isa
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import Array, serialize
from edgecompile.graph.qdq import output_scales
from tests.backends.riscv.hosted import Hosted, compile_many
from tests.formats.tflite.cases import CASES
from tests.formats.tflite.cases.case import Case
from tests.hubs import quickly_quantized, samples_for

EXACT = 2e-6
"""Of the largest output: float sums in another order."""

ISAS = ("rv64gcv", "rv64gc", "rv32imac")

MORE = [
    Case("Erf", "alone", "float[1,4,6] x", "y = Erf(x)", spread=2.0),
    Case("Reciprocal", "alone", "float[1,4,6] x", "y = Reciprocal(x)", positive=True),
    Case("Softplus", "alone", "float[1,4,6] x", "y = Softplus(x)", spread=3.0),
]
"""What TFLite has not."""

ALL = [*CASES, *MORE]


def samples_of(case: Case) -> Array:
    return samples_for(case.hub(), 4, spread=case.spread, positive=case.positive)


@pytest.fixture(scope="module")
def hubs() -> Mapping[str, ir.Model]:
    """The float and the int8 hub of each case."""
    made = {}
    for case in ALL:
        hub = case.hub()
        made[f"float {case}"] = hub
        made[f"int8 {case}"] = quickly_quantized(hub, samples_of(case))
    return made


@pytest.fixture(scope="module")
def hosted(hubs, tmp_path_factory) -> Mapping[str, Hosted]:
    """All cases compiled, by instruction set: the layouts of weights and the kernels differ."""
    found = {}
    for isa in ISAS:
        programs = {name: generate(hub, parse_isa(isa)) for name, hub in hubs.items()}
        found[isa] = compile_many(programs, tmp_path_factory.mktemp(isa))
    return found


def test_every_operator_of_the_table_has_a_case():
    assert {case.op for case in ALL} == set(OPERATORS)


def test_all_of_tflites_cases_are_written(hubs):
    assert [name for name, hub in hubs.items() if check_operators(hub)] == []


@pytest.mark.parametrize("case", ALL, ids=str)
def test_float_programs_equal_onnx_runtime(case, hubs, hosted):
    samples, name = samples_of(case), f"float {case}"
    expected = run_onnx(serialize(hubs[name]), samples)
    for isa in ISAS:
        for one, other in zip(expected, hosted[isa].run(name, samples), strict=True):
            assert one.shape == other.shape
            assert np.abs(one - other).max() <= EXACT * np.abs(one).max()


@pytest.mark.parametrize("case", ALL, ids=str)
def test_int8_programs_round_like_the_hub(case, hubs, hosted):
    samples, name = samples_of(case), f"int8 {case}"
    hub = hubs[name]
    expected = run_onnx(serialize(hub), samples)
    for isa in ISAS:
        for one, other, scale in zip(
            expected, hosted[isa].run(name, samples), output_scales(hub), strict=True
        ):
            assert one.shape == other.shape
            assert scale is not None
            assert np.abs(one - other).max() <= (case.lsb + 0.01) * scale
