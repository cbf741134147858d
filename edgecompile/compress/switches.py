"""A hub in which each quantization can be switched on and off from call to call.

One session then answers what each operator costs, and what each set of operators would give back:
a session for every question would take seconds and hundreds of megabytes each.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from edgecompile.compress.decision import Decision, place
from edgecompile.evaluate.session import run_each
from edgecompile.graph.constants import dequantized_constant
from edgecompile.graph.hub import Array, add_constant, constant, name_of, serialize
from edgecompile.graph.qdq import WEIGHT_INPUT

SWITCHES = "edgecompile.switches"


class SwitchedHub:
    """A session on the switchable form of a decision.

    Switches have names: ``weight:NODE`` and ``tensor:NAME`` (an activation of the float hub).
    """

    def __init__(self, decision: Decision) -> None:
        import onnxruntime as ort

        hub = place(decision)
        self.names = _insert_switches(hub, decision.hub)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = ort.InferenceSession(
            serialize(hub), options, providers=["CPUExecutionProvider"]
        )
        self._source = next(i.name for i in self._session.get_inputs() if i.name != SWITCHES)

    def run(self, samples: Array, on: Iterable[str]) -> list[Array]:
        """Outputs with only the named quantizations on; float32 (samples, ...) each."""
        wanted = set(on)
        state = np.array([name in wanted for name in self.names])

        def run_one(sample: Array) -> list[Array]:
            feed = {self._source: sample[None], SWITCHES: state}
            outputs: list[Array] = self._session.run(None, feed)
            return outputs

        return run_each(lambda: run_one, samples)


def _insert_switches(hub: ir.Model, plain: ir.Model) -> list[str]:
    """``x -> Q -> DQ -> y`` becomes ``y = Where(switch, DQ(Q(x)), x)``, in place; so do weights."""
    graph = hub.graph
    weights = {
        node.name: constant(node.inputs[WEIGHT_INPUT])
        for node in plain.graph
        if len(node.inputs) > WEIGHT_INPUT
    }
    switches = ir.Value(name=SWITCHES, type=ir.TensorType(ir.DataType.BOOL))
    names: list[str] = []
    for node in list(graph):
        if node.op_type != "DequantizeLinear":
            continue
        real = node.outputs[0]
        readers = [use.node for use in real.uses()]
        if dequantized_constant(real) is None:
            quantizer = node.inputs[0].producer() if node.inputs[0] is not None else None
            assert quantizer is not None
            source = quantizer.inputs[0]
            assert source is not None
            name = f"tensor:{name_of(source).removesuffix('.unquantized')}"
        else:
            reader = readers[0] if readers else None
            array = weights.get(reader.name) if reader is not None else None
            if reader is None or array is None or reader.inputs[WEIGHT_INPUT] is not real:
                continue  # the constant of a sum: it has no switch of its own
            name = f"weight:{reader.name}"
            source = add_constant(graph, f"{name}.float", array)
        _choose(graph, node, source, switches, len(names))
        names.append(name)
    switches.shape = ir.Shape([len(names)])
    graph.inputs.append(switches)
    return names


def _choose(
    graph: ir.Graph, node: ir.Node, source: ir.Value, switches: ir.Value, index: int
) -> None:
    real = node.outputs[0]
    position = add_constant(graph, f"{SWITCHES}.{index}", np.array(index, np.int64))
    gather = ir.node("Gather", [switches, position], name=f"{SWITCHES}.gather{index}")
    where = ir.node("Where", [gather.outputs[0], real, source], name=f"{SWITCHES}.where{index}")
    chosen = where.outputs[0]
    chosen.type, chosen.shape = real.type, real.shape
    for use in list(real.uses()):
        if use.node is not where:
            use.node.replace_input_with(use.idx, chosen)
    graph.insert_after(node, [gather, where])
    if real.is_graph_output():
        # Users read outputs by name.
        real_name = name_of(real)
        real.name, chosen.name = f"{real_name}.quantized", real_name
        for position_, output in enumerate(graph.outputs):
            if output is real:
                graph.outputs[position_] = chosen
