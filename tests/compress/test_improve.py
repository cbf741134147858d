"""Better numbers: each method helps where it should, and is kept only where it does."""

from __future__ import annotations

import math
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from edgecompile.compress.bias_correction import correct_biases
from edgecompile.compress.decision import decide, write_hub
from edgecompile.compress.improve import METHODS, improve
from edgecompile.compress.quality import Goal, Judge, Quality
from edgecompile.compress.ranges import least_squares_ranges
from edgecompile.compress.rounding import round_for_outputs
from edgecompile.compress.scheme import QuantScheme, params_of_range
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from tests.compress.test_equalize import TWO_CONVS, with_outliers
from tests.hubs import AFFINE, hub_of, plain_min_max, samples_for

NET = hub_of(
    "float[1,8,6,6] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) d = Conv<strides=[2,2]>(r, v, e) s = Relu(d) "
    "f = Flatten(s) y = Gemm<transB=1>(f, u, g)",
    "float[16,8,3,3] w, float[16] b, float[8,16,2,2] v, float[8] e, float[6,72] u, float[6] g",
)


@pytest.fixture(autouse=True)
def without_nncf():
    with patch("edgecompile.compress.decision.post_training_quantize", plain_min_max):
        yield


def judge_of(hub, samples, metric="sqnr"):
    labels = run_onnx(serialize(hub), samples)[0]
    return Judge(hub, samples, labels, metric, Path())


def decibel(hub, decision, samples):
    outputs = run_onnx(serialize(write_hub(decision)), samples)
    return compare(run_onnx(serialize(hub), samples), outputs).sqnr_db


def test_rounding_for_the_outputs_helps_on_samples_that_it_has_not_seen():
    seen, unseen = samples_for(NET, 64, positive=True), samples_for(NET, 64, positive=True, seed=8)
    decision = decide(NET, seen, QuantScheme("affine", per_channel_weights=False))
    weights = round_for_outputs(NET, seen, decision.weights)
    rounded = type(decision)(NET, decision.scheme, weights, decision.ranges)
    assert decibel(NET, rounded, unseen) > decibel(NET, decision, unseen) + 0.5
    for name, weight in weights.items():
        assert np.array_equal(weight.scale, decision.weights[name].scale)
        assert weight.data.min() >= -127


def test_corrected_biases_bring_the_mean_of_each_channel_back():
    samples = samples_for(NET, 64, positive=True)
    decision = decide(NET, samples, QuantScheme("affine", per_channel_weights=False))
    corrected = correct_biases(decision, samples)
    reference = run_onnx(serialize(NET), samples)[0].mean(0)

    def shift(one):
        return np.abs(run_onnx(serialize(write_hub(one)), samples)[0].mean(0) - reference).max()

    assert shift(corrected) < shift(decision) / 3
    assert decibel(NET, corrected, samples) > decibel(NET, decision, samples)


def test_one_outlier_among_thousands_of_values_is_clipped():
    hub = hub_of("float[1,64] x", "y = Relu(x)")
    samples = samples_for(hub, 4096)
    plain = least_squares_ranges(hub, samples, {"x": (-5.0, 5.0)}, AFFINE)["x"]
    assert plain[1] > 3.5
    samples[0, 0] = 9.0
    low, high = least_squares_ranges(hub, samples, {"x": (-5.0, 9.0)}, AFFINE)["x"]
    assert high < 8
    assert params_of_range(low, high, AFFINE).scale < params_of_range(-5, 9, AFFINE).scale


def test_what_is_good_enough_is_left_alone():
    samples = samples_for(NET, 32)
    decision = decide(NET, samples, AFFINE)
    improved, trials = improve(decision, samples, judge_of(NET, samples), Goal(), list(METHODS))
    assert improved is decision
    assert trials == []


def test_methods_are_tried_until_the_goal_is_met_and_only_what_helps_is_kept():
    broken = with_outliers(TWO_CONVS, 3000.0)
    samples = samples_for(broken, 64)
    decision = decide(broken, samples, AFFINE)
    judge = judge_of(broken, samples)
    _, trials = improve(decision, samples, judge, Goal(least_db=25.0), list(METHODS))
    assert [trial.method for trial in trials] == ["equalize"]
    assert trials[0].kept
    assert trials[0].after_db > 25 > trials[0].before_db
    _, others = improve(decision, samples, judge, Goal(least_db=90.0), ["ranges", "biases"])
    for trial in others:
        assert trial.kept == (trial.after_db >= trial.before_db + 0.2)


def test_a_time_that_is_up_ends_the_search():
    broken = with_outliers(TWO_CONVS, 3000.0)
    samples = samples_for(broken, 16)
    decision = decide(broken, samples, AFFINE)
    _, trials = improve(
        decision, samples, judge_of(broken, samples), Goal(least_db=90.0), list(METHODS), 1e-9
    )
    assert trials == []


@pytest.mark.parametrize(
    ("quality", "goal", "met"),
    [
        (Quality(30.0, 0.4), Goal(0.5), True),
        (Quality(30.0, 0.6), Goal(0.5), False),
        (Quality(30.0, None), Goal(0.5), True),
        (Quality(10.0, 0.0), Goal(0.5), False),
        (Quality(30.0, 9.0), Goal(), True),
        (Quality(30.0, 0.0), Goal(0.5, 40.0), False),
        (Quality(math.inf, -1.0), Goal(0.0, 90.0), True),
    ],
)
def test_the_goal_is_points_and_decibels(quality, goal, met):
    assert goal.is_met(quality) == met


def test_labels_that_cannot_tell_the_metric_leave_the_outputs_to_judge_by():
    samples = samples_for(NET, 8)
    judge = Judge(NET, samples, np.zeros((8, 3)), "top1", Path())
    assert judge.quality(NET) == Quality(math.inf, None)
