"""What flows through a hub: the tensors of one sample after another, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import Array, is_float, name_of, serialize


def observe(
    hub: ir.Model, samples: Array, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[dict[str, Array]]:
    """For each sample the float tensors whose name is `wanted`, the graph's input among them.

    One session computes one sample at a time, every node as the graph says, so memory does not
    grow with the samples. `samples` are float32 (samples, *shape without batch).
    """
    import onnxruntime as ort

    probe = ir.from_proto(ir.to_proto(hub))
    known = {name_of(output) for output in probe.graph.outputs}
    for node in probe.graph:
        for value in node.outputs:
            if is_float(value) and name_of(value) not in known and wanted(name_of(value)):
                probe.graph.outputs.append(value)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(serialize(probe), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs() if wanted(output.name)]
    source = session.get_inputs()[0].name
    for sample in samples:
        batch = np.ascontiguousarray(sample[None])
        # Asked for no names, a session gives all outputs.
        found = session.run(names, {source: batch}) if names else []
        tensors = dict(zip(names, found, strict=True))
        if wanted(source):
            tensors[source] = batch
        yield tensors
