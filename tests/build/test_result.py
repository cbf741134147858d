"""What a build says of an artifact of which an emulator ran only some samples."""

from __future__ import annotations

import pytest

from edgecompile.build.plan import Measurement
from edgecompile.build.result import verdicts_of
from edgecompile.evaluate.metrics import METRICS
from edgecompile.recipe.load import load_recipe

LOWERED = Measurement("lower", "measure[chip]", "lower[chip]", "measure[hub]", "chip")
AGREEMENT = {"previous": {"sqnr_db": 30.0}, "baseline": {"sqnr_db": 30.0}}


def measured(metric, samples=1000, **before):
    return {
        "metric": metric,
        "samples": samples,
        "labels": samples,
        "all_samples": 1000,
        "agreement": AGREEMENT,
        "before": before,
    }


def judged(chip):
    loaded = load_recipe("digits_cnn", ["budgets={lower: 0.1, total: 0.3}"])
    results = {"measure[pytorch]": measured(0.9), "measure[hub]": measured(0.898)}
    verdicts = verdicts_of(
        loaded.recipe, METRICS["top1"], LOWERED, {**results, "measure[chip]": chip}
    )
    return {verdict.name: verdict for verdict in verdicts}


def test_the_total_is_what_the_hub_lost_on_all_samples_and_the_artifact_on_those_that_were_run():
    """The 100 samples are harder than the rest, for the network and the hub alike."""
    found = judged(measured(0.80, 100, baseline=0.83, previous=0.80))
    assert (found["budgets.lower"].measured, found["budgets.lower"].holds) == (0.0, True)
    assert (found["budgets.total"].measured, found["budgets.total"].holds) == (0.2, True)


@pytest.mark.parametrize(("metric", "holds"), [(0.79, True), (0.78, False)])
def test_one_answer_of_a_hundred_is_within_what_these_can_tell(metric, holds):
    found = judged(measured(metric, 100, baseline=0.83, previous=0.80))
    assert found["budgets.lower"].holds == holds
    assert found["budgets.lower"].resolution == 1.0


def test_a_budget_is_held_to_the_point_where_all_samples_were_run():
    found = judged(measured(0.896))
    assert not found["budgets.lower"].holds
    assert (found["budgets.total"].measured, found["budgets.total"].holds) == (0.4, False)
    assert found["budgets.lower"].resolution == 0.0
