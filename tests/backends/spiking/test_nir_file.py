"""NIR files keep all that a chip does: our reader gives the same spikes, others' what they can."""

from __future__ import annotations

import importlib.util

import nir
import numpy as np
import pytest
import snntorch
import torch

from edgecompile.backends.spiking.coding import split_signs
from edgecompile.backends.spiking.network import INPUT
from edgecompile.backends.spiking.nir_file import read_nir, write_nir
from edgecompile.backends.spiking.simulate import outputs_at, simulate
from edgecompile.errors import UserError
from tests.backends.spiking.networks import PLAIN, RESIDUAL, spiking_of
from tests.hubs import hub_of, samples_for

ONE_LAYER = hub_of(
    "float[1,6] x",
    "a = Gemm<transB=1>(x, w, b) r = Relu(a) y = Gemm<transB=1>(r, v, e)",
    "float[5,6] w, float[5] b, float[3,5] v, float[3] e",
)
CHAIN = hub_of(
    "float[1,2,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) p = AveragePool<kernel_shape=[2,2], "
    "strides=[2,2]>(r) d = Conv(p, v, e) s = Relu(d) f = Flatten(s) y = Gemm<transB=1>(f, m, g)",
    "float[4,2,3,3] w, float[4] b, float[5,4,3,3] v, float[5] e, float[3,20] m, float[3] g",
)


@pytest.mark.parametrize("coding", ["events", "graded"])
@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL])
def test_a_network_that_was_written_spikes_as_before(hub, coding, tmp_path):
    network, samples = spiking_of(hub, coding), samples_for(hub, 6)
    write_nir(network, tmp_path / "model.nir", {"steps": 16})
    model = read_nir(tmp_path / "model.nir")
    assert model.facts == {"steps": 16}
    one, two = (simulate(n, samples, [8, 16], record=True) for n in (network, model.network))
    for name, train in one.trains.items():
        np.testing.assert_array_equal(train, two.trains[name])
    np.testing.assert_allclose(
        outputs_at(network, one, 16), outputs_at(model.network, two, 16), rtol=1e-6
    )


def test_the_same_network_gives_the_same_bytes(tmp_path):
    for name in ("one.nir", "two.nir"):
        write_nir(spiking_of(RESIDUAL), tmp_path / name)
    assert (tmp_path / "one.nir").read_bytes() == (tmp_path / "two.nir").read_bytes()


def test_another_file_is_refused(tmp_path):
    (tmp_path / "model.nir").write_bytes(b"no HDF5")
    with pytest.raises(UserError, match=r"model\.nir"):
        read_nir(tmp_path / "model.nir")
    graph = nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([2])}),
            "output": nir.Output({"output": np.array([2])}),
        },
        [("input", "output")],
    )
    nir.write(tmp_path / "foreign.nir", graph)
    with pytest.raises(UserError, match="edgecompile wrote"):
        read_nir(tmp_path / "foreign.nir")


def test_snntorchs_reader_keeps_the_weights_and_makes_other_neurons(tmp_path):
    """Why our reader exists: theirs makes another network of the same file, and says nothing."""
    from snntorch.import_nir import import_from_nir

    write_nir(spiking_of(ONE_LAYER), tmp_path / "model.nir")
    graph = nir.read(tmp_path / "model.nir")
    theirs = import_from_nir(graph)
    (neuron,) = (m for m in theirs.modules() if isinstance(m, snntorch.Leaky))
    assert float(neuron.beta) != 1.0  # an integrator without a leak is imported with one
    assert not neuron.mem.any()  # and one that starts half full, empty
    (linear, _) = (m for m in theirs.modules() if isinstance(m, torch.nn.Linear))
    network = read_nir(tmp_path / "model.nir").network
    np.testing.assert_array_equal(
        linear.weight.detach().numpy(), network.layers[0].connections[0].weight
    )


@pytest.mark.full
@pytest.mark.skipif(importlib.util.find_spec("sinabs") is None, reason="sinabs is not installed")
def test_sinabs_reads_our_file_and_spikes_the_same_once_told_what_nir_cannot_say(tmp_path):
    import sinabs.activation
    import sinabs.layers
    from sinabs.nir import from_nir

    from edgecompile.backends.spiking.simulate import Dynamics

    network, steps, count = split_signs(spiking_of(CHAIN)), 16, 8
    write_nir(network, tmp_path / "model.nir")
    trace = simulate(
        network, samples_for(CHAIN, count), [steps], Dynamics(strict=False), record=True
    )
    theirs = from_nir(nir.read(tmp_path / "model.nir"), batch_size=count)
    neurons = [m for m in theirs.modules() if isinstance(m, sinabs.layers.IAFSqueeze)]
    seen = []
    for layer, neuron in zip(network.layers, neurons, strict=False):
        v0 = torch.tensor(layer.v0).float().reshape(-1, *[1] * (neuron.spike_threshold.dim() - 1))
        neuron.v_mem.data = v0.expand(count, *neuron.spike_threshold.shape).clone()
        neuron.min_v_mem = torch.nn.Parameter(torch.tensor(-1e6), requires_grad=False)
        neuron.spike_fn = sinabs.activation.SingleSpike
        neuron.register_forward_hook(lambda m, i, o: seen.append(o.detach().numpy()))
    train = torch.from_numpy(trace.trains[INPUT]).float()
    with torch.no_grad():
        theirs(train.transpose(0, 1).flatten(0, 1))
    for layer, spikes in zip(network.layers[:-1], seen, strict=True):
        ours = trace.trains[layer.name].swapaxes(0, 1).reshape(spikes.shape)
        assert ours.sum() > 0
        assert np.abs(ours - spikes).sum() <= 1e-3 * ours.sum()
