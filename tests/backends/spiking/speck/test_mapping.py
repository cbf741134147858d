"""Layers on cores: an assignment if there is one, else the layers that crowd each other out."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.backends.spiking.speck.limits import limits_of
from edgecompile.backends.spiking.speck.mapping import (
    Need,
    assign_cores,
    crowded,
    kernel_words,
    neuron_words,
)
from tests.backends.spiking.speck.chains import speck

KILO = 1024
SMALL = limits_of(
    speck(kernel_memory="16,16,32,64", neuron_memory="64,64,32,16").limits,
)
FULL = limits_of(speck().limits)
needs = st.lists(
    st.builds(
        lambda k, n: Need("layer", k * KILO, n * KILO), st.integers(1, 64), st.integers(1, 64)
    ),
    min_size=1,
    max_size=4,
)


def fits(need, core, limits):
    return (
        need.kernel_words <= limits.kernel_words[core]
        and need.neuron_words <= limits.neuron_words[core]
    )


@given(needs)
def test_there_is_an_assignment_exactly_if_trying_all_finds_one(layers):
    possible = any(
        all(fits(need, core, SMALL) for need, core in zip(layers, cores, strict=False))
        for cores in permutations(range(4), len(layers))
    )
    cores = assign_cores(layers, SMALL)
    assert (cores is not None) == possible
    if cores is not None:
        assert len({*cores}) == len(layers)
        assert all(fits(need, core, SMALL) for need, core in zip(layers, cores, strict=True))
    else:
        chosen, shared = crowded(layers, SMALL)
        assert len(shared) < len(chosen)
        assert all({*need.cores(SMALL)} <= {*shared} for need in chosen)


def test_a_small_layer_leaves_the_large_cores_to_others():
    cores = assign_cores([Need("small", KILO, KILO), Need("large", 64 * KILO, KILO)], FULL)
    assert cores is not None
    assert cores[0] in {7, 8}
    assert cores[1] in {5, 6}


def test_more_layers_than_cores_have_no_assignment():
    assert assign_cores([Need("layer", 1, 1)] * 10, FULL) is None


@pytest.mark.parametrize(
    ("features", "inputs", "area", "words"), [(8, 1, 9, 128), (10, 32, 16, 8192), (1, 1, 1, 1)]
)
def test_kernels_take_powers_of_two(features, inputs, area, words):
    assert kernel_words(features, inputs, area) == words


def test_potentials_take_powers_of_two():
    assert neuron_words((20, 24, 24)) == 20 * KILO
    assert neuron_words((500, 1, 1)) == 500
