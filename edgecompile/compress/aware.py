"""Quantization-aware fine-tuning: the weights learn to be rounded, the float hub teaches them.

The last resort, since it takes minutes. What is trained is the hub itself, with its own pairs:
what the devices compute is what the loss sees (Jacob et al., Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from edgecompile.compress.decision import Decision, place
from edgecompile.compress.differentiable import DifferentiableHub
from edgecompile.compress.training.loop import Batch, Training, fixed_threads, train
from edgecompile.compress.training.losses import cross_entropy
from edgecompile.compress.weights import QuantizedWeight, largest
from edgecompile.graph.constants import dequantized_constant
from edgecompile.graph.hub import (
    Array,
    add_constant,
    constant,
    infer_shapes,
    name_of,
    remove_unused_constants,
)
from edgecompile.graph.qdq import WEIGHT_INPUT

if TYPE_CHECKING:
    import torch

_BIAS = 2


@dataclass(frozen=True)
class _Weight:
    """What is learned of one weight, as parts of its range: 1 is the largest integer.

    So one learning rate suits weights of all sizes and bits.
    """

    parts: torch.nn.Parameter
    range: torch.Tensor
    """The largest value, in a shape that broadcasts."""
    scale: Array
    bits: int

    @classmethod
    def of(cls, node: ir.Node, bits: int) -> _Weight:
        """Starts at the integers that are decided."""
        import torch

        pair, most = dequantized_constant(_weight_of(node)), largest(bits)
        assert pair is not None
        shape = [1] * pair.data.ndim
        if pair.axis is not None:
            shape[pair.axis] = -1
        return cls(
            torch.nn.Parameter(torch.from_numpy(pair.data.astype(np.float32) / most)),
            torch.from_numpy((pair.scale.reshape(shape) * most).astype(np.float32)),
            pair.scale,
            bits,
        )

    def rounded(self) -> torch.Tensor:
        """The values that the integers stand for; the slope passes through."""
        kept, most = self.parts.clamp(-1, 1), largest(self.bits)
        return self.range * (kept + ((kept * most).round() / most - kept).detach())

    def real(self) -> Array:
        """The numbers that were rounded, float32."""
        return (self.parts * self.range).detach().numpy()

    def quantized(self) -> QuantizedWeight:
        """The integers."""
        steps = (self.parts.clamp(-1, 1) * largest(self.bits)).detach().round()
        integers = np.ascontiguousarray(steps.numpy().astype(np.int8))
        return QuantizedWeight(integers, self.scale, self.bits)


@dataclass(frozen=True)
class _Bias:
    """What is learned of one bias, as parts of its largest number."""

    parts: torch.nn.Parameter
    largest: float

    @classmethod
    def of(cls, array: Array) -> _Bias:
        import torch

        most = float(np.abs(array).max()) or 1.0
        return cls(torch.nn.Parameter(torch.from_numpy(array / np.float32(most))), most)

    def real(self) -> torch.Tensor:
        """The bias."""
        return self.parts * self.largest


def fine_tune(decision: Decision, training: Training, seed: int) -> Decision:
    """The decision with other integers and biases; its scales and ranges are kept.

    The same arguments give the same bytes.

    Raises:
        UserError: an operator has no derivative here, or the loss became NaN or infinite.
    """
    import torch

    hub = infer_shapes(place(decision))
    student, teacher = DifferentiableHub(hub), DifferentiableHub(infer_shapes(decision.hub))
    nodes = {
        node.name or "": node
        for node in hub.graph
        if node.name in decision.weights and node.name not in decision.float_nodes
    }
    weights = {name: _Weight.of(node, decision.weights[name].bits) for name, node in nodes.items()}
    biases = {
        name_of(value): _Bias.of(array)
        for value in map(_bias_of, nodes.values())
        if value is not None and (array := constant(value)) is not None
    }

    def loss_of(batch: Batch) -> torch.Tensor:
        learned = {name: bias.real() for name, bias in biases.items()}
        learned |= {name_of(_weight_of(nodes[name])): w.rounded() for name, w in weights.items()}
        with torch.no_grad():
            wanted = teacher(batch.mixed.images, {})
        return _loss(student(batch.mixed.images, learned), wanted, batch, training.distillation)

    parameters = [w.parts for w in weights.values()] + [b.parts for b in biases.values()]
    with fixed_threads():
        train(parameters, training, seed, loss_of)
    values = {name: bias.real().detach().numpy() for name, bias in biases.items()}
    return replace(
        decision,
        hub=_with_constants(decision.hub, weights, values),
        weights={**decision.weights, **{name: w.quantized() for name, w in weights.items()}},
    )


def _loss(
    found: Sequence[torch.Tensor],
    wanted: Sequence[torch.Tensor],
    batch: Batch,
    distillation: float,
) -> torch.Tensor:
    """The squared distance to the teacher's outputs in units of their variance: the two networks
    have the same weights but for rounding, so they can agree in every output."""
    import torch

    distance = torch.stack(
        [
            (f - w).square().mean() / w.var().clamp_min(1e-12)
            for f, w in zip(found, wanted, strict=True)
        ]
    ).sum()
    if batch.classes is None:
        return distance
    labels = cross_entropy(found[0], batch.classes, batch.mixed)
    return distillation * distance + (1 - distillation) * labels


def _weight_of(node: ir.Node) -> ir.Value:
    value = node.inputs[WEIGHT_INPUT]
    assert value is not None
    return value


def _bias_of(node: ir.Node) -> ir.Value | None:
    value = node.inputs[_BIAS] if len(node.inputs) > _BIAS else None
    return value if constant(value) is not None else None


def _with_constants(
    hub: ir.Model, weights: Mapping[str, _Weight], biases: Mapping[str, Array]
) -> ir.Model:
    """A copy of the float hub with what was learned."""
    result = ir.from_proto(ir.to_proto(hub))
    for node in result.graph:
        learned = weights.get(node.name or "")
        if learned is None:
            continue
        weight = add_constant(result.graph, f"{node.name}.tuned_weight", learned.real())
        node.replace_input_with(WEIGHT_INPUT, weight)
        bias = _bias_of(node)
        if bias is not None and name_of(bias) in biases:
            name = f"{node.name}.tuned_bias"
            value = add_constant(result.graph, name, biases[name_of(bias)])
            node.replace_input_with(_BIAS, value)
    remove_unused_constants(result.graph)
    return result
