"""Budgets: points that may be lost, per step and in total; a negative one demands a gain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.evaluate.budget import explain, judge
from edgecompile.evaluate.metrics import METRICS

THOUSANDTHS = st.integers(0, 1000)
STAGES = st.sampled_from(["export", "simplify", "quantize", "lower"])


def verdicts(stage="quantize", value=0.9, previous=0.9, baseline=0.9, sqnr=None, **limits):
    agreement = {stage: limits.pop("agreement", None)}
    return judge(stage, METRICS["top1"], value, previous, baseline, sqnr, limits, agreement)


@given(stage=STAGES, before=THOUSANDTHS, after=THOUSANDTHS, tenths=st.integers(-50, 50))
def test_a_budget_holds_exactly_while_no_more_is_lost_than_allowed(stage, before, after, tenths):
    """In tenths of a point the comparison is exact, as a person would make it."""
    [verdict] = verdicts(stage, after / 1000, before / 1000, before / 1000, **{stage: tenths / 10})
    assert verdict.holds == (before - after <= tenths)
    assert verdict.measured == pytest.approx((before - after) / 10)


@given(before=THOUSANDTHS, after=THOUSANDTHS, baseline=THOUSANDTHS, tenths=st.integers(-50, 50))
def test_the_total_is_judged_at_the_last_step_and_against_pytorch(before, after, baseline, tenths):
    [verdict] = verdicts("lower", after / 1000, before / 1000, baseline / 1000, total=tenths / 10)
    assert (verdict.name, verdict.holds) == ("budgets.total", baseline - after <= tenths)


@given(value=THOUSANDTHS, stage=STAGES)
def test_without_a_budget_any_loss_is_allowed(value, stage):
    assert verdicts(stage, value / 1000, 1.0, 1.0, **{stage: None}, total=None) == []


@given(sqnr=st.floats(-300, 200), least=st.floats(0, 100))
def test_the_agreement_must_reach_what_is_demanded(sqnr, least):
    [verdict] = verdicts(sqnr=sqnr, agreement=least)
    assert (verdict.unit, verdict.holds) == ("dB", sqnr >= least)


@given(lost=st.integers(0, 40), tenths=st.integers(0, 50))
def test_of_some_samples_one_may_fall_the_other_way(lost, tenths):
    """Of 40 samples each counts for 2.5 points."""
    value = 0.9 - lost / 40
    [verdict] = judge(
        "lower", METRICS["top1"], value, 0.9, 0.9, None, {"lower": tenths / 10}, {}, resolution=2.5
    )
    assert verdict.holds == (25 * (lost - 1) <= tenths)
    if not verdict.holds:
        assert explain(verdict).endswith("to be lost, where one sample counts for 2.5")


@pytest.mark.parametrize(
    ("left", "sqnr", "holds"),
    [(20.0, 17.1, True), (20.0, 16.9, False), (40.0, 19.9, False), (None, 19.9, False)],
)
def test_an_artifact_may_round_otherwise_where_rounding_itself_leaves_little(left, sqnr, holds):
    """The demand is 20 dB, or that of two roundings of the same network."""
    limits = ({}, {"lower": 20.0, "quantize": 20.0})
    [lower] = judge("lower", METRICS["top1"], 1, 1, 1, sqnr, *limits, rounding_db=left)
    assert lower.holds == holds
    [quantize] = judge("quantize", METRICS["top1"], 1, 1, 1, sqnr, *limits, rounding_db=left)
    assert not quantize.holds


def test_equal_outputs_meet_any_demand():
    assert verdicts(sqnr=None, agreement=1000.0) == []


@pytest.mark.parametrize(
    ("allowed", "value", "sentence"),
    [
        (0.4, 0.896, None),
        (0.4, 0.895, "0.5 points lost, and budgets.quantize allows 0.4 points to be lost"),
        (0.0, 0.8999, "0.01 points lost, and budgets.quantize allows 0 points to be lost"),
        (1.0, 0.88, "2 points lost, and budgets.quantize allows 1 point to be lost"),
        (-0.5, 0.905, None),
        (-0.5, 0.901, "0.1 points gained, and budgets.quantize demands a gain of 0.5 points"),
        (-1.0, 0.9, "nothing was gained, and budgets.quantize demands a gain of 1 point"),
        (-1.0, 0.89, "1 point lost, and budgets.quantize demands a gain of 1 point"),
    ],
)
def test_the_sentence_says_what_was_lost_and_what_was_allowed(allowed, value, sentence):
    [verdict] = verdicts(value=value, quantize=allowed)
    assert verdict.holds == (sentence is None)
    if sentence is not None:
        assert explain(verdict) == sentence


def test_the_sentence_about_agreement_names_both_figures():
    [verdict] = verdicts(sqnr=17.4, agreement=20.0)
    assert explain(verdict) == (
        "the outputs agree to 17.4 dB with those of the step before, "
        "and agreement.quantize demands 20 dB"
    )
