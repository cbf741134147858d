"""What the TFLite backend has to say about a hub: our emitter's word, or its converter's."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgecompile.backends.tflite.converter import can_convert
from edgecompile.findings import Finding
from edgecompile.formats.tflite.check import TABLE, check_operators, refused_nodes
from edgecompile.graph.provenance import finding_at


def check_hub(
    hub: ir.Model, device_operators: Sequence[str], *, may_convert: bool
) -> list[Finding]:
    """What `check_operators` says; but with `may_convert` (a float model), what only our emitter
    lacks is a warning: TensorFlow's converter takes over.
    """
    if may_convert and not device_operators and can_convert(hub):
        return [_left_to_tensorflow(node) for node, _ in refused_nodes(hub)]
    return check_operators(hub, device_operators)


def _left_to_tensorflow(node: ir.Node) -> Finding:
    return finding_at(
        node,
        "warning",
        "tflite-converter",
        f"edgecompile writes no {node.op_type}: TensorFlow's converter will make the whole file",
        reference=TABLE,
    )
