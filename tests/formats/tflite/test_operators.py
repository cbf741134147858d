"""Every operator of the table computes what ONNX Runtime computes from the same hub."""

from __future__ import annotations

from collections import Counter

import pytest

from edgecompile.compress.narrow import halve_constants, quantize_weights
from edgecompile.compress.scheme import QuantScheme
from edgecompile.conformance.cases import CASES
from edgecompile.conformance.cases.case import Case
from edgecompile.formats.tflite.check import check_operators
from edgecompile.formats.tflite.choices import Kernels
from edgecompile.formats.tflite.operators import OPERATORS
from edgecompile.graph.qdq import WEIGHTED
from tests.formats.tflite.compare import (
    by_litert,
    by_onnx_runtime,
    inspection,
    lsb_differences,
    relative_error,
)
from tests.hubs import quickly_quantized

EXACT = 1e-4
"""Float kernels add in another order, and XNNPACK has its own exponential function."""

WIDE = 5e-4
"""int16 kernels have multipliers of their own: sixteen steps of the largest output."""

HYBRID = 0.03
"""Dynamic-range kernels round the activations to 8 bits on the way."""


BEYOND = {"Erf", "Reciprocal", "Softplus"}
"""What TFLite has not."""

WRITTEN = [case for case in CASES if case.op not in BEYOND]

TRANSPOSES = {
    "Conv-over-one-dimension": 2,
    "Conv-over-one-dimension,-odd": 2,
    "Conv-over-one-dimension,-depthwise": 2,
    "Gemm-an-image-cut-into-rows": 1,
    "Gemm-a-flattened-image-that-is-also-an-output-of-its-own": 1,
    "MatMul-rank-4": 2,
    "MatMul-of-batches,-the-first-one-transposed": 1,
    "MatMul-of-heads": 3,
    "MatMul-that-broadcasts-its-batches": 3,
    "Add-a-constant-of-higher-rank": 1,
    "Sub-a-constant-of-higher-rank": 1,
    "Mul-a-constant-of-higher-rank": 1,
    "Max-a-constant-of-higher-rank": 1,
    "Min-a-constant-of-higher-rank": 1,
    "Relu-behind-a-transposition": 1,
    "Softmax-axis-2-of-an-image": 2,
    "Softmax-axis-3-of-an-image": 2,
    "Softmax-axis--1-of-an-image": 2,
    "Softmax-axis-1-of-a-sequence": 2,
    "ReduceMean-axes-[3],-keepdims=0": 1,
    "ReduceMean-axes-[2],-keepdims=0": 1,
    "ReduceMax-axes-[3],-keepdims=0": 1,
    "ReduceMax-axes-[2],-keepdims=0": 1,
    "ReduceMin-axes-[3],-keepdims=0": 1,
    "ReduceMin-axes-[2],-keepdims=0": 1,
    "ReduceSum-axes-[3],-keepdims=0": 1,
    "ReduceSum-axes-[2],-keepdims=0": 1,
    "Reshape-a-vector-to-an-image": 1,
    "Reshape-an-image-to-a-sequence-of-channels": 1,
    "Reshape-merging-channels-and-rows": 1,
    "Reshape-splitting-channels": 2,
    "Reshape-the-shuffling-of-channels": 1,
    "Flatten-an-image": 1,
    "Flatten-the-image-before-a-Relu-and-a-Gemm": 1,
    "Squeeze-one-row": 1,
    "Unsqueeze-at-the-end": 1,
    "Transpose-an-image-to-channels-last": 1,
    "Transpose-a-sequence": 1,
    "Transpose-and-a-product": 1,
    "Transpose-of-rank-5": 1,
    "Gather-one-index": 1,
    "Expand-to-a-higher-rank": 1,
    "LayerNormalization-the-last-axis-of-an-image": 2,
}
"""How many TRANSPOSE operators the file cannot do without: a border of rank 3 is stored as the
model says, and matrix products and axes inside an image need its own layout."""

NOT_IN_REFERENCE = {"Ceil", "Elu", "Round"}
"""LiteRT's reference kernels are not complete: LiteRT's own run the file in their place."""

