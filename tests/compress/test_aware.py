"""Quantization-aware fine-tuning: the hub as torch computes it, and what it learns."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from edgecompile.compress.aware import fine_tune
from edgecompile.compress.decision import decide, write_hub
from edgecompile.compress.differentiable import DifferentiableHub
from edgecompile.compress.improve import Tuning, last_resort
from edgecompile.compress.quality import Goal
from edgecompile.compress.scheme import QuantScheme
from edgecompile.compress.training.loop import Training
from edgecompile.conformance.cases import CASES
from edgecompile.conformance.cases.case import Case
from edgecompile.errors import UserError
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import constant, infer_shapes, serialize
from tests.compress.test_equalize import TWO_CONVS
from tests.compress.test_improve import judge_of
from tests.hubs import AFFINE, hub_of, plain_min_max, quickly_quantized, samples_for

FOUR_BITS = QuantScheme("affine", True, 8, 4)
WITHOUT_SLOPE = {
    *("Ceil", "Cos", "DepthToSpace", "Floor", "LSTM", "Mod", "PRelu", "Reciprocal", "Resize"),
    *("Round", "Sign", "Sin", "SpaceToDepth", "Tile", "Where"),
}
"""Operators of the table that training does not go through; it says so."""


@pytest.fixture(autouse=True)
def without_nncf():
    with patch("edgecompile.compress.decision.post_training_quantize", plain_min_max):
        yield


@pytest.mark.parametrize("case", [c for c in CASES if c.op not in WITHOUT_SLOPE], ids=str)
def test_torch_computes_what_the_hub_says_in_float_and_with_its_pairs(case: Case):
    hub = case.hub()
    samples = case.samples(4)
    for model in (hub, quickly_quantized(hub, samples)):
        found = DifferentiableHub(infer_shapes(model))(torch.from_numpy(samples), {})
        for mine, theirs in zip(found, run_onnx(serialize(model), samples), strict=True):
            step = 0.0 if model is hub else np.ptp(theirs) / 100
            np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-4, atol=1e-4 + step)


def test_an_operator_without_slope_is_named_with_its_line():
    hub = hub_of("float[1,4] x", "a = Relu(x) y = Round(a)")
    with pytest.raises(UserError) as refused:
        DifferentiableHub(hub)
    assert "operator Round (net.round2, model.py:2)" in str(refused.value)


def decided_and_trained(seed: int = 0, **options):
    samples = samples_for(TWO_CONVS, 256)
    decision = decide(TWO_CONVS, samples[:32], FOUR_BITS)
    how = {"optimizer": "adamw", "schedule": "cosine", "batch": 16, "distillation": 1.0}
    how |= {"epochs": 4, "learning_rate": 0.003, "augment": ()} | options
    training = Training("quantize", samples=torch.from_numpy(samples), classes=None, **how)
    return decision, fine_tune(decision, training, seed)


def test_four_bits_learn_to_agree_with_the_float_hub_on_samples_they_have_not_seen():
    decision, trained = decided_and_trained()
    unseen = samples_for(TWO_CONVS, 64, seed=99)
    judge = judge_of(TWO_CONVS, unseen)
    before, after = (judge.quality(write_hub(d)).sqnr_db for d in (decision, trained))
    assert after > before + 2


def test_what_training_promised_is_what_the_written_hub_computes():
    """The trained weights are their own integers, so torch and ONNX Runtime see the same hub."""
    _, trained = decided_and_trained()
    hub = write_hub(trained)
    samples = samples_for(TWO_CONVS, 8, seed=3)
    (mine,) = DifferentiableHub(infer_shapes(hub))(torch.from_numpy(samples), {})
    assert (compare(run_onnx(serialize(hub), samples), [mine.numpy()]).sqnr_db or 99) > 40


def test_the_same_seed_gives_the_same_bytes_and_another_one_others():
    first, again, other = (
        serialize(write_hub(decided_and_trained(seed, epochs=1)[1])) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_operators_in_float_keep_their_weights():
    samples = samples_for(TWO_CONVS, 64)
    decision = decide(TWO_CONVS, samples, FOUR_BITS)
    name = next(iter(decision.weights))
    decision = replace(decision, float_nodes=frozenset({name}))
    training = Training(
        "quantize", 1, "sgd", 0.01, "constant", 8, 1.0, (), torch.from_numpy(samples), None
    )
    trained = fine_tune(decision, training, 0)
    kept = {n.name: constant(n.inputs[1]) for n in trained.hub.graph if n.name in decision.weights}
    before = {n.name: constant(n.inputs[1]) for n in TWO_CONVS.graph if n.name in kept}
    assert [n for n in kept if np.array_equal(kept[n], before[n])] == [name]


def test_what_does_not_help_is_dropped_and_what_is_good_enough_is_not_trained():
    samples = samples_for(TWO_CONVS, 64)
    decision, judge = decide(TWO_CONVS, samples, FOUR_BITS), judge_of(TWO_CONVS, samples)
    calls = []

    def worse(given):
        calls.append(given)
        broken = {n: replace(w, data=-w.data) for n, w in given.weights.items()}
        return replace(given, weights=broken)

    tuning = Tuning(worse, lambda: judge)
    same, (trial,) = last_resort(decision, judge, Goal(least_db=90.0), tuning)
    assert (same, trial.kept, len(calls)) == (decision, False, 1)
    good = decide(TWO_CONVS, samples, AFFINE)
    assert last_resort(good, judge, Goal(least_db=20.0), tuning) == (good, [])
