"""LayerNormalization."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission
from edgecompile.backends.coreml.operators.entry import Operator
from edgecompile.graph.constants import is_static
from edgecompile.graph.reading import rank_of


def emit_layer_normalization(emission: Emission, node: ir.Node) -> None:
    """`layer_norm` over the axes from the node's on."""
    rank = rank_of(node.inputs[0])
    first = node.attributes.get_int("axis", -1) % rank
    gamma, beta = emission.real(node, 1), emission.real(node, 2)
    assert gamma is not None
    emission.op(
        node,
        "layer_norm",
        x=emission.input(node, 0),
        axes=list(range(first, rank)),
        gamma=emission.floats(gamma),
        **({} if beta is None else {"beta": emission.floats(beta)}),
        epsilon=emission.floats(node.attributes.get_float("epsilon", 1e-5)),
    )


def _refuse(node: ir.Node) -> str | None:
    if not all(is_static(value) for value in node.inputs[1:] if value is not None):
        return "weight and bias of LayerNormalization must be constant"
    return None


OPERATORS = {"LayerNormalization": Operator(emit_layer_normalization, _refuse)}
