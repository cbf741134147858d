"""The exported graph in its plainest form: constants folded, BatchNorm folded, no identities."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.errors import ToolchainFailed
from edgecompile.graph.batch_norm import turn_batch_norms_into_scales
from edgecompile.graph.divisions import turn_divisions_into_products
from edgecompile.graph.hub import infer_shapes, remove_unused_constants
from edgecompile.graph.one_pixel_pools import turn_one_pixel_pools_into_means
from edgecompile.graph.provenance import carry_provenance


def simplify(model: ir.Model) -> ir.Model:
    """Simplify with onnxsim and the exact rewrites of ours; provenance and static shapes are kept.

    Raises:
        ToolchainFailed: onnxsim fails, or says that its result is not equivalent.
    """
    import onnxsim

    proto = ir.to_proto(model)
    try:
        simplified, equivalent = onnxsim.simplify(proto)
    except Exception as error:  # onnxsim is native code: its errors have no common base
        raise ToolchainFailed(f"onnxsim failed: {error}") from error
    if not equivalent:
        raise ToolchainFailed("onnxsim's own check found the simplified graph not equivalent")
    result = ir.from_proto(simplified)
    result.producer_name = model.producer_name
    _remove_identities(result.graph)
    result = infer_shapes(result)
    carry_provenance(model, result)
    turn_batch_norms_into_scales(result)
    turn_one_pixel_pools_into_means(result)
    turn_divisions_into_products(result)
    remove_unused_constants(result.graph)
    return result


def _remove_identities(graph: ir.Graph) -> None:
    """``x -> Identity -> y`` becomes ``x``; one that makes a graph output of an input stays."""
    for node in list(graph):
        if node.op_type not in {"Identity", "Dropout"} or node.outputs[0].is_graph_output():
            continue
        source = node.inputs[0]
        assert source is not None
        ir.convenience.replace_all_uses_with(node.outputs[0], source)
        graph.remove(node, safe=True)
