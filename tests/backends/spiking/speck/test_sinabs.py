"""The step simulation is sinabs'. It asks for an older nir than ours, so it is no dependency:
``pip install matplotlib pbr; pip install --no-deps sinabs==3.1.3`` in an environment of its own."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pytest
import torch

from edgecompile.backends.spiking.network import INPUT
from edgecompile.backends.spiking.nir_file import write_nir
from edgecompile.backends.spiking.simulate import simulate
from edgecompile.backends.spiking.speck.integers import DYNAMICS
from tests.backends.spiking.networks import step_by_step
from tests.backends.spiking.speck.chains import HUBS, chip_of
from tests.hubs import samples_for

SAMPLES, STEPS = 8, 24

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(importlib.util.find_spec("sinabs") is None, reason="sinabs is not here"),
]


def iaf(layer):
    """sinabs' neuron, with the chip's floor and start."""
    import sinabs.layers as sl

    neuron = sl.IAF(spike_threshold=layer.threshold, min_v_mem=DYNAMICS.limits[0])
    neuron.v_mem = torch.tensor(layer.v0).float().reshape(1, -1, 1, 1).expand(SAMPLES, *layer.shape)

    def step(current):
        return neuron(current[:, None])[:, 0].detach()

    return step


@pytest.mark.parametrize("name", HUBS)
def test_spikes_are_those_of_sinabs_neurons(name):
    network = chip_of(HUBS[name])
    trace = simulate(network, samples_for(HUBS[name], SAMPLES), [STEPS], DYNAMICS, record=True)
    theirs = step_by_step(network, trace.trains[INPUT], iaf)
    for population, spikes in theirs.items():
        assert spikes.any()
        np.testing.assert_array_equal(trace.trains[population], spikes)


@pytest.mark.parametrize("name", ["chain", "depthwise"])
def test_sinabs_reads_the_file_and_spikes_equally_once_told_where_potentials_start(name, tmp_path):
    import sinabs.layers as sl
    from sinabs.nir import from_nir

    network = chip_of(HUBS[name])
    write_nir(network, tmp_path / "model.nir")
    trace = simulate(network, samples_for(HUBS[name], SAMPLES), [STEPS], DYNAMICS, record=True)
    import nir

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = from_nir(nir.read(tmp_path / "model.nir", type_check=False), batch_size=SAMPLES)
    modules = dict(read.named_modules())
    for layer in network.layers[:-1]:
        neuron = modules[layer.name]
        assert isinstance(neuron, sl.IAFSqueeze)
        start = torch.tensor(layer.v0).float().reshape(1, -1, 1, 1)
        neuron.v_mem.data = start.expand(SAMPLES, *layer.shape).clone()
        neuron.min_v_mem = torch.nn.Parameter(torch.tensor(DYNAMICS.limits[0]), False)
    trains = torch.from_numpy(trace.trains[INPUT]).float()
    with torch.no_grad():
        counted = read(trains.transpose(0, 1).flatten(0, 1))
    counted = counted[0] if isinstance(counted, tuple) else counted
    counted = counted.reshape(SAMPLES, STEPS, *counted.shape[1:]).sum(1).numpy()
    outputs = trace.trains[network.layers[-2].name].sum(0).astype(int)
    pairs = outputs.shape[1] // 2
    assert outputs.any()
    np.testing.assert_array_equal(
        counted.reshape(SAMPLES, -1), (outputs[:, :pairs] - outputs[:, pairs:]).reshape(SAMPLES, -1)
    )