REFERENCE_LSB = {"HardSwish": 2}
"""Its reference kernel rounds three times, to 16 bits in between (hard_swish.h)."""


def kernels_of(case: Case) -> dict[Kernels, int]:
    """The kernels that run the file, and how many LSB each may be from the hub."""
    other: Kernels = "builtin" if case.op in NOT_IN_REFERENCE else "reference"
    return {"xnnpack": case.lsb, other: max(case.lsb, REFERENCE_LSB.get(case.op, 1))}


def quantized(case: Case):
    hub = case.hub()
    samples = case.samples()
    return quickly_quantized(hub, samples), samples


def test_every_operator_of_the_table_has_a_case():
    assert {case.op for case in CASES} == set(OPERATORS) | BEYOND


def test_no_two_cases_have_one_name():
    assert [name for name, count in Counter(map(str, CASES)).items() if count > 1] == []


@pytest.mark.parametrize("case", WRITTEN, ids=str)
def test_float_files_equal_onnx_runtime(case):
    hub = case.hub()
    assert check_operators(hub, ()) == []
    samples = case.samples()
    expected = by_onnx_runtime(hub, samples)
    for kernels in kernels_of(case):
        assert relative_error(expected, by_litert(hub, samples, kernels)) < EXACT


@pytest.mark.parametrize("case", WRITTEN, ids=str)
def test_int8_files_round_like_the_hub(case):
    hub, samples = quantized(case)
    assert check_operators(hub, ()) == []
    facts = inspection(hub)
    names = [operator.name for operator in facts.operators]
    assert names.count("TRANSPOSE") <= TRANSPOSES.get(str(case), 0)
    if all(OPERATORS[n.op_type].integer for n in hub.graph if n.op_type in OPERATORS):
        types = {t.dtype for o in facts.operators for t in (*o.inputs, *o.outputs)}
        assert types <= {"int8"}
    expected = by_onnx_runtime(hub, samples)
    for kernels, most in kernels_of(case).items():
        assert lsb_differences(hub, expected, by_litert(hub, samples, kernels)).max() <= most


WIDE_CASES = [case for case in WRITTEN if OPERATORS[case.op].wide]


@pytest.mark.parametrize("case", WIDE_CASES, ids=str)
def test_int16_files_compute_what_the_hub_says(case):
    hub = case.hub()
    samples = case.samples()
    hub = quickly_quantized(hub, samples, QuantScheme("affine", activation_bits=16))
    facts = inspection(hub)
    if all(OPERATORS[n.op_type].wide for n in hub.graph if n.op_type in OPERATORS):
        types = {t.dtype for o in facts.operators for t in (*o.inputs, *o.outputs)}
        assert types <= {"int16"}
    expected = by_onnx_runtime(hub, samples)
    for kernels in ("builtin", "reference"):
        assert relative_error(expected, by_litert(hub, samples, kernels)) < WIDE


WEIGHTED_CASES = [case for case in WRITTEN if case.op in WEIGHTED]


@pytest.mark.parametrize("case", WEIGHTED_CASES, ids=str)
def test_half_precision_files_equal_onnx_runtime(case):
    hub = halve_constants(case.hub())
    assert check_operators(hub, ()) == []
    samples = case.samples()
    expected = by_onnx_runtime(hub, samples)
    for kernels in kernels_of(case):
        assert relative_error(expected, by_litert(hub, samples, kernels)) < EXACT


@pytest.mark.parametrize("per_channel", [True, False], ids=["per channel", "per tensor"])
@pytest.mark.parametrize("case", WEIGHTED_CASES, ids=str)
def test_dynamic_range_files_are_near_onnx_runtime(case, per_channel):
    hub = quantize_weights(case.hub(), per_channel=per_channel)
    assert check_operators(hub, ()) == []
    samples = case.samples()
    expected = by_onnx_runtime(hub, samples)
    for kernels in kernels_of(case):
        error = relative_error(expected, by_litert(hub, samples, kernels))
        assert error < HYBRID * max(1, case.spread)  # a clamp hides how large the sums were
