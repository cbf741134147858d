"""The range of every activation over the calibration samples."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.graph.hub import Array, is_float, name_of, serialize

Range = tuple[float, float]


def observe_ranges(hub: ir.Model, samples: Array) -> dict[str, Range]:
    """Minimum and maximum of every float activation of the float `hub`, by tensor name.

    One session computes all tensors of one sample at a time, so memory does not grow with the
    samples. `samples` are float32 (samples, *shape without batch).
    """
    import onnxruntime as ort

    probe = ir.from_proto(ir.to_proto(hub))
    known = {name_of(output) for output in probe.graph.outputs}
    for node in probe.graph:
        for value in node.outputs:
            if is_float(value) and name_of(value) not in known:
                probe.graph.outputs.append(value)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(serialize(probe), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    source = session.get_inputs()[0].name
    lows, highs = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for sample in samples:
        for index, tensor in enumerate(session.run(names, {source: sample[None]})):
            lows[index] = min(lows[index], tensor.min())
            highs[index] = max(highs[index], tensor.max())
    ranges = {
        name: (float(low), float(high)) for name, low, high in zip(names, lows, highs, strict=True)
    }
    ranges[source] = (float(samples.min()), float(samples.max()))
    return ranges
