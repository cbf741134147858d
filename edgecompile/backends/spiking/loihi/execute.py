"""The chip's network executed, whichever program its neurons run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecompile.backends.spiking.loihi.fixed_point import DYNAMICS
from edgecompile.backends.spiking.loihi.sigma_delta import settled_outputs, simulate_sigma_delta
from edgecompile.backends.spiking.network import SpikingNetwork
from edgecompile.backends.spiking.simulate import Trace, outputs_at, simulate
from edgecompile.errors import UserError
from edgecompile.graph.hub import Array


def execute(
    network: SpikingNetwork, samples: Array, steps: Sequence[int], *, record: bool = False
) -> tuple[Trace, dict[int, Array]]:
    """What the simulator saw, and the model's outputs after each number of `steps`.

    Sigma-delta neurons take as many steps as the network is deep, whatever `steps` says. Samples
    are (samples, *shape of one); where the network's input is `given`, (samples, steps, *shape).

    Raises:
        UserError: samples of the other kind, or with fewer steps.
    """
    spikes = network.coding.kind == "given"
    if spikes != (samples.ndim == len(network.sample_shape) + 2):
        wanted = "spikes, step by step (model.input.steps)" if spikes else "samples without steps"
        raise UserError(
            f"the artifact takes {wanted}, and the data have the shape {list(samples.shape)}",
            remedy="use the recipe that the artifact was built by",
        )
    if network.reset == "sigma-delta":
        trace = simulate_sigma_delta(network, samples, record=record)
        return trace, {trace.steps: settled_outputs(network, trace)}
    points = sorted({*steps, *(number // 2 for number in steps)})
    given = None
    if spikes:
        if samples.shape[1] < max(steps):
            raise UserError(
                f"the artifact takes {max(steps)} steps, and the data have {samples.shape[1]}",
                remedy="use the recipe that the artifact was built by",
            )
        count, length = samples.shape[:2]
        given = np.moveaxis(samples.reshape(count, length, *network.input_shape), 1, 0)
    trace = simulate(network, samples, points, DYNAMICS, record=record, given=given)
    return trace, {number: outputs_at(network, trace, number) for number in steps}
