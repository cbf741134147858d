"""Every operator of the table computes what ONNX Runtime computes from the same hub."""

from __future__ import annotations

from collections import Counter

import onnx_ir as ir
import pytest

from edgecompile.compress.narrow import halve_constants, quantize_weights
from edgecompile.compress.scheme import QuantScheme
from edgecompile.formats.tflite.check import check_operators
from edgecompile.formats.tflite.operators import OPERATORS
from edgecompile.graph.qdq import WEIGHTED
from tests.formats.tflite.cases import CASES
from tests.formats.tflite.cases.case import Case
from tests.formats.tflite.compare import (
    by_litert,
    by_onnx_runtime,
    inspection,
    lsb_differences,
    relative_error,
)
from tests.hubs import quickly_quantized, samples_for

EXACT = 1e-4
"""Float kernels add in another order, and XNNPACK has its own exponential function."""

WIDE = 5e-4
"""int16 kernels have multipliers of their own: sixteen steps of the largest output."""

HYBRID = 0.03
"""Dynamic-range kernels round the activations to 8 bits on the way."""


def samples_of(case: Case, hub: ir.Model):
    return samples_for(hub, spread=case.spread, positive=case.positive)


def quantized(case: Case):
    hub = case.hub()
    samples = samples_of(case, hub)
    return quickly_quantized(hub, samples), samples


def test_every_operator_of_the_table_has_a_case():
    assert {case.op for case in CASES} == set(OPERATORS)


def test_no_two_cases_have_one_name():
    assert [name for name, count in Counter(map(str, CASES)).items() if count > 1] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float_files_equal_onnx_runtime(case):
    hub = case.hub()
    assert check_operators(hub, ()) == []
    samples = samples_of(case, hub)
    expected = by_onnx_runtime(hub, samples)
    for kernels in case.kernels():
        assert relative_error(expected, by_litert(hub, samples, kernels)) < EXACT


@pytest.mark.parametrize("case", CASES, ids=str)
def test_int8_files_round_like_the_hub(case):
    hub, samples = quantized(case)
    assert check_operators(hub, ()) == []
    facts = inspection(hub)
    names = [operator.name for operator in facts.operators]
    assert names.count("TRANSPOSE") <= case.transposes
    if all(OPERATORS[n.op_type].integer for n in hub.graph if n.op_type in OPERATORS):
        types = {t.dtype for o in facts.operators for t in (*o.inputs, *o.outputs)}
        assert types <= {"int8"}
    expected = by_onnx_runtime(hub, samples)
    for kernels, most in case.kernels().items():
        assert lsb_differences(hub, expected, by_litert(hub, samples, kernels)).max() <= most


WIDE_CASES = [case for case in CASES if OPERATORS[case.op].wide]


@pytest.mark.parametrize("case", WIDE_CASES, ids=str)
def test_int16_files_compute_what_the_hub_says(case):
    hub = case.hub()
    samples = samples_of(case, hub)
    hub = quickly_quantized(hub, samples, QuantScheme("affine", activation_bits=16))
    facts = inspection(hub)
    if all(OPERATORS[n.op_type].wide for n in hub.graph if n.op_type in OPERATORS):
        types = {t.dtype for o in facts.operators for t in (*o.inputs, *o.outputs)}
        assert types <= {"int16"}
    expected = by_onnx_runtime(hub, samples)
    for kernels in ("builtin", "reference"):
        assert relative_error(expected, by_litert(hub, samples, kernels)) < WIDE


WEIGHTED_CASES = [case for case in CASES if case.op in WEIGHTED]


@pytest.mark.parametrize("case", WEIGHTED_CASES, ids=str)
def test_half_precision_files_equal_onnx_runtime(case):
    hub = halve_constants(case.hub())
    assert check_operators(hub, ()) == []
    samples = samples_of(case, hub)
    expected = by_onnx_runtime(hub, samples)
    for kernels in case.kernels():
        assert relative_error(expected, by_litert(hub, samples, kernels)) < EXACT


@pytest.mark.parametrize("per_channel", [True, False], ids=["per channel", "per tensor"])
@pytest.mark.parametrize("case", WEIGHTED_CASES, ids=str)
def test_dynamic_range_files_are_near_onnx_runtime(case, per_channel):
    hub = quantize_weights(case.hub(), per_channel=per_channel)
    assert check_operators(hub, ()) == []
    samples = samples_of(case, hub)
    expected = by_onnx_runtime(hub, samples)
    for kernels in case.kernels():
        error = relative_error(expected, by_litert(hub, samples, kernels))
        assert error < HYBRID * max(1, case.spread)  # a clamp hides how large the sums were
