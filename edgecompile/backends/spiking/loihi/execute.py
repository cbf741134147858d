"""The chip's network executed, whichever program its neurons run."""

from __future__ import annotations

from collections.abc import Sequence

from edgecompile.backends.spiking.loihi.fixed_point import DYNAMICS
from edgecompile.backends.spiking.loihi.sigma_delta import settled_outputs, simulate_sigma_delta
from edgecompile.backends.spiking.network import SpikingNetwork
from edgecompile.backends.spiking.simulate import Trace, outputs_at, simulate
from edgecompile.graph.hub import Array


def execute(
    network: SpikingNetwork, samples: Array, steps: Sequence[int], *, record: bool = False
) -> tuple[Trace, dict[int, Array]]:
    """What the simulator saw, and the model's outputs after each number of `steps`.

    Sigma-delta neurons take as many steps as the network is deep, whatever `steps` says.
    """
    if network.reset == "sigma-delta":
        trace = simulate_sigma_delta(network, samples, record=record)
        return trace, {trace.steps: settled_outputs(network, trace)}
    points = sorted({*steps, *(number // 2 for number in steps)})
    trace = simulate(network, samples, points, DYNAMICS, record=record)
    return trace, {number: outputs_at(network, trace, number) for number in steps}
