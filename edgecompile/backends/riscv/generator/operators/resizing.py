"""Resize: the nearest pixel, or between four."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecompile.backends.riscv.generator.emission import Emission
from edgecompile.backends.riscv.generator.operators.entry import Operator
from edgecompile.backends.riscv.generator.storage import Pointer, Tensor
from edgecompile.backends.riscv.generator.text import real, structure
from edgecompile.graph.hub import Array
from edgecompile.graph.layout import CHANNELS_LAST
from edgecompile.graph.reading import rank_of, refuse_resized_sizes, resize_mode

_COORDINATES = frozenset({"asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"})


def coordinates(before: int, after: int, rule: str) -> Array:
    """Where each pixel of the result lies in the source along one axis, float32 (ONNX, Resize)."""
    index = np.arange(after, dtype=np.float32)
    scale = np.float32(after) / np.float32(before)
    if rule == "asymmetric":
        place = index / scale
    elif rule == "align_corners":
        place = index * np.float32(before - 1) / np.float32(max(after - 1, 1))
    elif rule == "pytorch_half_pixel" and after == 1:
        place = np.zeros(1, np.float32)
    else:
        place = (index + np.float32(0.5)) / scale - np.float32(0.5)
    return place.astype(np.float32)


def emit_resize(emission: Emission, node: ir.Node) -> None:
    """Tables say which pixels a row and a column of the result are made of."""
    mode, rule = resize_mode(node)
    x = emission.activation(node, 0, CHANNELS_LAST)
    y = emission.result(node, CHANNELS_LAST)
    places = [coordinates(x.shape[2 + i], y.shape[2 + i], rule) for i in (0, 1)]
    if mode == "nearest":
        _nearest(emission, node, x, y, places)
    else:
        _linear(emission, node, x, y, places)


def _nearest(emission: Emission, node: ir.Node, x: Tensor, y: Tensor, places: list[Array]) -> None:
    tables = [
        emission.constant_pointer(
            f"{node.name}_{name}",
            np.clip(np.floor(place), 0, size - 1).astype(np.int32),
        )
        for name, place, size in zip(("rows", "columns"), places, x.shape[2:], strict=True)
    ]
    sizes = [y.shape[2], y.shape[3], x.shape[3], x.shape[1] * x.dtype.itemsize]
    emission.call("pick_pixels", x.read(), y.write(), *tables, *map(str, sizes))


def _linear(emission: Emission, node: ir.Node, x: Tensor, y: Tensor, places: list[Array]) -> None:
    tables: list[Pointer] = []
    for name, place, size in zip(("rows", "columns"), places, x.shape[2:], strict=True):
        clipped = np.clip(place, 0, size - 1).astype(np.float32)
        first = np.floor(clipped).astype(np.int32)
        second = np.minimum(first + 1, size - 1).astype(np.int32)
        tables.append(
            emission.constant_pointer(f"{node.name}_{name}", np.stack([first, second], 1))
        )
        # A row at the border lies between itself and itself.
        ahead = np.where(first == second, np.float32(0.5), clipped - first)
        behind = np.where(first == second, np.float32(0.5), second - clipped)
        share = np.stack([behind, ahead], 1).astype(np.float32)
        tables.append(emission.constant_pointer(f"{node.name}_{name}_share", share))
    shape = {
        "rows": y.shape[2],
        "columns": y.shape[3],
        "width": x.shape[3],
        "channels": x.shape[1],
    }
    suffix = "f32" if x.params is None else f"s{x.params.bits}"
    extra = [] if x.params is None else [str(x.params.zero_point), real(x.params.scale)]
    arguments: list[str | Pointer] = [*tables, structure("resizing", shape), *extra]
    emission.call(f"resize_linear_{suffix}", x.read(), y.write(), *arguments)


def _refuse_resize(node: ir.Node) -> str | None:
    if rank_of(node.inputs[0]) != 4:
        return "only images (4-D) are resized"
    mode, rule = resize_mode(node)
    if mode not in {"nearest", "linear"} or rule not in _COORDINATES:
        return f"Resize with mode {mode} and coordinates {rule} is not written"
    if mode == "nearest" and (rule, node.attributes.get_string("nearest_mode", "")) != (
        "asymmetric",
        "floor",
    ):
        return "nearest resizing is written for asymmetric coordinates and nearest_mode floor only"
    if node.attributes.get_int("antialias", 0):
        return "antialiasing is not written"
    return refuse_resized_sizes(node)


OPERATORS = {"Resize": Operator(emit_resize, _refuse_resize)}
