"""The chip's numbers: what fits its registers, and a simulation that loops over whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompile.backends.spiking.coding import Encoder
from edgecompile.backends.spiking.loihi.fixed_point import (
    DYNAMICS,
    bias_exponent,
    reading_interval,
    to_fixed_point,
)
from edgecompile.backends.spiking.maps import apply
from edgecompile.backends.spiking.network import (
    INPUT,
    Connection,
    InputCoding,
    SpikingLayer,
    SpikingNetwork,
)
from edgecompile.backends.spiking.rates import outputs_of
from edgecompile.backends.spiking.simulate import outputs_at, simulate
from tests.backends.spiking.networks import PLAIN, RESIDUAL, rates_of, spiking_of
from tests.hubs import hub_of, samples_for


def in_whole_numbers(network: SpikingNetwork, samples: np.ndarray, steps: int) -> dict:
    """The chip in Python integers, neuron by neuron of a small network: 64-bit sums in units of
    2**6, potentials of 24 bits, a spike that arrives one step later."""
    import torch

    encoder = Encoder(network.coding, torch.from_numpy(samples).reshape(-1, *network.input_shape))
    shapes = {INPUT: network.input_shape} | {x.name: x.shape for x in network.layers}
    before = {name: np.zeros((len(samples), *shape), np.int64) for name, shape in shapes.items()}
    potential = {
        layer.name: np.zeros((len(samples), *layer.shape), np.int64)
        + layer.v0.astype(np.int64)[:, None, None] * 64
        for layer in network.layers
    }
    fired: dict[str, list[np.ndarray]] = {}
    sent = {name: np.zeros_like(spikes) for name, spikes in before.items()}
    for _ in range(steps):
        now = {INPUT: encoder.step().numpy().astype(np.int64)}
        for layer in network.layers:
            current = np.zeros((len(samples), *layer.shape), np.int64)
            for c in layer.connections:
                weight = torch.from_numpy(c.weight.astype(np.int64) << c.exponent).double()
                arriving = torch.from_numpy(before[c.source]).double()
                current += apply(c, weight, arriving).numpy().astype(np.int64)
            v = potential[layer.name]
            v += (current + layer.bias.astype(np.int64)[:, None, None]) * 64
            np.clip(v, -(2**23) + 1, 2**23 - 1, out=v)
            if layer.threshold is not None:
                threshold = int(layer.threshold) * 64
                spikes = (v > threshold).astype(np.int64)
                if network.signed:
                    spikes[(v < 0) & (sent[layer.name] > 0)] = -1
                    sent[layer.name] += spikes
                v -= v * spikes if network.reset == "zero" else threshold * spikes
                now[layer.name] = spikes
        for name, spikes in now.items():
            fired.setdefault(name, []).append(spikes)
        before = now
    return {name: np.stack(trains) for name, trains in fired.items()} | {
        "potential": potential[network.layers[-1].name] / 64
    }


@pytest.mark.parametrize("coding", ["events", "graded"])
@pytest.mark.parametrize(
    ("reset", "signed"), [("subtract", False), ("subtract", True), ("zero", False)]
)
@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL])
def test_the_simulator_is_the_chip_in_whole_numbers(hub, reset, signed, coding):
    from dataclasses import replace

    samples = samples_for(hub, 4)
    network = replace(to_fixed_point(spiking_of(hub, coding), 3.0), reset=reset, signed=signed)
    trace = simulate(network, samples, [16], DYNAMICS, record=True)
    expected = in_whole_numbers(network, samples, 16)
    for name, train in trace.trains.items():
        np.testing.assert_array_equal(train, expected[name])
        assert train.any()
    if coding == "events":  # a value that stays the same makes no neuron fire too often
        hidden = [train for name, train in trace.trains.items() if name != INPUT]
        assert any((train < 0).any() for train in hidden) == signed
    np.testing.assert_array_equal(trace.potentials[16], expected["potential"])


@settings(max_examples=15)
@given(scale=st.floats(1e-3, 1e3), spread=st.floats(1e-2, 1e2), bias=st.floats(0, 50))
def test_every_number_fits_its_register(scale, spread, bias):
    hub = hub_of(
        "float[1,4] x",
        "a = Gemm<transB=1>(x, w, b) r = Relu(a) c = Gemm<transB=1>(r, v, e) d = Add(c, r) "
        "s = Relu(d) y = Gemm<transB=1>(s, m, g)",
        "float[4,4] w, float[4] b, float[4,4] v, float[4] e, float[3,4] m, float[3] g",
    )
    for name, factor in (("w", scale), ("v", spread), ("b", bias), ("e", bias)):
        value = hub.graph.initializers[name]
        import onnx_ir as ir

        value.const_value = ir.tensor(value.const_value.numpy() * np.float32(factor), name=name)
    samples = samples_for(hub, 64)
    rates = rates_of(hub, samples)
    from edgecompile.backends.spiking.convert import to_spiking

    peak = float(np.abs(outputs_of(rates, samples)).max())
    network = to_fixed_point(to_spiking(rates, "events"), peak)
    for layer in network.layers:
        for connection in layer.connections:
            assert not (connection.weight % 2).any()
            assert -256 <= connection.weight.min() <= connection.weight.max() <= 254
            assert connection.exponent >= 0
        mantissas = layer.bias / 2.0 ** bias_exponent(layer)
        assert np.abs(mantissas).max() < 2**12
        assert (mantissas == np.rint(mantissas)).all()
        if layer.threshold is not None:
            assert 1 <= layer.threshold < 2**17
    interval = reading_interval(network, peak, 32)
    trace = simulate(network, samples, range(interval, 33, interval), DYNAMICS)
    read = np.diff([trace.potentials[step] for step in sorted(trace.potentials)], axis=0)
    assert np.abs(read).max() < 2**17 - 1, "the read-out is full"
    assert 16 % interval == 0


@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL])
def test_fixed_point_outputs_are_near_the_anns(hub):
    samples = samples_for(hub, 100)
    wanted = outputs_of(rates_of(hub), samples)
    network = to_fixed_point(spiking_of(hub, "graded"), float(np.abs(wanted).max()))
    trace = simulate(network, samples, [32, 64], DYNAMICS)
    outputs = outputs_at(network, trace, 64)
    assert np.square(outputs - wanted).mean() < 0.02 * wanted.var()


@pytest.mark.parametrize("signed", [False, True])
def test_what_fired_too_often_is_taken_back_by_signed_spikes_only(signed):
    one = Connection(INPUT, np.full((1, 1), 2, np.float32))
    out = Connection("neuron", np.full((1, 1), 2, np.float32))
    zero = np.zeros(1)
    layers = (
        SpikingLayer("neuron", (1, 1, 1), (one,), zero, 2.0, np.ones(1)),
        SpikingLayer("readout", (1, 1, 1), (out,), zero, None, zero),
    )
    network = SpikingNetwork((1, 1, 1), layers, InputCoding("events", 1.0, True), signed=signed)
    spikes = np.array([1] * 4 + [-1] * 6 + [1] * 3 + [0] * 5).reshape(-1, 1, 1, 1, 1)
    train = simulate(network, spikes, [18], DYNAMICS, record=True, given=spikes).trains["neuron"]
    # The sum of what came in is 4, then -2, then 1: none can be owed meanwhile.
    assert train.ravel().cumsum()[[4, 10, 17]].tolist() == ([4, 0, 1] if signed else [4, 4, 4])
