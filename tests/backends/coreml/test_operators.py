"""Every operator of the table computes, as a saved package, what ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.backends.coreml.check import check_hub
from edgecompile.backends.coreml.interpreter.run import run_program, unsupported
from edgecompile.backends.coreml.interpreter.table import OPERATORS as COMPUTED
from edgecompile.backends.coreml.operators import OPERATORS
from edgecompile.backends.coreml.options import CoreMLOptions
from edgecompile.backends.coreml.program import read_program
from edgecompile.compress.scheme import QuantScheme
from edgecompile.conformance.cases import CASES
from edgecompile.conformance.cases.case import Case
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import Array, serialize
from edgecompile.graph.qdq import output_scales
from edgecompile.recipe.target import Target
from tests.backends.coreml.many import Order, convert_many
from tests.hubs import quickly_quantized

EXACT = 1e-5
"""ONNX Runtime sums in float32, the interpreter in float64."""

TARGET = Target(name="phone", title="a phone", backend="coreml", precisions=["fp32"])


def is_written(case: Case) -> bool:
    findings = check_hub(case.hub(), CoreMLOptions(), TARGET, "fp32")
    return all(finding.level != "error" for finding in findings)


WRITTEN = [case for case in CASES if is_written(case)]
FIRST = list({case.op: case for case in reversed(WRITTEN)}.values())
"""One for each operator: each conversion takes half a second."""

AVERAGES = {"AveragePool", "Resize"}
"""A mean of two or four integers often lies on a rounding tie, and goes where ONNX Runtime's
float32 sends it."""


def samples_of(case: Case):
    return case.samples()


def quantized(case: Case):
    return quickly_quantized(case.hub(), samples_of(case), QuantScheme("symmetric"))


@pytest.fixture(scope="module")
def first_packages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Case, tuple[Path, Path]]:
    """A float and an int8 package for each of FIRST."""
    return _packages(FIRST, tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def all_packages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Case, tuple[Path, Path]]:
    """The same for every case."""
    return _packages(WRITTEN, tmp_path_factory.mktemp("packages"))


def _packages(cases: list[Case], folder: Path) -> Mapping[Case, tuple[Path, Path]]:
    orders = {f"float {case}": Order(case.hub()) for case in cases}
    orders |= {f"int8 {case}": Order(quantized(case)) for case in cases}
    made = convert_many(orders, folder)
    return {case: (made[f"float {case}"], made[f"int8 {case}"]) for case in cases}


def test_every_operator_of_the_table_has_a_case():
    assert {case.op for case in WRITTEN} == set(OPERATORS)


def test_few_cases_are_not_written():
    assert len(WRITTEN) > 0.9 * len(CASES)


@pytest.mark.parametrize("case", FIRST, ids=str)
def test_packages_equal_onnx_runtime(case, first_packages):
    require_equal(case, *first_packages[case])


@pytest.mark.full
@pytest.mark.parametrize("case", WRITTEN, ids=str)
def test_packages_of_every_case_equal_onnx_runtime(case, all_packages):
    require_equal(case, *all_packages[case])


def require_equal(case: Case, real: Path, integer: Path) -> None:
    """The float package to rounding, the int8 package to the last bit but for ties."""
    samples = samples_of(case)
    for expected, found in both(case.hub(), real, samples):
        assert np.abs(expected - found).max() <= EXACT * max(1.0, float(np.abs(expected).max()))
    hub = quantized(case)
    for (expected, found), scale in zip(
        both(hub, integer, samples), output_scales(hub), strict=True
    ):
        assert scale is not None
        assert np.abs(expected - found).max() <= 1.001 * scale
        assert np.mean(expected == found) > (0.85 if case.op in AVERAGES else 0.995)


def both(hub: ir.Model, package: Path, samples: Array) -> list[tuple[Array, Array]]:
    """Each output of a hub by ONNX Runtime, and of its package by the interpreter."""
    program = read_program(package)
    assert unsupported(program) == []
    expected, found = run_onnx(serialize(hub), samples), run_program(program, samples)
    return list(zip(expected, found, strict=True))


def test_the_interpreter_computes_whatever_the_emitter_writes(first_packages):
    paths = [path for pair in first_packages.values() for path in pair]
    kinds = {o.kind for path in paths for o in read_program(path).operations}
    assert {kind for kind in kinds if not kind.startswith("constexpr")} <= set(COMPUTED)
