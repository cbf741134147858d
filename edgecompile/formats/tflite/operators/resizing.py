"""Resize: RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.formats.tflite.emission import Emission
from edgecompile.formats.tflite.flatbuffer import make_options
from edgecompile.formats.tflite.operators.entry import Operator
from edgecompile.graph.layout import CHANNELS_LAST
from edgecompile.graph.reading import rank_of, refuse_resized_sizes, resize_mode

_MODES = {
    ("nearest", "asymmetric"): ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions", {}),
    ("linear", "asymmetric"): ("RESIZE_BILINEAR", "ResizeBilinearOptions", {}),
    ("linear", "half_pixel"): (
        "RESIZE_BILINEAR",
        "ResizeBilinearOptions",
        {"halfPixelCenters": True},
    ),
    ("linear", "pytorch_half_pixel"): (
        "RESIZE_BILINEAR",
        "ResizeBilinearOptions",
        {"halfPixelCenters": True},
    ),
    ("linear", "align_corners"): (
        "RESIZE_BILINEAR",
        "ResizeBilinearOptions",
        {"alignCorners": True},
    ),
}
"""By ONNX mode and coordinate transformation. pytorch_half_pixel differs from half_pixel only
for an output of one pixel."""


def _refuse_resize(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) != 4:
        return "only images (4-D) are resized"
    mode = resize_mode(node)
    if mode not in _MODES:
        return f"Resize with mode {mode[0]} and coordinates {mode[1]} has no TFLite operator"
    if mode[0] == "nearest" and node.attributes.get_string("nearest_mode", "") != "floor":
        return "nearest resizing is written for nearest_mode floor only, as torch exports it"
    if node.attributes.get_int("antialias", 0):
        return "antialiasing is not written"
    return refuse_resized_sizes(node)


def emit_resize(emission: Emission, node: ir.Node) -> None:
    """The new height and width as a constant; scales are only how ONNX came to them."""
    name, kind, fields = _MODES[resize_mode(node)]
    x = emission.activation(node, 0, CHANNELS_LAST)
    result = emission.result(node, CHANNELS_LAST)
    size = emission.writer.integers(result.stored[1:3])
    version = (3 if "halfPixelCenters" in fields else 2) if x.params is not None else 1
    if x.params is None and "halfPixelCenters" in fields:
        version = 3
    emission.op(name, [x, size], [result], make_options(kind, **fields), version)


OPERATORS = {"Resize": Operator(emit_resize, _refuse_resize)}
