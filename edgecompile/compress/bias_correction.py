"""Biases that take back what quantization shifts the mean of each channel by.

(Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019,
section 4.2, with the means measured.)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecompile.compress.decision import Decision, write_hub
from edgecompile.compress.observe import observe
from edgecompile.graph.hub import (
    Array,
    add_constant,
    constant,
    name_of,
    remove_unused_constants,
)
from edgecompile.graph.qdq import WEIGHTED


def correct_biases(decision: Decision, samples: Array) -> Decision:
    """The decision for a float hub whose biases are moved, layer by layer from the input on.

    `samples` are float32 (samples, *shape without batch). A layer without a bias keeps none.
    """
    reference = decision.hub
    corrected = ir.from_proto(ir.to_proto(reference))
    names = [
        node.name or ""
        for node in reference.graph
        if node.op_type in WEIGHTED and node.name in decision.weights and _has_bias(node)
    ]
    wanted = _channel_means(reference, samples, names)
    for name in names:
        hub = write_hub(replace(decision, hub=corrected))
        found = _channel_means(hub, samples, [name])[name]
        _move_bias(corrected.graph, name, wanted[name] - found)
    remove_unused_constants(corrected.graph)
    return replace(decision, hub=corrected)


def _has_bias(node: ir.Node) -> bool:
    return len(node.inputs) > 2 and constant(node.inputs[2]) is not None


def _channel_means(hub: ir.Model, samples: Array, names: list[str]) -> dict[str, Array]:
    """The mean of each channel of the results of the named nodes, before any clamp."""
    outputs = {name_of(n.outputs[0]): n.name or "" for n in hub.graph if n.name in set(names)}
    sums: dict[str, Array] = {}
    for tensors in observe(hub, samples, outputs.__contains__):
        for output, name in outputs.items():
            tensor = tensors[output].astype(np.float64)
            channel = 1 if tensor.ndim > 2 else tensor.ndim - 1
            others = tuple(axis for axis in range(tensor.ndim) if axis != channel)
            sums[name] = sums.get(name, 0) + tensor.mean(axis=others)
    return {name: total / len(samples) for name, total in sums.items()}


def _move_bias(graph: ir.Graph, name: str, shift: Array) -> None:
    node = next(n for n in graph if n.name == name)
    bias = constant(node.inputs[2])
    assert bias is not None
    value = add_constant(graph, f"{name}.corrected_bias", (bias + shift).astype(np.float32))
    node.replace_input_with(2, value)
