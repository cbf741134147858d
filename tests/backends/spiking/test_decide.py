"""What is decided once for all chips: thresholds, replaced pools, which sample decides what."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompile.backends.spiking.decide import decide
from edgecompile.backends.spiking.latency import choose_steps
from edgecompile.backends.spiking.rates import best_ceiling
from edgecompile.backends.spiking.samples import split_samples
from edgecompile.backends.tuning import training_of, validation_of
from edgecompile.compress.quality import Judge
from edgecompile.errors import BudgetBroken, TargetCannotRun
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from tests.backends.spiking.networks import PLAIN
from tests.hubs import hub_of, samples_for

MAX_POOL = hub_of(
    "float[1,1,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) p = MaxPool<kernel_shape=[2,2], "
    "strides=[2,2]>(r) f = Flatten(p) y = Gemm<transB=1>(f, m, g)",
    "float[6,1,3,3] w, float[6] b, float[4,96] m, float[4] g",
)
STAGE = {
    "calibration_samples": 64,
    "epochs": 6,
    "learning_rate": 3e-3,
    "batch": 16,
    "seed": 0,
}


def labelled(hub, count, seed=7):
    """Random samples with the network's own answers as labels."""
    samples = samples_for(hub, count, seed=seed)
    return samples, run_onnx(serialize(hub), samples)[0].argmax(1)


def parameters(tmp_path, **stage):
    return {
        "stage": {**STAGE, **stage},
        "metric": "top1",
        "budget": 1.0,
        "recipe_folder": str(tmp_path),
    }


def test_a_maximum_pool_is_refused_without_training_data(tmp_path):
    with pytest.raises(TargetCannotRun, match=r"maximum pool.*model\.py") as refused:
        decide(MAX_POOL, {"calibration": labelled(MAX_POOL, 40)}, parameters(tmp_path))
    assert "data.train" in (refused.value.remedy or "")


def test_training_makes_good_that_maximum_pools_became_averages(tmp_path):
    data = {"calibration": labelled(MAX_POOL, 60), "train": labelled(MAX_POOL, 500, seed=8)}
    network, _, account = decide(MAX_POOL, data, parameters(tmp_path))
    assert not network.max_pools
    assert account["kept"]
    assert account["fine_tuned"]["lost_points"] < account["plain"]["lost_points"]


def test_training_that_gains_nothing_is_not_kept(tmp_path):
    data = {"calibration": labelled(MAX_POOL, 60), "train": labelled(MAX_POOL, 200, seed=8)}
    network, _, account = decide(MAX_POOL, data, parameters(tmp_path, learning_rate=10.0))
    assert not account["kept"]
    again, _, _ = decide(MAX_POOL, data, parameters(tmp_path, learning_rate=20.0))
    for one, other in zip(network.layers, again.layers, strict=True):
        np.testing.assert_array_equal(one.bias, other.bias)


def test_the_same_data_give_the_same_network(tmp_path):
    data = {"calibration": labelled(MAX_POOL, 60), "train": labelled(MAX_POOL, 200, seed=8)}
    one, _, _ = decide(MAX_POOL, data, parameters(tmp_path, epochs=1))
    two, _, _ = decide(MAX_POOL, data, parameters(tmp_path, epochs=1))
    for left, right in zip(one.layers, two.layers, strict=True):
        np.testing.assert_array_equal(left.connections[0].weight, right.connections[0].weight)


@pytest.mark.parametrize(("calibration", "training"), [(100, 0), (101, 1197), (1, 3), (7, 4)])
def test_no_sample_decides_twice(calibration, training):
    split = split_samples(calibration, training, 256)
    if calibration > 1:
        assert not np.intersect1d(split.decided, split.calibration).size
    assert not np.intersect1d(split.held_back, split.training).size
    data = {"calibration": (np.zeros((calibration, 2)), np.zeros(calibration, int))}
    if training:
        data["train"] = (np.zeros((training, 2)), np.zeros(training, int))
        trained = training_of(data, split)
        assert trained is not None
        assert len(trained[0]) == len(split.training)
    judged, labels = validation_of(data, split)
    assert len(judged) == len(labels) == len(split.calibration) + len(split.held_back)


def test_a_ceiling_cuts_outliers_and_keeps_what_is_common():
    activity = np.concatenate([np.random.default_rng(0).uniform(0, 1, 10_000), [50.0]])
    assert 0.9 < best_ceiling(activity) < 10
    assert best_ceiling(np.linspace(0, 1, 1000)) == pytest.approx(1.0, abs=0.1)


def judge_of(tmp_path):
    samples, labels = labelled(PLAIN, 200)
    return Judge(PLAIN, samples, labels, "top1", tmp_path), run_onnx(serialize(PLAIN), samples)[0]


def spoiled(outputs, share):
    """The outputs with the answers of a share of the samples wrong."""
    wrong = outputs.copy()
    count = round(share * len(outputs))
    wrong[:count] = -wrong[:count]
    return wrong


def test_the_fewest_steps_are_those_that_lose_half_of_the_budget(tmp_path):
    judge, right = judge_of(tmp_path)

    def chip(steps):
        return {t: spoiled(right, {4: 0.5, 6: 0.02, 8: 0.005}.get(t, 0.0)) for t in steps}

    choice = choose_steps(chip, judge, 1.0)
    assert choice.steps == 8
    assert [point.steps for point in choice.curve] == [4, 6, 8]


def test_without_half_of_the_budget_all_of_it_may_be_lost(tmp_path):
    judge, right = judge_of(tmp_path)
    choice = choose_steps(lambda steps: {t: spoiled(right, 0.02) for t in steps}, judge, 3.0)
    assert choice.steps == 4


def test_without_a_budget_the_least_loss_is_taken(tmp_path):
    judge, right = judge_of(tmp_path)

    def chip(steps):
        return {t: spoiled(right, 0.02 if t == 48 else 0.1) for t in steps}

    assert choose_steps(chip, judge, None).steps == 48


def test_when_no_number_of_steps_holds_the_budget_each_loss_is_told(tmp_path):
    judge, right = judge_of(tmp_path)
    with pytest.raises(BudgetBroken, match=r"up to 128 .*budgets\.spike=1 .* 4: "):
        choose_steps(lambda steps: {t: spoiled(right, 0.5) for t in steps}, judge, 1.0)


def test_a_metric_that_is_lucky_does_not_excuse_noisy_outputs(tmp_path):
    judge, right = judge_of(tmp_path)
    noise = np.random.default_rng(0).normal(0, right.std(0), right.shape)

    def chip(steps):
        return {t: (right + noise / t).astype(np.float32) for t in steps}

    def steps(least):
        return choose_steps(chip, judge, 100.0, least).steps

    assert steps(-np.inf) == 4
    assert steps(17.0) == 8
