"""Resize by whole factors: `upsample_nearest_neighbor` and `upsample_bilinear`."""

from __future__ import annotations

import onnx_ir as ir

from edgecompile.backends.coreml.emission import Emission
from edgecompile.backends.coreml.operators.entry import Operator
from edgecompile.graph.hub import shape_of
from edgecompile.graph.reading import rank_of, resize_mode

_BILINEAR = {
    "asymmetric": {"align_corners": False, "half_pixel_centers": False},
    "half_pixel": {"align_corners": False, "half_pixel_centers": True},
    "pytorch_half_pixel": {"align_corners": False, "half_pixel_centers": True},
    "align_corners": {"align_corners": True, "half_pixel_centers": False},
}
"""By ONNX's coordinate transformation. pytorch_half_pixel differs from half_pixel only for an
output of one pixel."""


def emit_resize(emission: Emission, node: ir.Node) -> None:
    """The factors of height and width as constants."""
    source = node.inputs[0]
    assert source is not None
    before, after = shape_of(source), shape_of(node.outputs[0])
    mode, coordinates = resize_mode(node)
    kind, more = "upsample_nearest_neighbor", {}
    if mode == "linear":
        kind, more = "upsample_bilinear", _BILINEAR[coordinates]
    emission.op(
        node,
        kind,
        x=emission.variable(source),
        scale_factor_height=after[2] // before[2],
        scale_factor_width=after[3] // before[3],
        **more,
    )


def _refuse_resize(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) != 4:
        return "only images (4-D) are resized"
    mode, coordinates = resize_mode(node)
    if mode not in {"nearest", "linear"} or (mode == "linear" and coordinates not in _BILINEAR):
        return f"Resize with mode {mode} and coordinates {coordinates} is not written"
    rounding = node.attributes.get_string("nearest_mode", "")
    if mode == "nearest" and (rounding, coordinates) != ("floor", "asymmetric"):
        return "nearest resizing is written for floor and asymmetric only, as torch exports it"
    if node.attributes.get_int("antialias", 0):
        return "antialiasing is not written"
    return _refuse_sizes(node)


def _refuse_sizes(node: ir.Node) -> str | None:
    source = node.inputs[0]
    assert source is not None
    before, after = shape_of(source), shape_of(node.outputs[0])
    if before[:2] != after[:2] or any(after[i] % before[i] for i in (2, 3)):
        return "only height and width are resized, and by whole factors"
    return None


OPERATORS = {"Resize": Operator(emit_resize, _refuse_resize)}
