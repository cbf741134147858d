"""Which of the hub's QDQ pairs TensorRT is given: those that its int8 kernels read.

A pair that no int8 kernel reads is rounding for nothing: TensorRT executes it as a kernel of its
own, or does not fuse across it, and the model becomes less accurate. The hub has a pair at each
tensor, because other devices compute every operator in int8. Numbers are never changed: a pair is
written as the hub has it, or left out.

Source of the rules: NVIDIA, TensorRT documentation, "Working with Quantized Types", section "Q/DQ
Layer-Placement Recommendations" (quantize all inputs of weighted operations; do not quantize their
outputs; quantize the residual input in skip connections).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from edgecompile.graph.clamps import CLAMPS
from edgecompile.graph.constants import dequantized_constant, is_static
from edgecompile.graph.hub import name_of, remove_unused_constants
from edgecompile.graph.provenance import provenance
from edgecompile.graph.qdq import SAME_SCALE, WEIGHTED

Reason = Literal["residual", "attention", "again", "float"]

REASONS: dict[Reason, str] = {
    "residual": "a convolution's sum goes into its residual addition before it is rounded",
    "attention": "the products of attention stay in float",
    "again": "a pair behind, after values were only moved, says the same",
    "float": "no int8 kernel reads them",
}

_MIXING = frozenset(
    {
        *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"),
        *("Concat", "Resize", "Max", "Min"),
    }
)
"""Operators with int8 kernels that read an int8 tensor if their own result is wanted in int8. What
only moves values (Reshape, Transpose ...) is not here: the pair behind it says the same, and
TensorRT moves that pair in front by itself."""


@dataclass(frozen=True)
class DroppedPair:
    """A pair of the hub that is not written: the tensor, where it came from, and why."""

    tensor: str
    module: str | None
    reason: Reason


def keep_needed_pairs(model: ir.Model) -> list[DroppedPair]:
    """Leave only the pairs that int8 kernels read, in place; returns the others.

    ``Conv -> Q -> DQ -> Add`` becomes ``Conv -> Add``; ``Gemm -> Q -> DQ -> Softmax -> Q -> DQ``
    becomes ``Gemm -> Softmax``. Pairs at the graph's outputs stay: they are the grid on which
    devices are compared.
    """
    graph = model.graph
    pairs = [node for node in graph if _is_activation_pair(node)]
    kept: set[str] = set()
    # Readers first: whether an operator reads int8 may depend on what its own result is wanted in.
    for pair in reversed(pairs):
        real = pair.outputs[0]
        if real.is_graph_output() or any(
            _reads_int8(use.node, use.idx, kept) for use in real.uses()
        ):
            kept.add(name_of(real))
    dropped = []
    for pair in pairs:
        if name_of(pair.outputs[0]) not in kept:
            dropped.append(DroppedPair(*_named(pair), _reason(pair, kept)))
    for pair in pairs:
        if name_of(pair.outputs[0]) not in kept:
            _remove_pair(graph, pair)
    remove_unused_constants(graph)
    return dropped


def _is_activation_pair(node: ir.Node) -> bool:
    """Is it the DequantizeLinear of a pair, not that of a constant?"""
    if node.op_type != "DequantizeLinear":
        return False
    producer = _producer(node, 0)
    return producer is not None and producer.op_type == "QuantizeLinear"


def _reads_int8(node: ir.Node, index: int, kept: set[str]) -> bool:
    """Does TensorRT read input `index` of `node` as int8, the pairs `kept` being there?"""
    if node.op_type in WEIGHTED:
        return index == 0 and dequantized_constant(node.inputs[1]) is not None
    if node.op_type in _MIXING:
        return all(_wanted_in_int8(output, kept) for output in node.outputs[:1])
    if node.op_type == "Add":
        return _skip_operand(node) == index and _wanted_in_int8(node.outputs[0], kept)
    return False


def _wanted_in_int8(value: ir.Value, kept: set[str]) -> bool:
    """Is there a kept pair behind the tensor, perhaps behind its Relu?"""
    readers = [use.node for use in value.uses()]
    if len(readers) == 1 and readers[0].op_type in CLAMPS:
        return _wanted_in_int8(readers[0].outputs[0], kept)
    if len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
        return False
    return any(name_of(use.node.outputs[0]) in kept for use in readers[0].outputs[0].uses())


def _skip_operand(node: ir.Node) -> int | None:
    """The operand of a residual addition that stays int8: the one that the fused kernel only reads.

    The other is the sum of a weighted operator that nothing else reads; of two such, the later one.
    None where the addition is not of that kind.
    """
    if any(is_static(value) for value in node.inputs):
        return None
    sums = [index for index in (0, 1) if _is_sum_for(node, index)]
    if not sums:
        return None
    return 1 - (sums[0] if len(sums) == 1 else max(sums, key=lambda i: _position(node, i)))


def _is_sum_for(node: ir.Node, index: int) -> bool:
    """Does the operand come from a weighted operator, for this addition only?"""
    pair = _producer(node, index)
    if pair is None or not _is_activation_pair(pair) or len(list(pair.outputs[0].uses())) != 1:
        return False
    quantize = _producer(pair, 0)
    weighted = None if quantize is None else _producer(quantize, 0)
    return weighted is not None and weighted.op_type in WEIGHTED


def _position(node: ir.Node, index: int) -> int:
    pair = _producer(node, index)
    assert pair is not None and node.graph is not None
    return list(node.graph).index(pair)


def _reason(pair: ir.Node, kept: set[str]) -> Reason:
    readers = [use.node for use in pair.outputs[0].uses()]
    if any(n.op_type == "Add" and _wanted_in_int8(n.outputs[0], kept) for n in readers):
        return "residual"
    if any(n.op_type == "MatMul" and not is_static(n.inputs[1]) for n in readers):
        return "attention"
    return "again" if _is_said_again(pair, kept) else "float"


def _is_said_again(pair: ir.Node, kept: set[str]) -> bool:
    """Is there a kept pair behind operators that only move values?"""
    moved = [u.node for u in pair.outputs[0].uses() if u.node.op_type in SAME_SCALE - _MIXING]
    behind = [
        real.node
        for node in moved
        for output in node.outputs
        for use in output.uses()
        if use.node.op_type == "QuantizeLinear"
        for real in use.node.outputs[0].uses()
    ]
    return any(name_of(n.outputs[0]) in kept or _is_said_again(n, kept) for n in behind)


def _named(pair: ir.Node) -> tuple[str, str | None]:
    quantize = _producer(pair, 0)
    assert quantize is not None and quantize.inputs[0] is not None
    return name_of(quantize.inputs[0]), provenance(pair).module


def _remove_pair(graph: ir.Graph, pair: ir.Node) -> None:
    quantize = _producer(pair, 0)
    assert quantize is not None
    source = quantize.inputs[0]
    assert source is not None
    ir.convenience.replace_all_uses_with(pair.outputs[0], source)
    graph.remove(pair, safe=True)
    if not quantize.outputs[0].uses():
        graph.remove(quantize, safe=True)


def is_dequantized(value: ir.Value | None) -> bool:
    """Does the tensor come from a DequantizeLinear?"""
    producer = None if value is None else value.producer()
    return producer is not None and producer.op_type == "DequantizeLinear"


def _producer(node: ir.Node, index: int) -> ir.Node | None:
    value = node.inputs[index]
    return None if value is None else value.producer()
