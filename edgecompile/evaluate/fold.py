"""Compute what depends on constants alone once, not at every sample."""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper

from edgecompile.evaluate.outputs import Array


def fold_constants(model: bytes) -> bytes:
    """The model with the values of the nodes that read only constants in place of these nodes.

    They are what ONNX Runtime computes for them. Such nodes round weights and scale them back, on
    which a quantized network of matrix products spends most of its time when every node is
    executed as the graph says.
    """
    whole = onnx.load_from_string(model)
    graph = whole.graph
    known = {tensor.name for tensor in graph.initializer}
    static: list[onnx.NodeProto] = []
    rest: list[onnx.NodeProto] = []
    for node in graph.node:
        is_static = bool(node.input) and known.issuperset(filter(None, node.input))
        (static if is_static else rest).append(node)
        known.update(node.output if is_static else ())
    read = {name for node in rest for name in node.input} | {o.name for o in graph.output}
    wanted = sorted({name for node in static for name in node.output} & read)
    if not wanted:
        return model
    values = _compute(static, wanted, whole)
    del graph.node[:]
    graph.node.extend(rest)
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in zip(wanted, values, strict=True)
    )
    folded: bytes = whole.SerializeToString()
    return folded


def _compute(nodes: list[onnx.NodeProto], wanted: list[str], whole: onnx.ModelProto) -> list[Array]:
    import onnxruntime as ort

    graph = helper.make_graph(
        nodes,
        "constants",
        [],
        [helper.make_empty_tensor_value_info(name) for name in wanted],
        whole.graph.initializer,
    )
    model = helper.make_model(graph, opset_imports=whole.opset_import, ir_version=whole.ir_version)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values: list[Array] = session.run(wanted, {})
    return values
