"""Training through time for Lava's stock neurons, whose potential a spike sets to 0.

What exceeds the threshold is lost at each spike, so that the rates of a converted network are too
low; weights that know of it make good for that (surrogate gradients: Neftci et al., IEEE Signal
Processing Magazine 36(6), 2019). Neurons start at 0, as a netx file has it, and spikes take a step
from layer to layer, as on the chip.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecompile.backends.protocol import Tuning
from edgecompile.backends.spiking.coding import Encoder
from edgecompile.backends.spiking.finetune import Loss, classes_of, scaled_rates
from edgecompile.backends.spiking.loihi.options import LoihiOptions
from edgecompile.backends.spiking.maps import apply
from edgecompile.backends.spiking.network import INPUT, SpikingNetwork
from edgecompile.errors import TargetCannotRun, UserError
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import Array, serialize

if TYPE_CHECKING:
    import torch

STEPS = 16
"""That the training looks at, where the recipe does not say how many."""
_RATE, _BATCH, _CLIP = 5e-4, 32, 1.0
_SLOPE = 2.0
"""Of the arc tangent whose derivative stands for that of a spike: snntorch's own default."""


def train_stock(network: SpikingNetwork, tuning: Tuning, options: LoihiOptions) -> SpikingNetwork:
    """The network with resets to 0, trained on the training data by the ANN's outputs and labels.

    Raises:
        TargetCannotRun: the recipe has no training data.
        UserError: the training diverged.
    """
    import torch

    if tuning.training is None:
        raise TargetCannotRun(
            "stock neurons lose what exceeds the threshold: the network must be trained for them, "
            "and the recipe has no data to train on",
            remedy="name data.train, or lower.loihi.neuron=soft-reset",
        )
    samples, labels = tuning.training
    teacher = run_onnx(serialize(tuning.reference), samples)[0]
    loss_of = Loss(teacher, classes_of(labels, teacher))
    network = replace(network, reset="zero", layers=_at_rest(network))
    values = _parameters(network)
    steps = (options.steps or STEPS) + len(network.layers)
    optimizer = torch.optim.Adam(scaled_rates(values, _RATE))
    rows = max(1, len(samples) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs * rows)
    generator = torch.Generator().manual_seed(int(tuning.stage["seed"]))
    for _ in range(options.epochs):
        order = torch.randperm(len(samples), generator=generator).numpy()
        for row in range(rows):
            chosen = order[row * _BATCH : (row + 1) * _BATCH]
            loss = loss_of(_outputs(network, values, samples[chosen], steps), chosen)
            if not math.isfinite(loss.item()):
                raise UserError("training for stock neurons diverged")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(list(values.values()), _CLIP)
            optimizer.step()
            schedule.step()
    return _with_parameters(network, values)


def _at_rest(network: SpikingNetwork) -> tuple[Any, ...]:
    return tuple(replace(layer, v0=np.zeros_like(layer.v0)) for layer in network.layers)


def _sizes(network: SpikingNetwork) -> dict[str, float]:
    """What each layer is divided by while it learns, so that one learning rate suits all."""
    last = network.layers[-1]
    largest = max(float(np.abs(c.weight).max()) for c in last.connections)
    return {layer.name: layer.threshold or largest or 1.0 for layer in network.layers}


def _parameters(network: SpikingNetwork) -> dict[str, torch.Tensor]:
    import torch

    sizes, found = _sizes(network), {}
    for layer in network.layers:
        size = sizes[layer.name]
        for index, connection in enumerate(layer.connections):
            found[f"{layer.name}.{index}"] = torch.tensor(connection.weight / size).float()
        found[f"{layer.name}.bias"] = torch.tensor(layer.bias / size).float()
    for value in found.values():
        value.requires_grad_(True)
    return found


def _with_parameters(network: SpikingNetwork, values: dict[str, torch.Tensor]) -> SpikingNetwork:
    sizes, layers = _sizes(network), []

    def array(name: str, size: float) -> Array:
        result: Array = (values[name].detach() * size).numpy()
        return result

    for layer in network.layers:
        size = sizes[layer.name]
        connections = tuple(
            replace(c, weight=array(f"{layer.name}.{index}", size))
            for index, c in enumerate(layer.connections)
        )
        bias = array(f"{layer.name}.bias", size)
        layers.append(replace(layer, connections=connections, bias=bias))
    return replace(network, layers=tuple(layers))


def _outputs(
    network: SpikingNetwork, values: dict[str, torch.Tensor], samples: Array, steps: int
) -> torch.Tensor:
    """Outputs of some samples from the second half of the steps, differentiable."""
    import snntorch
    import torch
    from snntorch import surrogate

    images = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
    encoder = Encoder(network.coding, images.reshape(-1, *network.input_shape))
    neurons = {}
    for layer in network.layers[:-1]:
        neuron = snntorch.Leaky(
            beta=1.0,
            threshold=1.0,
            reset_mechanism="zero",
            reset_delay=True,  # with False, a saturated neuron of snntorch 1.0.0 falls silent
            init_hidden=True,
            spike_grad=surrogate.atan(alpha=_SLOPE),
        )
        neuron.mem = torch.zeros((len(images), *layer.shape))
        neurons[layer.name] = neuron
    before = {
        name: torch.zeros((len(images), *network.shape_of(name))) for name in [INPUT, *neurons]
    }
    last, total = network.layers[-1], None
    for step in range(1, steps + 1):
        now = {INPUT: encoder.step()}
        for layer in network.layers[:-1]:
            now[layer.name] = neurons[layer.name](_current(layer, values, before))
        if step > steps // 2:
            grown = _current(last, values, before)
            total = grown if total is None else total + grown
        before = now
    assert total is not None
    scale = _sizes(network)[last.name] / (steps - steps // 2)
    return (total * scale).reshape(len(images), *network.output_shape)


def _current(
    layer: Any, values: dict[str, torch.Tensor], arriving: dict[str, torch.Tensor]
) -> torch.Tensor:
    parts = [
        apply(c, values[f"{layer.name}.{index}"], arriving[c.source])
        for index, c in enumerate(layer.connections)
    ]
    result: torch.Tensor = sum(parts[1:], parts[0]) + values[f"{layer.name}.bias"][:, None, None]
    return result
