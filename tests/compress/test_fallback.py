"""The fewest operators of higher precision that meet the goal, and what devices make of them."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.compress.decision import decide, write_hub
from edgecompile.compress.fallback import fall_back, put_back
from edgecompile.compress.quality import Goal
from edgecompile.evaluate.session import run_onnx
from edgecompile.formats.tflite.operators import OPERATORS
from edgecompile.graph.hub import add_constant, constant, serialize
from edgecompile.graph.qdq import WIDE_OPERATORS, check_qdq
from tests.compress.test_equalize import TWO_CONVS, with_outliers
from tests.compress.test_improve import judge_of
from tests.formats.tflite.compare import by_litert, inspection
from tests.hubs import AFFINE, changed, hub_of, plain_min_max, samples_for

BROKEN = with_outliers(TWO_CONVS, 3000.0)


@pytest.fixture(autouse=True)
def without_nncf():
    with patch("edgecompile.compress.decision.post_training_quantize", plain_min_max):
        yield


def test_the_operators_that_are_put_back_meet_the_goal_and_no_other_is():
    samples = samples_for(BROKEN, 32)
    decision, judge = decide(BROKEN, samples, AFFINE), judge_of(BROKEN, samples)
    goal = Goal(least_db=25.0)
    assert not goal.is_met(judge.quality(write_hub(decision)))
    mended, rows = put_back(decision, samples, judge, goal, precision="float", most=4)
    assert goal.is_met(judge.quality(write_hub(mended)))
    assert 1 <= len(rows) <= 3
    assert all(row.gained_db > 0 for row in rows)
    assert sum(row.bytes for row in rows) > 0
    again, none = put_back(decision, samples, judge, Goal(least_db=0.0), precision="float", most=4)
    if goal.is_met(judge.quality(write_hub(again))):
        assert none == rows


def test_more_than_allowed_is_never_put_back():
    samples = samples_for(BROKEN, 16)
    decision, judge = decide(BROKEN, samples, AFFINE), judge_of(BROKEN, samples)
    mended, rows = put_back(
        decision, samples, judge, Goal(least_db=200.0), precision="float", most=1
    )
    assert len(rows) <= 1
    assert len({n for n in mended.float_nodes if n.startswith("conv")}) <= 1


def test_a_hub_with_operators_put_back_runs_on_the_device_as_it_says():
    samples = samples_for(BROKEN, 16)
    decision, judge = decide(BROKEN, samples, AFFINE), judge_of(BROKEN, samples)
    mended, _ = put_back(decision, samples, judge, Goal(least_db=25.0), precision="float", most=4)
    hub = write_hub(mended)
    expected = run_onnx(serialize(hub), samples)[0]
    found = by_litert(hub, samples)[0]
    step = np.abs(expected).max() / 127
    assert np.abs(found - expected).max() <= 2 * step


def with_a_loud_channel(hub: ir.Model) -> None:
    """A channel that is 300 everywhere, and that nothing behind it listens to."""
    first, second = (node for node in hub.graph if node.op_type == "Conv")
    bias, weight = constant(first.inputs[2]).copy(), constant(second.inputs[1]).copy()
    bias[0], weight[:, 0] = 300.0, 0.0
    first.replace_input_with(2, add_constant(hub.graph, "loud_bias", bias))
    second.replace_input_with(1, add_constant(hub.graph, "deaf_weight", weight))


LOUD = changed(TWO_CONVS, with_a_loud_channel)


def test_sixteen_bits_hold_what_eight_cannot_and_the_file_computes_it():
    samples = samples_for(LOUD, 32)
    decision, judge = decide(LOUD, samples, AFFINE), judge_of(LOUD, samples)
    goal = Goal(least_db=25.0)
    assert not goal.is_met(judge.quality(write_hub(decision)))
    mended, rows = fall_back(decision, samples, judge, goal, ["int16", "float"], 4)
    hub = write_hub(mended)
    assert goal.is_met(judge.quality(hub))
    assert {row.precision for row in rows} == {"int16"}
    assert check_qdq(hub, "affine") == []
    facts = inspection(hub)
    assert (facts.inputs[0].dtype, facts.outputs[0].dtype) == ("int8", "int8")
    assert {t.dtype for o in facts.operators for t in o.outputs} == {"int8", "int16"}
    expected = run_onnx(serialize(hub), samples)[0]
    found = by_litert(hub, samples, "reference")[0]
    assert np.abs(found - expected).max() <= 2 * np.abs(expected).max() / 127


def test_what_sixteen_bits_cannot_mend_goes_back_to_float():
    samples = samples_for(BROKEN, 32)  # weights drown there, which stay int8 beside int16
    decision, judge = decide(BROKEN, samples, AFFINE), judge_of(BROKEN, samples)
    goal = Goal(least_db=25.0)
    mended, rows = fall_back(decision, samples, judge, goal, ["int16", "float"], 4)
    assert goal.is_met(judge.quality(write_hub(mended)))
    assert {row.precision for row in rows} == {"float"}


BRANCHES = hub_of(
    "float[1,3,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) d = Conv<pads=[1,1,1,1]>(r, v) a = Add(r, d) "
    "p = MaxPool<kernel_shape=[2,2]>(a) k = Concat<axis=1>(p, p) s = Sigmoid(k) m = Mul(k, s) "
    "f = Flatten(m) y = Gemm<transB=1>(f, u, e)",
    "float[4,3,3,3] w, float[4] b, float[4,4,3,3] v, float[5,392] u, float[5] e",
)
NAMES = [node.name for node in BRANCHES.graph if node.op_type != "Relu"]


@given(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES), max_size=2))
def test_any_mixture_of_widths_keeps_the_conventions_and_runs(wide, floats):
    samples = samples_for(BRANCHES, 4)
    wide -= floats
    if "conv1" in wide:
        wide |= {"relu2"}  # the clamp goes with the operator that carries it
    if "conv1" in floats:
        floats |= {"relu2"}
    decision = decide(BRANCHES, samples, AFFINE)
    hub = write_hub(replace(decision, wide_nodes=frozenset(wide), float_nodes=frozenset(floats)))
    expected = run_onnx(serialize(hub), samples)[0]
    found = by_litert(hub, samples, "reference")[0]
    assert np.abs(found - expected).max() <= 6 * np.abs(expected).max() / 127


def test_the_operators_that_may_be_raised_are_those_that_tflite_has_kernels_for():
    assert {name for name, operator in OPERATORS.items() if operator.wide} == WIDE_OPERATORS
