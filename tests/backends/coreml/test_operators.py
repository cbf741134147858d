"""Every operator of the table computes, as a saved package, what ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edgecompile.backends.coreml.check import check_hub
from edgecompile.backends.coreml.interpreter.run import run_program, unsupported
from edgecompile.backends.coreml.interpreter.table import OPERATORS as COMPUTED
from edgecompile.backends.coreml.operators import OPERATORS
from edgecompile.backends.coreml.options import CoreMLOptions
from edgecompile.backends.coreml.program import read_program
from edgecompile.compress.scheme import QuantScheme
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from edgecompile.recipe.target import Target
from tests.backends.coreml.many import Order, convert_many
from tests.formats.tflite.cases import CASES
from tests.formats.tflite.cases.case import Case
from tests.hubs import quickly_quantized, samples_for

EXACT = 1e-5
"""ONNX Runtime sums in float32, the interpreter in float64."""

TARGET = Target(name="phone", title="a phone", backend="coreml", precisions=["fp32"])

MORE = [
    Case("Erf", "alone", "float[1,4,6] x", "y = Erf(x)"),
    Case("Reciprocal", "alone", "float[1,4,6] x", "y = Reciprocal(x)", positive=True),
    Case("Softplus", "alone", "float[1,4,6] x", "y = Softplus(x)"),
]
"""What TFLite has not."""


def is_written(case: Case) -> bool:
    findings = check_hub(case.hub(), CoreMLOptions(), TARGET, "fp32")
    return all(finding.level != "error" for finding in findings)


WRITTEN = [case for case in [*CASES, *MORE] if is_written(case)]
INTEGER = [case for case in WRITTEN if case not in MORE]


def samples_of(case: Case):
    return samples_for(case.hub(), spread=case.spread, positive=case.positive)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    orders = {f"float {case}": Order(case.hub()) for case in WRITTEN}
    for case in INTEGER:
        hub = quickly_quantized(case.hub(), samples_of(case), QuantScheme("symmetric"))
        orders[f"int8 {case}"] = Order(hub)
    return convert_many(orders, tmp_path_factory.mktemp("packages"))


def test_every_operator_of_the_table_has_a_case():
    assert {case.op for case in WRITTEN} == set(OPERATORS)


def test_few_of_tflites_cases_are_not_written():
    assert len(WRITTEN) > 0.9 * (len(CASES) + len(MORE))


@pytest.mark.parametrize("case", WRITTEN, ids=str)
def test_float_packages_equal_onnx_runtime(case, packages):
    samples = samples_of(case)
    program = read_program(packages[f"float {case}"])
    assert unsupported(program) == []
    for expected, found in zip(
        run_onnx(serialize(case.hub()), samples), run_program(program, samples), strict=True
    ):
        assert np.abs(expected - found).max() <= EXACT * max(1.0, float(np.abs(expected).max()))


@pytest.mark.parametrize("case", INTEGER, ids=str)
def test_int8_packages_are_bit_exact(case, packages):
    samples = samples_of(case)
    hub = quickly_quantized(case.hub(), samples, QuantScheme("symmetric"))
    program = read_program(packages[f"int8 {case}"])
    for expected, found in zip(
        run_onnx(serialize(hub), samples), run_program(program, samples), strict=True
    ):
        assert np.mean(expected == found) > TIES


TIES = 0.995
"""A sum that lies on a rounding tie goes where ONNX Runtime's float32 sends it."""


def test_the_interpreter_computes_whatever_the_emitter_writes(packages):
    kinds = {o.kind for path in packages.values() for o in read_program(path).operations}
    assert {kind for kind in kinds if not kind.startswith("constexpr")} <= set(COMPUTED)
