"""The order in which axes are stored, held against numpy."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.graph.layout import (
    drop_axes,
    mergeable_order,
    moves_nothing,
    permutation,
    plain,
    reshaped_order,
    stored_axis,
    stored_shape,
)

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple)


@st.composite
def stored_tensors(draw):
    """A tensor's shape and the order in which its axes are stored."""
    shape = draw(SHAPES)
    return shape, tuple(draw(st.permutations(range(len(shape)))))


@st.composite
def reshapes(draw):
    """Two shapes of equal size, and the order of the first."""
    shape, order = draw(stored_tensors())
    left, after = math.prod(shape), []
    for _ in range(draw(st.integers(0, 4))):
        after.append(draw(st.sampled_from([n for n in range(1, left + 1) if left % n == 0])))
        left //= after[-1]
    return shape, order, (*after, left)


def numbered(shape):
    return np.arange(math.prod(shape)).reshape(shape)


def stored(array, order):
    """The bytes of an array whose axes are stored in `order`."""
    return array.transpose(order).ravel()


def read(raw, shape, order):
    """The array of `shape` whose bytes in `order` are `raw`."""
    return raw.reshape(stored_shape(shape, order)).transpose(np.argsort(order))


@given(reshapes())
def test_a_reshape_that_moves_no_bytes_is_read_back_in_the_order_that_is_promised(reshape):
    before, order, after = reshape
    promised = reshaped_order(before, after, order)
    if promised is None:
        return
    assert sorted(promised) == list(range(len(after)))
    array = numbered(before)
    assert np.array_equal(read(stored(array, order), after, promised), array.reshape(after))


@given(reshapes())
def test_a_plainly_stored_tensor_is_reshaped_to_a_plainly_stored_one(reshape):
    before, _, after = reshape
    assert reshaped_order(before, after, plain(len(before))) == plain(len(after))


@given(reshapes())
def test_no_reshape_is_called_impossible_that_some_order_allows(reshape):
    before, order, after = reshape
    if reshaped_order(before, after, order) is not None or len(after) > 4:
        return
    raw, wanted = stored(numbered(before), order), numbered(before).reshape(after)
    for candidate in permutations(range(len(after))):
        assert not np.array_equal(read(raw, after, candidate), wanted)


@given(reshapes())
def test_after_the_mergeable_order_a_reshape_moves_no_bytes(reshape):
    before, order, after = reshape
    gathered = mergeable_order(before, after, order)
    assert sorted(gathered) == list(range(len(before)))
    assert reshaped_order(before, after, gathered) is not None


@given(stored_tensors(), st.randoms(use_true_random=False))
def test_a_permutation_takes_one_order_to_another(tensor, random):
    shape, order = tensor
    wanted = list(order)
    random.shuffle(wanted)
    array = numbered(shape)
    moved = array.transpose(order).transpose(permutation(order, tuple(wanted)))
    assert np.array_equal(moved, array.transpose(wanted))


@given(stored_tensors(), st.randoms(use_true_random=False))
def test_what_moves_nothing_leaves_the_bytes_as_they_are(tensor, random):
    shape, order = tensor
    wanted = list(order)
    random.shuffle(wanted)
    array = numbered(shape)
    same = np.array_equal(stored(array, order), stored(array, wanted))
    assert moves_nothing(shape, order, tuple(wanted)) == same


@given(stored_tensors(), st.data())
def test_dropped_axes_leave_the_others_in_their_order(tensor, data):
    shape, order = tensor
    dropped = data.draw(st.sets(st.sampled_from(range(len(shape))), max_size=len(shape)))
    array = numbered(shape)
    expected = array.max(axis=tuple(dropped))
    left = array.transpose(order).max(axis=tuple(stored_axis(a, order) for a in dropped))
    assert np.array_equal(left, expected.transpose(drop_axes(order, sorted(dropped))))


@given(stored_tensors(), st.data())
def test_an_axis_that_counts_from_the_end_is_stored_where_the_axis_is(tensor, data):
    shape, order = tensor
    axis = data.draw(st.integers(0, len(shape) - 1))
    assert stored_axis(axis, order) == stored_axis(axis - len(shape), order)
    assert stored_shape(shape, order)[stored_axis(axis, order)] == shape[axis]
