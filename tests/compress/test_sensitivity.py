"""Which operators cost the accuracy, and the fewest to be put back."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from edgecompile.compress.decision import decide, write_hub
from edgecompile.compress.quality import Goal
from edgecompile.compress.sensitivity import measure_sensitivity, put_back
from edgecompile.compress.switches import SwitchedHub
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from tests.compress.test_equalize import TWO_CONVS, with_outliers
from tests.compress.test_improve import NET, judge_of
from tests.formats.tflite.compare import by_litert
from tests.hubs import AFFINE, plain_min_max, samples_for

BROKEN = with_outliers(TWO_CONVS, 3000.0)


@pytest.fixture(autouse=True)
def without_nncf():
    with patch("edgecompile.compress.decision.post_training_quantize", plain_min_max):
        yield


def test_all_switches_off_is_the_float_hub_and_all_on_is_the_quantized_one():
    samples = samples_for(NET, 6)
    decision = decide(NET, samples, AFFINE)
    switched = SwitchedHub(decision)
    float_outputs = run_onnx(serialize(NET), samples)[0]
    quantized = run_onnx(serialize(write_hub(decision)), samples)[0]
    np.testing.assert_allclose(switched.run(samples, ())[0], float_outputs, rtol=0, atol=1e-6)
    all_on = switched.run(samples, switched.names)[0]
    np.testing.assert_allclose(all_on, quantized, rtol=0, atol=1e-6)
    assert np.abs(float_outputs - quantized).max() > 1e-3


def test_the_layers_around_the_outliers_are_the_most_sensitive():
    samples = samples_for(BROKEN, 32)
    rows = measure_sensitivity(decide(BROKEN, samples, AFFINE), judge_of(BROKEN, samples))
    assert rows[0].sqnr_db is not None
    assert rows[0].op_type in {"Conv", "Relu"}
    assert rows[0].module == f"net.{rows[0].node}"
    assert rows[0].source.startswith("model.py:")
    assert [r.sqnr_db for r in rows] == sorted(r.sqnr_db for r in rows)
    assert {r.op_type for r in rows} == {"Conv"}  # the pool moves values, the Relu is carried


def test_the_operators_that_are_put_back_meet_the_goal_and_no_other_is():
    samples = samples_for(BROKEN, 32)
    decision, judge = decide(BROKEN, samples, AFFINE), judge_of(BROKEN, samples)
    goal = Goal(least_db=25.0)
    assert not goal.is_met(judge.quality(write_hub(decision)))
    mended, rows = put_back(decision, samples, judge, goal, most=4)
    assert goal.is_met(judge.quality(write_hub(mended)))
    assert 1 <= len(rows) <= 3
    assert all(row.gained_db > 0 for row in rows)
    assert sum(row.bytes for row in rows) > 0
    again, none = put_back(decision, samples, judge, Goal(least_db=0.0), most=4)
    if goal.is_met(judge.quality(write_hub(again))):
        assert none == rows


def test_more_than_allowed_is_never_put_back():
    samples = samples_for(BROKEN, 16)
    decision, judge = decide(BROKEN, samples, AFFINE), judge_of(BROKEN, samples)
    mended, rows = put_back(decision, samples, judge, Goal(least_db=200.0), most=1)
    assert len(rows) <= 1
    assert len({n for n in mended.float_nodes if n.startswith("conv")}) <= 1


def test_a_hub_with_operators_put_back_runs_on_the_device_as_it_says():
    samples = samples_for(BROKEN, 16)
    decision, judge = decide(BROKEN, samples, AFFINE), judge_of(BROKEN, samples)
    mended, _ = put_back(decision, samples, judge, Goal(least_db=25.0), most=4)
    hub = write_hub(mended)
    expected = run_onnx(serialize(hub), samples)[0]
    found = by_litert(hub, samples)[0]
    step = np.abs(expected).max() / 127
    assert np.abs(found - expected).max() <= 2 * step
