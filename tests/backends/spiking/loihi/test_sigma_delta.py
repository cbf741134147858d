"""Sigma-delta neurons: equal to a chip that steps in whole numbers, near the ANN, and cheap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompile.backends.spiking.coding import Encoder
from edgecompile.backends.spiking.loihi.backend import LoihiBackend
from edgecompile.backends.spiking.loihi.mean_shift import without_mean_shift
from edgecompile.backends.spiking.loihi.sigma_delta import (
    delays,
    settled_outputs,
    simulate_sigma_delta,
    steps_of,
    to_sigma_delta,
)
from edgecompile.backends.spiking.maps import apply
from edgecompile.backends.spiking.network import INPUT, SpikingNetwork
from edgecompile.backends.spiking.rates import outputs_of
from edgecompile.backends.spiking.simulate import activity_of
from edgecompile.graph.macs import count_macs
from tests.backends.spiking.loihi.test_files import target
from tests.backends.spiking.networks import PLAIN, RESIDUAL, rates_of
from tests.hubs import hub_of, samples_for


def sigma_delta(hub, samples=None) -> SpikingNetwork:
    return to_sigma_delta(rates_of(hub, samples), 10.0)[0]


def step_by_step(network: SpikingNetwork, samples: np.ndarray) -> tuple[dict, np.ndarray]:
    """The chip in 64-bit integers: neurons that keep their sum and what they last sent, and send
    the difference; spikes take a step, and longer where a connection holds them back."""
    images = torch.from_numpy(samples).reshape(-1, *network.input_shape)
    first = Encoder(network.coding, images).step().numpy().astype(np.int64)
    zero = {
        name: np.zeros((len(samples), *network.shape_of(name)), np.int64)
        for name in (INPUT, *(layer.name for layer in network.layers))
    }
    sums = {name: array.copy() for name, array in zero.items()}
    last = {name: array.copy() for name, array in zero.items()}
    sent = {name: [] for name in zero}
    waits = delays(network)
    for step in range(steps_of(network)):
        for layer in network.layers:
            for connection, wait in zip(layer.connections, waits[layer.name], strict=True):
                came = step - 1 - wait
                if came < 0:
                    continue
                weight = torch.from_numpy(connection.weight.astype(np.int64) << connection.exponent)
                arriving = torch.from_numpy(sent[connection.source][came]).double()
                current = apply(connection, weight.double(), arriving).numpy()
                sums[layer.name] += current.astype(np.int64)
        assert max(np.abs(array).max() for array in sums.values()) < 2**23
        sent[INPUT].append(first if step == 0 else zero[INPUT])
        for layer in network.layers[:-1]:
            total = sums[layer.name] + layer.bias.astype(np.int64)[:, None, None]
            top, shift = (x[:, None, None] for x in vars(layer.message).values())
            half = (1 << shift) >> 1
            activity = np.minimum((np.maximum(total, 0) + half) >> shift, top)
            if step < network.depth_of(layer.name):
                activity = zero[layer.name]
            sent[layer.name].append(activity - last[layer.name])
            last[layer.name] = activity
    readout = network.layers[-1]
    return sent, sums[readout.name] + readout.bias.astype(np.int64)[:, None, None]


@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL])
def test_the_simulator_is_the_chip_step_by_step(hub):
    samples = samples_for(hub, 4)
    network = sigma_delta(hub)
    trace = simulate_sigma_delta(network, samples, record=True)
    sent, total = step_by_step(network, samples)
    for name, train in trace.trains.items():
        np.testing.assert_array_equal(train, np.stack(sent[name]))
        assert train.any()
    np.testing.assert_array_equal(trace.potentials[trace.steps], total)


@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL])
def test_its_outputs_are_near_the_anns_at_fewer_operations_than_it_multiplies(hub):
    samples = samples_for(hub, 100)
    wanted = outputs_of(rates_of(hub), samples)
    network = sigma_delta(hub)
    trace = simulate_sigma_delta(network, samples)
    outputs = settled_outputs(network, trace)
    assert np.square(outputs - wanted).mean() < 0.001 * wanted.var()
    assert 0 < activity_of(network, trace).operations < count_macs(hub)


@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL])
def test_biases_take_up_what_rounded_weights_add_on_average(hub):
    samples, others = samples_for(hub, 64, seed=5), samples_for(hub, 100, seed=6)
    rates = rates_of(hub)
    network, scales = to_sigma_delta(rates, 10.0)
    coarse = tuple(  # as if weights had 5 bits
        replace(
            layer,
            connections=tuple(replace(c, weight=c.weight // 16 * 16) for c in layer.connections),
        )
        for layer in network.layers
    )
    network = replace(network, layers=coarse)
    mended = without_mean_shift(network, rates, scales, samples)
    wanted = outputs_of(rates, others)
    before, after = (
        np.square(settled_outputs(n, simulate_sigma_delta(n, others)) - wanted).mean()
        for n in (network, mended)
    )
    assert after < 0.5 * before


@settings(max_examples=15)
@given(scale=st.floats(1e-3, 1e3), spread=st.floats(1e-2, 1e2), bias=st.floats(0, 50))
def test_no_sum_leaves_24_bits_and_no_message_a_byte(scale, spread, bias):
    import onnx_ir as ir

    hub = hub_of(
        "float[1,40] x",
        "a = Gemm<transB=1>(x, w, b) r = Relu(a) c = Gemm<transB=1>(r, v, e) d = Add(c, r) "
        "s = Relu(d) y = Gemm<transB=1>(s, m, g)",
        "float[40,40] w, float[40] b, float[40,40] v, float[40] e, float[3,40] m, float[3] g",
    )
    for name, factor in (("w", scale), ("v", spread), ("b", bias), ("e", bias)):
        value = hub.graph.initializers[name]
        value.const_value = ir.tensor(value.const_value.numpy() * np.float32(factor), name=name)
    network = sigma_delta(hub, samples_for(hub, 32))
    for layer in network.layers[:-1]:
        assert layer.message is not None
        assert 1 <= layer.message.top.min() <= layer.message.top.max() <= 255
    signs = np.sign(network.layers[0].connections[0].weight[:8]).astype(np.float32)
    samples = 1e6 * np.concatenate([signs, -signs])
    trace = simulate_sigma_delta(network, samples, record=True)
    sent, total = step_by_step(network, samples)  # it asserts that sums stay within 24 bits
    np.testing.assert_array_equal(trace.potentials[trace.steps], total)
    assert max(np.abs(train).max() for trains in sent.values() for train in trains) <= 255


def test_a_connection_that_would_have_to_wait_too_long_is_refused_with_the_layer():
    chain = ["a0 = Relu(x0)"]
    chain += [f"c{i} = Mul(a{i}, w) a{i + 1} = Relu(c{i})" for i in range(65)]
    hub = hub_of(
        "float[1,4] x",
        "x0 = Gemm<transB=1>(x, m) " + " ".join(chain) + " s = Add(a65, a0) t = Relu(s) "
        "y = Gemm<transB=1>(t, n)",
        "float[4,4] m, float[1,1] w, float[3,4] n",
    )
    (error,) = LoihiBackend().check(hub, target(), "spiking")
    assert error.rule == "loihi-delay"
    assert "65 layers nearer to the input" in error.message
    assert "neuron=signed" in (error.remedy or "")
    rules = {f.rule for f in LoihiBackend().check(hub, target(neuron="signed"), "spiking")}
    assert "loihi-delay" not in rules
