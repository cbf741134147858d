"""What an artifact is judged by: samples that every device rounds the same way."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgecompile.conformance.judge import FROM_TIE, away_from_ties
from edgecompile.graph.qdq import tensor_params
from tests.hubs import hub_of, quickly_quantized, samples_for

FLOAT = hub_of("float[1,8] x", "y = Abs(x)")
HUB = quickly_quantized(FLOAT, samples_for(FLOAT))
(INPUT,) = (tensor_params(use.node) for use in HUB.graph.inputs[0].uses())


@settings(max_examples=200, deadline=None)
@given(arrays(np.float32, (3, 8), elements=st.floats(-4, 4, width=32)))
def test_no_value_is_near_a_tie_and_each_stays_the_integer_that_it_was(samples):
    kept = away_from_ties(HUB, samples)
    steps = kept.astype(np.float64) / INPUT.scale
    assert np.abs(steps - np.floor(steps) - 0.5).min() >= FROM_TIE - 1e-4
    assert np.abs(kept - samples).max() <= (FROM_TIE + 1e-4) * INPUT.scale
    # A tie itself may go either way: it is one to half a millionth of a step.
    away = np.abs(samples.astype(np.float64) / INPUT.scale % 1 - 0.5) > 1e-5
    assert np.array_equal(INPUT.integers(kept)[away], INPUT.integers(samples)[away])


def test_a_value_of_a_float16_keeps_its_integer():
    samples = np.linspace(INPUT.lowest, INPUT.highest, 4000, dtype=np.float32).reshape(-1, 8)
    kept = away_from_ties(HUB, samples)
    half = kept.astype(np.float16).astype(np.float32)
    assert np.array_equal(INPUT.integers(half), INPUT.integers(kept))
    raw = samples.astype(np.float16).astype(np.float32)
    assert not np.array_equal(INPUT.integers(raw), INPUT.integers(samples))


def test_the_samples_of_a_float_hub_are_left_alone():
    samples = samples_for(FLOAT)
    assert away_from_ties(FLOAT, samples) is samples
