"""Metrics against the plainest reference that computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecompile.errors import UserError
from edgecompile.evaluate.metrics import METRICS, metric_of
from edgecompile.evaluate.scoring import score

HERE = Path()
NO_SAMPLES = np.empty((0,), np.float32)


def value(metric: str, outputs: np.ndarray, labels: np.ndarray) -> float:
    return score(metric, [outputs], labels, NO_SAMPLES, HERE)


def refusal(metric: str, outputs: np.ndarray, labels: np.ndarray) -> str:
    with pytest.raises(UserError) as caught:
        value(metric, outputs, labels)
    return caught.value.message


def distinct_scores(samples: int, classes: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.stack([generator.permutation(classes) for _ in range(samples)]).astype(np.float32)


@given(samples=st.integers(1, 20), classes=st.integers(2, 8), seed=st.integers(0, 10**6))
def test_top1_and_top5_count_the_samples_whose_label_is_among_the_best(samples, classes, seed):
    outputs = distinct_scores(samples, classes, seed)
    labels = np.random.default_rng(seed).integers(0, classes, samples)
    for metric, best in (("top1", 1), ("top5", 5)):
        hits = [
            label in sorted(range(classes), key=lambda c: -row[c])[:best]
            for row, label in zip(outputs, labels, strict=True)
        ]
        assert value(metric, outputs, labels) == pytest.approx(sum(hits) / samples)


@given(
    scores=st.lists(st.integers(-3, 3), min_size=2, max_size=20),
    seed=st.integers(0, 10**6),
)
def test_auc_is_the_share_of_pairs_in_the_right_order(scores, seed):
    labels = np.random.default_rng(seed).integers(0, 2, len(scores))
    labels[:2] = [0, 1]
    positive = [s for s, label in zip(scores, labels, strict=True) if label]
    negative = [s for s, label in zip(scores, labels, strict=True) if not label]
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    outputs = np.array(scores, np.float32)
    assert value("auc", outputs, labels) == pytest.approx(sum(pairs) / len(pairs))
    both = np.stack([-outputs, outputs], axis=1)
    assert value("auc", both, labels) == pytest.approx(sum(pairs) / len(pairs))


@given(
    predicted=arrays.arrays(np.int64, (2, 3, 3), elements=st.integers(0, 3)),
    labels=arrays.arrays(np.int64, (2, 3, 3), elements=st.sampled_from([0, 1, 2, 3, 255])),
)
def test_miou_is_the_mean_over_the_classes_that_occur(predicted, labels):
    if (labels == 255).all():
        return
    outputs = np.moveaxis(np.eye(4, dtype=np.float32)[predicted], -1, 1)
    counted = labels != 255
    ratios = []
    for c in range(4):
        union = ((predicted == c) | (labels == c)) & counted
        if union.any():
            both = (predicted == c) & (labels == c) & counted
            ratios.append(both.sum() / union.sum())
    assert value("miou", outputs, labels) == pytest.approx(np.mean(ratios))


@given(
    pair=arrays.arrays(np.float32, (2, 6), elements=st.floats(-100, 100, width=32)),
)
def test_mse_and_sqnr_are_their_definitions(pair):
    outputs, labels = pair
    mse = sum((float(a) - float(b)) ** 2 for a, b in zip(outputs, labels, strict=True)) / 6
    assert value("mse", outputs, labels) == pytest.approx(mse, rel=1e-5)
    variance = np.var(labels.astype(np.float64))
    if mse > 1e-9 and variance > 1e-9:
        assert value("sqnr", outputs, labels) == pytest.approx(
            10 * np.log10(variance / mse), abs=1e-3
        )


CLASSES = np.zeros((4, 3), np.float32)


@pytest.mark.parametrize(
    ("metric", "outputs", "labels", "message"),
    [
        (
            "top1",
            CLASSES,
            np.zeros(5, int),
            "outputs of shape [4, 3] and labels of shape [5]: "
            "top1 and top5 want (samples, classes) and one label per sample",
        ),
        (
            # numpy would compare (4,) with (4, 1) as a 4 by 4 table and call it an accuracy
            "top1",
            CLASSES,
            np.zeros((4, 1), int),
            "outputs of shape [4, 3] and labels of shape [4, 1]: "
            "top1 and top5 want (samples, classes) and one label per sample",
        ),
        (
            "top5",
            np.zeros((4, 3, 2), np.float32),
            np.zeros(4, int),
            "outputs of shape [4, 3, 2] and labels of shape [4]: "
            "top1 and top5 want (samples, classes) and one label per sample",
        ),
        (
            "top1",
            CLASSES,
            np.array([0, 1, 2, 3]),
            "the label 3 is none of the model's 3 classes, 0 to 2",
        ),
        (
            "top1",
            CLASSES,
            np.array([0.5, 1, 2, 0]),
            "labels of dtype float64 are not the numbers of classes",
        ),
        (
            "auc",
            CLASSES,
            np.zeros(4, int),
            "outputs of shape [4, 3] and labels of shape [4]: "
            "auc wants one score and one label per sample",
        ),
        (
            "auc",
            CLASSES[:, 0],
            np.zeros(4, int),
            "auc wants labels of two classes; these have 1",
        ),
        (
            "mse",
            CLASSES,
            np.zeros(4),
            "outputs of shape [4, 3] and labels of shape [4]: mse wants the same",
        ),
        (
            "miou",
            np.zeros((1, 2, 2, 2), np.float32),
            np.full((1, 2, 2), 255),
            "every pixel of the labels is 255: there is nothing to score",
        ),
        (
            "miou",
            np.zeros((1, 2, 2, 2), np.float32),
            np.full((1, 2, 2), 7),
            "the label 7 is none of the model's 2 classes, 0 to 1",
        ),
    ],
)
def test_what_does_not_fit_the_metric_is_refused(metric, outputs, labels, message):
    assert refusal(metric, outputs, labels) == message


SCORE = """\
def score(outputs, labels, inputs):
    assert tuple(outputs.shape) == (4, 3) and tuple(inputs.shape) == (4, 2)
    return (outputs.sum() + labels.sum() + inputs.sum()) / 10


