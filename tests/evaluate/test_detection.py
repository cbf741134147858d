"""AP50 against figures that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.errors import UserError
from edgecompile.evaluate.detection import mean_average_precision

A, B = [0, 0, 10, 10], [20, 20, 30, 40]
NOTHING = [0, 0, 0, 0, 0, -1]


def ap(detections, objects):
    return mean_average_precision(np.array(detections, float), np.array(objects, float))


def test_every_object_found_and_nothing_else_is_one():
    assert ap([[[*A, 0.9, 1], [*B, 0.8, 2]]], [[[*A, 1], [*B, 2]]]) == 1.0


def test_an_object_that_is_missed_costs_its_recall():
    assert ap([[[*A, 0.9, 1], NOTHING]], [[[*A, 1], [*B, 1]]]) == 0.5


def test_a_false_alarm_costs_only_if_it_is_surer_than_what_is_right():
    assert ap([[[*A, 0.9, 1], [*B, 0.8, 1]]], [[[*A, 1]]]) == 1.0
    assert ap([[[*A, 0.7, 1], [*B, 0.8, 1]]], [[[*A, 1]]]) == 0.5


def test_a_second_box_on_the_same_object_is_a_false_alarm():
    # Recall .5 at precision 1, then a miss, then recall 1 at precision 2/3.
    found = ap([[[*A, 0.9, 1], [*A, 0.8, 1], [*B, 0.7, 1]]], [[[*A, 1], [*B, 1], [0, 0, 0, 0, -1]]])
    assert found == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_an_overlap_below_one_half_is_a_miss():
    assert ap([[[0, 0, 10, 4.9, 0.9, 1]]], [[[*A, 1]]]) == 0.0
    assert ap([[[0, 0, 10, 5.0, 0.9, 1]]], [[[*A, 1]]]) == 1.0


def test_a_box_of_another_class_or_image_finds_nothing():
    assert ap([[[*A, 0.9, 2]]], [[[*A, 1]]]) == 0.0
    nothing = [0, 0, 0, 0, -1]
    assert ap([[[*A, 0.9, 1]], [NOTHING]], [[nothing], [[*A, 1]]]) == 0.0


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_boxes_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 50, (3, 6, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 40, (3, 6, 2))], axis=2)
    scores, kinds = rng.permutation(18).reshape(3, 6, 1) + 1.0, rng.integers(0, 2, (3, 6, 1))
    detections = np.concatenate([boxes + rng.normal(0, 3, boxes.shape), scores, kinds], axis=2)
    objects = np.concatenate([boxes, kinds], axis=2)
    order = rng.permutation(6)
    value = mean_average_precision(detections, objects)
    assert 0 <= value <= 1
    assert mean_average_precision(detections[:, order], objects[:, order]) == pytest.approx(value)


def test_other_shapes_are_told_what_is_wanted():
    with pytest.raises(UserError, match=r"map50 wants \(samples, boxes, 6\)"):
        ap([[1.0, 2.0]], [[[*A, 1]]])


def test_labels_without_an_object_are_refused():
    with pytest.raises(UserError, match="the labels hold no object"):
        ap([[NOTHING]], [[[0, 0, 0, 0, -1]]])
