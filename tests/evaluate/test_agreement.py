"""compare(): how far outputs are from those before, whatever the metric says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate import agreement as agreement_module
from edgecompile.evaluate.agreement import compare

FLOATS = st.floats(-100, 100, width=32)
OUTPUTS = arrays.arrays(np.float32, (7, 3), elements=FLOATS)


@given(outputs=OUTPUTS)
def test_equal_outputs_agree_in_every_way(outputs):
    agreement = compare([outputs], [outputs.copy()])
    assert (agreement.max_abs, agreement.sqnr_db, agreement.equal) == (0.0, None, 1.0)
    assert agreement.same_top1 == 1.0


@given(reference=OUTPUTS, outputs=OUTPUTS)
def test_the_figures_are_their_definitions(reference, outputs):
    agreement = compare([reference], [outputs])
    difference = outputs.astype(np.float64) - reference.astype(np.float64)
    assert agreement.max_abs == pytest.approx(np.abs(difference).max(), rel=1e-3)
    assert agreement.equal == pytest.approx((reference == outputs).mean(), abs=1e-6)
    top = [a.argmax() == b.argmax() for a, b in zip(reference, outputs, strict=True)]
    assert agreement.same_top1 == pytest.approx(np.mean(top), abs=1e-6)
    noise = (difference**2).mean()
    signal = np.mean([np.var(reference[:, i].astype(np.float64)) for i in range(3)])
    if noise > 1e-9 and signal > 1e-9:
        assert agreement.sqnr_db == pytest.approx(10 * np.log10(signal / noise), abs=0.01)


@given(outputs=OUTPUTS, offset=st.floats(1, 1000))
def test_a_constant_output_does_not_hide_an_error(outputs, offset):
    """The variance is taken over samples: a large bias on every sample is no signal."""
    with_bias = np.concatenate([outputs, np.full((7, 1), 1e4, np.float32)], axis=1)
    plain, biased = compare([outputs], [outputs + 1]), compare([with_bias], [with_bias + 1])
    if plain.sqnr_db is not None and plain.sqnr_db > -200:
        assert biased.sqnr_db is not None
        assert biased.sqnr_db <= plain.sqnr_db


@given(reference=OUTPUTS, outputs=OUTPUTS, rows=st.integers(1, 8))
def test_the_parts_in_which_outputs_are_compared_do_not_show(reference, outputs, rows):
    whole = compare([reference], [outputs], [0.5])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement_module, "_PART", 3 * rows)
        assert compare([reference], [outputs], [0.5]) == whole


def test_the_worst_of_several_outputs_counts():
    good, bad = np.arange(6, dtype=np.float32).reshape(3, 2), np.ones((3, 2), np.float32)
    alone = compare([good], [good + 0.5])
    together = compare([bad, good], [bad, good + 0.5])
    assert together.sqnr_db == alone.sqnr_db
    assert together.equal == 0.5


def test_a_single_sample_is_measured_against_its_own_spread():
    sample = np.array([[0.0, 1.0, 2.0, 3.0]], np.float32)
    agreement = compare([sample], [sample + 0.01])
    assert agreement.sqnr_db == pytest.approx(10 * np.log10(1.25 / 1e-4), abs=0.01)


def test_an_error_on_a_constant_output_is_worst_of_all():
    constant = np.ones((5, 2), np.float32)
    assert compare([constant], [constant + 1e-3]).sqnr_db == -300.0


@given(
    steps=arrays.arrays(np.int64, (6, 2), elements=st.integers(-30, 30)),
    scale=st.sampled_from([0.5, 0.25, 2.0]),
)
def test_differences_are_counted_in_steps_of_the_scale(steps, scale):
    reference = np.zeros((6, 2), np.float32)
    agreement = compare([reference], [(steps * scale).astype(np.float32)], [scale])
    clipped = np.clip(steps, -16, 16)
    assert agreement.lsb == {
        str(v): int((clipped == v).sum()) for v in sorted(set(clipped.ravel().tolist()))
    }
    assert agreement.equal == pytest.approx((steps == 0).mean(), abs=1e-6)


def test_an_output_without_a_scale_is_not_counted_in_steps():
    one = np.zeros((3, 2), np.float32)
    agreement = compare([one, one], [one + 1, one + 1], [None, 1.0])
    assert agreement.lsb == {"1": 6}


@pytest.mark.parametrize(
    ("reference", "outputs", "message"),
    [
        (
            [np.zeros((4, 1))],
            [np.zeros((4,))],
            "output 0 has the shape [4], and [4, 1] in the step before",
        ),
        (
            [np.zeros((4, 1)), np.zeros((4, 1))],
            [np.zeros((4, 1))],
            "the model has 1 outputs, and had 2 in the step before",
        ),
    ],
)
def test_outputs_of_another_shape_are_never_stretched_to_fit(reference, outputs, message):
    with pytest.raises(ToolchainFailed) as caught:
        compare(reference, outputs)
    assert caught.value.message == message


def test_a_metric_may_rise_while_the_outputs_are_wrong_and_it_is_seen():
    """MLPerf Tiny's ad01 lost nine biases in conversion and its AUC rose from .8804 to .9029."""
    from edgecompile.evaluate.scoring import score

    generator = np.random.default_rng(0)
    labels = np.arange(200) % 2
    right = generator.normal(size=200).astype(np.float32) + labels
    wrong = (right + 3 * labels).astype(np.float32)  # further apart: the AUC likes it
    before, after = (score("auc", [o], labels, right, None) for o in (right, wrong))
    assert after > before
    agreement = compare([right], [wrong])
    assert agreement.sqnr_db is not None and agreement.sqnr_db < 20
