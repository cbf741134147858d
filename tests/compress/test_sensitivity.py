"""Which operators cost the accuracy, and the fewest to be put back."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from edgecompile.compress.decision import decide, write_hub
from edgecompile.compress.sensitivity import measure_sensitivity
from edgecompile.compress.switches import SwitchedHub
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from tests.compress.test_equalize import TWO_CONVS, with_outliers
from tests.compress.test_improve import NET, judge_of
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
