"""The simulator: equal to snntorch's neurons spike by spike, near the ANN after enough steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import snntorch
import torch

from edgecompile.backends.spiking.coding import split_signs
from edgecompile.backends.spiking.network import INPUT
from edgecompile.backends.spiking.rates import outputs_of
from edgecompile.backends.spiking.simulate import Dynamics, activity_of, outputs_at, simulate
from tests.backends.spiking.networks import PLAIN, RESIDUAL, rates_of, spiking_of, step_by_step
from tests.hubs import samples_for


def leaky(reset):
    def make(layer):
        # reset_delay=True is snntorch's ideal integrate-and-fire; with False, a saturated neuron
        # falls silent.
        neuron = snntorch.Leaky(
            beta=1.0,
            threshold=layer.threshold,
            reset_mechanism=reset,
            reset_delay=True,
            init_hidden=True,
        )
        neuron.mem = torch.tensor(layer.v0).float().reshape(1, -1, 1, 1).expand(8, *layer.shape)
        return neuron

    return make


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL])
def test_spikes_are_snntorchs(hub, reset):
    network = replace(spiking_of(hub), reset=reset)
    trace = simulate(network, samples_for(hub, 8), [12, 24], record=True)
    theirs = step_by_step(network, trace.trains[INPUT], leaky(reset))
    for name, spikes in theirs.items():
        ours = trace.trains[name]
        assert ours.sum() > 0
        # Sums of 36 products in another order round differently: a tie may fall otherwise.
        assert np.abs(ours - spikes).sum() <= 1e-3 * ours.sum(), name


@pytest.mark.parametrize("coding", ["events", "graded"])
@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL])
def test_with_more_steps_it_comes_nearer_to_the_ann(hub, coding):
    samples = samples_for(hub, 40)
    network, wanted = spiking_of(hub, coding), outputs_of(rates_of(hub), samples)
    trace = simulate(network, samples, [4, 8, 16, 32, 64, 128])
    errors = [
        float(np.square(outputs_at(network, trace, steps) - wanted).mean() / wanted.var())
        for steps in (8, 32, 128)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02


def test_channels_for_both_signs_change_no_spike():
    network = spiking_of(RESIDUAL)
    samples = samples_for(RESIDUAL, 6)
    assert network.coding.signed
    plain = simulate(network, samples, [8, 16], record=True)
    split = simulate(split_signs(network), samples, [8, 16], record=True)
    assert split.trains[INPUT].min() == 0
    for name, train in plain.trains.items():
        if name != INPUT:
            assert np.abs(train - split.trains[name]).sum() <= 1e-3 * train.sum()


def test_a_spike_that_arrives_a_step_later_delays_every_layer():
    network = replace(spiking_of(PLAIN, "graded"))
    layers = tuple(replace(layer, bias=np.zeros_like(layer.bias)) for layer in network.layers)
    network = replace(network, layers=layers)
    samples = samples_for(PLAIN, 6)
    now = simulate(network, samples, [16], record=True)
    later = simulate(network, samples, [16], Dynamics(delay=True), record=True)
    for depth, layer in enumerate(network.layers[:-1], start=1):
        assert not later.trains[layer.name][:depth].any()
        np.testing.assert_array_equal(
            later.trains[layer.name][depth:], now.trains[layer.name][:-depth]
        )


def test_synaptic_operations_are_what_a_loop_over_spikes_counts():
    network = spiking_of(RESIDUAL)
    trace = simulate(network, samples_for(RESIDUAL, 3), [6], record=True)
    first = network.layers[0]
    weight = first.connections[0].weight
    counted = 0
    for step, sample, _channel, row, column in np.argwhere(trace.trains[INPUT] != 0):
        del step, sample
        rows = sum(0 <= row + 1 - k < first.shape[1] for k in range(weight.shape[2]))
        columns = sum(0 <= column + 1 - k < first.shape[2] for k in range(weight.shape[3]))
        counted += rows * columns * weight.shape[0]
    assert activity_of(network, trace).by_layer[first.name] == pytest.approx(counted / 3)
