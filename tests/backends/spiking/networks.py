"""Small float hubs that become spiking networks, and the networks."""

from __future__ import annotations

import numpy as np

from edgecompile.backends.spiking.convert import to_spiking
from edgecompile.backends.spiking.decide import require_network
from edgecompile.backends.spiking.network import RateNetwork, SpikingNetwork
from edgecompile.backends.spiking.rates import with_ceilings
from tests.hubs import hub_of, samples_for

PLAIN = hub_of(
    "float[1,2,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) p = AveragePool<kernel_shape=[2,2], "
    "strides=[2,2]>(r) d = Conv<group=4,pads=[1,1,1,1]>(p, v, e) s = Relu(d) f = Flatten(s) "
    "y = Gemm<transB=1>(f, m, g)",
    "float[4,2,3,3] w, float[4] b, float[4,1,3,3] v, float[4] e, float[5,64] m, float[5] g",
)

WITHOUT_BIAS = hub_of(
    "float[1,1,8,8] x",
    "c = Conv(x, w) r = Relu(c) p = AveragePool<kernel_shape=[2,2], strides=[2,2]>(r) "
    "f = Flatten(p) y = Gemm<transB=1>(f, m)",
    "float[4,1,3,3] w, float[5,36] m",
)

RESIDUAL = hub_of(
    "float[1,3,8,8] x",
    "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) d = Conv<pads=[1,1,1,1]>(r, v, e) "
    "a = Add(d, r) s = Relu(a) "
    "z = Conv<kernel_shape=[3,3], pads=[0,0,1,1], strides=[2,2]>(s, u, h) "
    "t = Conv<kernel_shape=[1,1], strides=[2,2]>(s, q, k) n = Add(z, t) o = Relu(n) "
    "p = GlobalAveragePool(o) f = Flatten(p) y = Gemm<transB=1>(f, m, g)",
    "float[4,3,3,3] w, float[4] b, float[4,4,3,3] v, float[4] e, float[6,4,3,3] u, float[6] h, "
    "float[6,4,1,1] q, float[6] k, float[5,6] m, float[5] g",
)


def rates_of(hub, samples=None) -> RateNetwork:
    """The network of a hub with ceilings from random samples."""
    return with_ceilings(require_network(hub), samples_for(hub, 32) if samples is None else samples)


def spiking_of(hub, coding="events") -> SpikingNetwork:
    return to_spiking(rates_of(hub), coding)


def step_by_step(network: SpikingNetwork, trains: np.ndarray, neuron) -> list[np.ndarray]:
    """The spikes of each hidden layer when `neuron(layer)` gives a stateful step function: the
    same wiring as the simulator's, neurons by somebody else."""
    import torch

    from edgecompile.backends.spiking.maps import apply

    neurons = {layer.name: neuron(layer) for layer in network.layers[:-1]}
    fired: dict[str, list[np.ndarray]] = {name: [] for name in neurons}
    for spikes in torch.from_numpy(trains).float():
        now = {"input": spikes}
        for layer in network.layers[:-1]:
            current = sum(
                apply(c, torch.from_numpy(c.weight).float(), now[c.source])
                for c in layer.connections
            ) + torch.tensor(layer.bias).float().reshape(-1, 1, 1)
            now[layer.name] = neurons[layer.name](current)
            fired[layer.name].append(now[layer.name].numpy())
    return {name: np.stack(listed) for name, listed in fired.items()}