def short(outputs, labels):
    return outputs[0].mean() + outputs[1].mean()


def nothing(outputs, labels):
    pass


def infinite(outputs, labels):
    return float("inf")


def failing(outputs, labels):
    return outputs.no_such_method()
"""


def user_score(folder: Path, name: str, outputs: list[np.ndarray]) -> float:
    (folder / "model.py").write_text(SCORE)
    inputs = np.ones((4, 2), np.float32)
    return score(f"model.py:{name}", outputs, np.arange(4), inputs, folder)


def test_a_score_of_the_user_gets_outputs_labels_and_inputs(tmp_path):
    assert user_score(tmp_path, "score", [np.ones((4, 3), np.float32)]) == pytest.approx(2.6)


def test_a_score_of_the_user_may_do_without_inputs_and_gets_all_outputs(tmp_path):
    outputs = [np.full((4, 3), 2, np.float32), np.full((4, 5), 3, np.float32)]
    assert user_score(tmp_path, "short", outputs) == 5.0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "error: model.py:nothing returned NoneType, not one number"),
        ("infinite", "error: the metric infinite is inf: it must be a finite number"),
        (
            "failing",
            "error: model.py:failing failed: AttributeError: "
            "'Tensor' object has no attribute 'no_such_method'\n"
            "  --> model.py:19\n"
            " 19 |     return outputs.no_such_method()",
        ),
    ],
)
def test_a_score_of_the_user_that_fails_is_told(tmp_path, name, message):
    with pytest.raises(UserError) as caught:
        user_score(tmp_path, name, [np.ones((4, 3), np.float32)])
    assert caught.value.render() == message


@given(before=st.floats(-10, 10), after=st.floats(-10, 10), name=st.sampled_from(sorted(METRICS)))
def test_a_loss_is_positive_exactly_when_the_metric_got_worse(before, after, name):
    metric = METRICS[name]
    worse = after < before if metric.higher_is_better else after > before
    assert (metric.loss(before, after) > 0) == worse
    assert metric.loss(before, after) == -metric.loss(after, before)


def test_a_described_metric_says_which_way_is_better_and_what_a_point_is():
    described = {"function": "model.py:rmse", "higher_is_better": False, "points": 10}
    metric = metric_of(described)
    assert metric.name == "rmse"
    assert metric.loss(1.0, 1.5) == 5.0
