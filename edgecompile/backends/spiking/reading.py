"""From the float hub to populations and connections; what has no such form is a finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecompile.backends.spiking.network import (
    INPUT,
    Connection,
    Origin,
    Pads,
    Pair,
    RateLayer,
    RateNetwork,
    Shape,
)
from edgecompile.findings import Finding
from edgecompile.graph.constants import is_static, static_value
from edgecompile.graph.hub import Array, constant, infer_shapes, name_of, shape_of
from edgecompile.graph.provenance import finding_at, provenance
from edgecompile.graph.reading import auto_pads, integers_of, reduced_axes

SCALE_KEY, SIGNED_KEY = "edgecompile.spiking.input_scale", "edgecompile.spiking.input_signed"
"""Metadata of a hub that the spike step wrote."""

_DOCUMENT = "docs/spiking.md"
_INSTEAD = (
    "networks of Conv, Linear, ReLU or ReLU6, average pooling, residual additions, "
    "concatenations of channels and flatten "
    f"become spiking ones ({_DOCUMENT})"
)


class _Refusal(Exception):
    """A node without a form in spiking neurons."""


@dataclass(frozen=True)
class _Term:
    """A bare population, perhaps pooled and padded (`weight` None), or one behind a map."""

    source: str
    shape: Shape
    weight: Array | None = None
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    pool: Pair = (1, 1)
    pooling: str = "sum"
    factor: float = 1.0
    """Of a bare population: 1 / area of an average."""
    is_flat: bool = False
    place: Pair | None = None
    """Of a bare population that was concatenated: its first channel, and channels in all."""
    kept: Pair | None = None
    """Height and width that a Slice left of a bare population, counted from its start."""


@dataclass(frozen=True)
class _Linear:
    """A sum of terms and a bias per channel (None: 0)."""

    terms: tuple[_Term, ...]
    bias: Array | None = None

    @property
    def is_bare(self) -> bool:
        return self.bias is None and all(term.weight is None for term in self.terms)


def read_network(hub: ir.Model) -> tuple[RateNetwork | None, list[Finding]]:
    """The network of a float hub; None, and findings of level error, where it has no such form."""
    hub = infer_shapes(hub)
    findings = [
        _finding(node, f"{node.op_type} has no form in integrate-and-fire neurons")
        for node in hub.graph
        if node.op_type not in _READERS and not is_static(node.outputs[0])
    ]
    if findings:
        return None, findings
    reading = _Reading(hub)
    for node in hub.graph:
        if is_static(node.outputs[0]) or node.op_type == "Constant":
            continue
        try:
            _READERS[node.op_type](reading, node)
        except _Refusal as refusal:
            return None, [_finding(node, str(refusal))]
    try:
        return reading.network(), []
    except _Refusal as refusal:
        return None, [Finding("error", "spiking-form", str(refusal), remedy=_INSTEAD)]


def _finding(node: ir.Node, message: str) -> Finding:
    return finding_at(node, "error", "spiking-form", message, _INSTEAD, _DOCUMENT)


class _Reading:
    """What each tensor is, as a sum of maps of populations."""

    def __init__(self, hub: ir.Model) -> None:
        self.hub = hub
        (value,) = hub.graph.inputs
        self.sample_shape = shape_of(value)[1:]
        self.input_shape = _as_image(self.sample_shape)
        flat = len(self.sample_shape) == 1
        start = _Term(INPUT, self.input_shape, is_flat=flat)
        self.values: dict[str, _Linear] = {name_of(value): _Linear((start,))}
        self.layers: list[RateLayer] = []
        self._origins: dict[str, Origin] = {}

    def of(self, value: ir.Value | None) -> _Linear:
        assert value is not None
        return self.values[name_of(value)]

    def write(self, node: ir.Node, linear: _Linear) -> None:
        self.values[name_of(node.outputs[0])] = linear
        where = provenance(node)
        self._origins[name_of(node.outputs[0])] = Origin(node.name, where.module, where.source)

    def populate(self, node: ir.Node, ceiling: float | None) -> None:
        """A node that rectifies: its output is the activity of a new population."""
        value = node.inputs[0]
        assert value is not None
        # A file of NIR or HDF5 takes a slash for a folder.
        name = (node.name or name_of(node.outputs[0])).replace("/", ".")
        layer = self._layer(value, name, ceiling)
        self.layers.append(layer)
        flat = len(shape_of(node.outputs[0])) == 2
        self.write(node, _Linear((_Term(layer.name, layer.shape, is_flat=flat),)))

    def _layer(self, value: ir.Value, name: str, ceiling: float | None) -> RateLayer:
        linear = self.of(value)
        shape = _as_image(shape_of(value)[1:])
        connections = tuple(_connection(term) for term in linear.terms)
        for term, connection in zip(linear.terms, connections, strict=True):
            if connection.output_shape(term.shape) != shape:
                raise _Refusal(f"a map from {term.source} does not give the shape {list(shape)}")
        bias = np.zeros(shape[0], np.float32) if linear.bias is None else linear.bias
        origin = self._origins.get(name_of(value), Origin())
        return RateLayer(name, shape, connections, bias, ceiling, origin)

    def network(self) -> RateNetwork:
        if len(self.hub.graph.outputs) != 1:
            raise _Refusal("a spiking network has one output")
        (output,) = self.hub.graph.outputs
        last = self._layer(output, "readout", None)
        props = self.hub.metadata_props
        return RateNetwork(
            self.input_shape,
            (*self.layers, last),
            float(props.get(SCALE_KEY, "0")),
            props.get(SIGNED_KEY, "1") == "1",
            self.sample_shape,
            shape_of(output)[1:],
        )


def _as_image(shape: tuple[int, ...]) -> Shape:
    if len(shape) == 1:
        return (shape[0], 1, 1)
    if len(shape) == 3:
        return (shape[0], shape[1], shape[2])
    raise _Refusal(f"a tensor of shape {list(shape)}: populations are images or vectors")


def _connection(term: _Term) -> Connection:
    weight = term.weight
    groups = term.groups
    if term.kept is not None:
        raise _Refusal("a slice goes into a pool of it only")
    if weight is None and term.place is not None:
        weight = _placed(term)
    if weight is None:  # the population itself: a map of one weight per channel
        if term.is_flat and _pooled(term)[1:] != (1, 1):
            raise _Refusal("a flattened image goes into Linear only")
        groups = term.shape[0]
        weight = np.full((groups, 1, 1, 1), term.factor, np.float32)
    return Connection(
        term.source,
        np.ascontiguousarray(weight, np.float32),
        term.stride,
        term.pads,
        term.dilation,
        groups,
        term.pool,
        "max" if term.pooling == "max" else "sum",
    )


def _placed(term: _Term) -> Array:
    """A concatenated population as a map to all of the channels."""
    assert term.place is not None
    first, channels = term.place
    weight = np.zeros((channels, term.shape[0], 1, 1), np.float32)
    for channel in range(term.shape[0]):
        weight[first + channel, channel] = term.factor
    return weight


def _pooled(term: _Term) -> Shape:
    channels, height, width = term.shape
    return (channels, height // term.pool[0], width // term.pool[1])


def _bare(reading: _Reading, node: ir.Node, what: str) -> tuple[_Term, ...]:
    linear = reading.of(node.inputs[0])
    if not linear.is_bare:
        raise _Refusal(f"{what} behind another map, without a ReLU between")
    return linear.terms


def _read_conv(reading: _Reading, node: ir.Node) -> None:
    terms = _bare(reading, node, "a convolution")
    weight = static_value(node.inputs[1])
    bias = static_value(node.inputs[2]) if len(node.inputs) > 2 else None
    if weight is None or weight.ndim != 4 or auto_pads(node):
        raise _Refusal("only convolutions of images with constant weights and explicit pads")
    pads = integers_of(node, "pads", [0, 0, 0, 0])
    maps = []
    for term in terms:
        if term.is_flat:
            raise _Refusal("a convolution of a vector")
        own = weight
        if term.place is not None:
            if node.attributes.get_int("group", 1) > 1:
                raise _Refusal("a grouped convolution of a concatenation")
            own = weight[:, term.place[0] : term.place[0] + term.shape[0]]
        maps.append(
            replace(
                term,
                weight=own * np.float32(term.factor),
                factor=1.0,
                place=None,
                stride=_pair(node, "strides"),
                pads=_added(term.pads, pads),
                dilation=_pair(node, "dilations"),
                groups=node.attributes.get_int("group", 1),
            )
        )
    reading.write(node, _Linear(tuple(maps), bias))


def _added(pads: Pads, more: Sequence[int]) -> Pads:
    top, left, bottom, right = (a + b for a, b in zip(pads, more, strict=True))
    return top, left, bottom, right


def _pair(node: ir.Node, name: str) -> Pair:
    first, second = integers_of(node, name, [1, 1])
    return first, second


def _read_gemm(reading: _Reading, node: ir.Node) -> None:
    terms = _bare(reading, node, "a Linear")
    weight = static_value(node.inputs[1])
    bias = static_value(node.inputs[2]) if len(node.inputs) > 2 else None
    if weight is None or weight.ndim != 2:
        raise _Refusal("a matrix product of two activations")
    if node.op_type == "Gemm":
        factors = [node.attributes.get_float(name, 1.0) for name in ("alpha", "beta")]
        if factors != [1.0, 1.0] or bool(node.attributes.get_int("transA", 0)):
            raise _Refusal("Gemm with factors or a transposed input")
        if node.attributes.get_int("transB", 0):
            weight = weight.T
    if len(shape_of(node.outputs[0])) != 2:
        raise _Refusal("a matrix product over a sequence")
    maps = tuple(
        replace(
            term,
            weight=weight.T[:, _columns(term)] * np.float32(term.factor),
            factor=1.0,
            place=None,
        )
        for term in terms
    )
    columns = weight.shape[1]
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1), (columns,)).copy()
    reading.write(node, _Linear(maps, bias))


def _columns(term: _Term) -> slice:
    """Of a flattened concatenation, those that are this population's."""
    if term.place is None:
        return slice(None)
    _, height, width = _pooled(term)
    first = term.place[0] * height * width
    return slice(first, first + term.shape[0] * height * width)


def _read_concat(reading: _Reading, node: ir.Node) -> None:
    parts = [reading.of(value) for value in node.inputs]
    sizes = [shape_of(value)[1] for value in node.inputs if value is not None]
    rank = len(shape_of(node.outputs[0]))
    if node.attributes.get_int("axis") % rank != 1:
        raise _Refusal("a Concat along another axis than the channels")
    if not all(part.is_bare for part in parts):
        raise _Refusal("a Concat behind a map, without a ReLU between")
    terms: list[_Term] = []
    first, channels = 0, sum(sizes)
    for part, size in zip(parts, sizes, strict=True):
        for term in part.terms:
            own = first + (0 if term.place is None else term.place[0])
            if term.is_flat and _pooled(term)[1:] != (1, 1):
                raise _Refusal("a Concat of flattened images")
            terms.append(replace(term, place=(own, channels)))
        first += size
    reading.write(node, _Linear(tuple(terms)))


def _read_slice(reading: _Reading, node: ir.Node) -> None:
    terms = _bare(reading, node, "a Slice")
    assert node.inputs[0] is not None
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    starts = static_value(node.inputs[1])
    steps = static_value(node.inputs[4]) if len(node.inputs) > 4 else None
    from_start = starts is not None and not np.any(starts)
    strided = steps is not None and bool(np.any(steps != 1))
    if len(before) != 4 or before[:2] != after[:2] or not from_start or strided:
        raise _Refusal("a Slice of anything but the last rows and columns of an image")
    if any(term.pool != (1, 1) or any(term.pads) for term in terms):
        raise _Refusal("a Slice of pooled or padded images")
    kept = tuple(replace(term, kept=(after[2], after[3])) for term in terms)
    reading.write(node, _Linear(kept))


def _read_pool(reading: _Reading, node: ir.Node) -> None:
    terms = _bare(reading, node, "a pool")
    kind = "max" if node.op_type == "MaxPool" else "sum"
    pooled = []
    for term in terms:
        sizes = _pooled(term)[1:] if term.kept is None else term.kept
        if node.op_type in {"GlobalAveragePool", "ReduceMean"}:
            kernel = sizes
            spatial = sorted(axis % 4 for axis in reduced_axes(node)) == [2, 3]
            if node.op_type == "ReduceMean" and (len(term.shape) != 3 or not spatial):
                raise _Refusal("a mean over other axes than height and width")
        else:
            kernel = _windows(node, kind)
        if term.pooling == "max" or (kind == "max" and term.pool != (1, 1)) or any(term.pads):
            raise _Refusal("a pool of a pool of another kind, or of padded images")
        if term.kept is not None and _windows_in(term.kept, kernel) != _windows_in(
            term.shape[1:], kernel
        ):
            raise _Refusal("a slice of which a pool does not leave out the same")
        area = kernel[0] * kernel[1]
        pooled.append(
            replace(
                term,
                kept=None,
                pool=(term.pool[0] * kernel[0], term.pool[1] * kernel[1]),
                pooling=kind,
                factor=term.factor / (area if kind == "sum" else 1),
                is_flat=term.is_flat or len(shape_of(node.outputs[0])) == 2,
            )
        )
    reading.write(node, _Linear(tuple(pooled)))


def _windows_in(sizes: Sequence[int], kernel: Pair) -> Pair:
    return sizes[0] // kernel[0], sizes[1] // kernel[1]


def _windows(node: ir.Node, kind: str) -> Pair:
    kernel, strides = _pair(node, "kernel_shape"), _pair(node, "strides")
    padded = any(integers_of(node, "pads", [0, 0, 0, 0]))
    if kind == "max":
        # It is replaced by an average and trained: windows of the stride give the same size.
        return strides
    if kernel != strides or padded or bool(node.attributes.get_int("ceil_mode", 0)):
        raise _Refusal("an average pool whose windows overlap, or that pads")
    return kernel


def _read_add(reading: _Reading, node: ir.Node) -> None:
    static = [static_value(value) for value in node.inputs]
    if all(value is None for value in static):
        left, right = (reading.of(value) for value in node.inputs)
        biases = [b for b in (left.bias, right.bias) if b is not None]
        bias = np.sum(biases, axis=0) if biases else None
        reading.write(node, _Linear(left.terms + right.terms, bias))
        return
    constant_value = next(value for value in static if value is not None)
    linear = reading.of(node.inputs[0 if static[0] is None else 1])
    channels = shape_of(node.outputs[0])[1]
    bias = _per_channel(constant_value, channels, len(shape_of(node.outputs[0])))
    old = np.zeros(channels, np.float32) if linear.bias is None else linear.bias
    reading.write(node, replace(linear, bias=old + bias))


def _read_mul(reading: _Reading, node: ir.Node) -> None:
    static = [static_value(value) for value in node.inputs]
    factor = next((value for value in static if value is not None), None)
    if factor is None:
        raise _Refusal("a product of two activations")
    linear = reading.of(node.inputs[0 if static[0] is None else 1])
    channels = shape_of(node.outputs[0])[1]
    scale = _per_channel(factor, channels, len(shape_of(node.outputs[0])))
    terms = []
    for term in linear.terms:
        if term.weight is not None:
            shape = (-1, *[1] * (term.weight.ndim - 1))
            terms.append(replace(term, weight=term.weight * scale.reshape(shape)))
        elif np.all(scale == scale[0]):
            terms.append(replace(term, factor=term.factor * float(scale[0])))
        else:
            raise _Refusal("a factor per channel with no map before it")
    bias = None if linear.bias is None else linear.bias * scale
    reading.write(node, _Linear(tuple(terms), bias))


def _per_channel(value: Array, channels: int, rank: int) -> Array:
    full = np.broadcast_to(value, np.broadcast_shapes(value.shape, (1,) * rank))
    if full.size not in {1, channels} or full.shape[1] not in {1, channels} or full.size == 0:
        raise _Refusal("a constant that is not one number per channel")
    return np.broadcast_to(full.reshape(-1), (channels,)).astype(np.float32)


def _read_reshape(reading: _Reading, node: ir.Node) -> None:
    linear = reading.of(node.inputs[0])
    assert node.inputs[0] is not None
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    if len(after) != 2 and _as_image(before[1:]) != _as_image(after[1:]):
        raise _Refusal(f"a Reshape to {list(after)}")
    spread = len(before) == 4 and before[2:] != (1, 1)
    if spread and not linear.is_bare:
        raise _Refusal("an image that is flattened behind a map, without a ReLU between")
    terms = tuple(replace(term, is_flat=len(after) == 2) for term in linear.terms)
    reading.write(node, replace(linear, terms=terms))


def _read_pad(reading: _Reading, node: ir.Node) -> None:
    terms = _bare(reading, node, "a Pad")
    listed = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    value = static_value(node.inputs[2]) if len(node.inputs) > 2 else None
    mode = node.attributes.get_string("mode", "constant")
    if listed is None or listed.size != 8 or mode != "constant" or (value is not None and value):
        raise _Refusal("only zeros around images are padding")
    _, _, top, left, _, _, bottom, right = (int(number) for number in listed)
    more = (top, left, bottom, right)
    padded = tuple(replace(term, pads=_added(term.pads, more)) for term in terms)
    reading.write(node, _Linear(padded))


def _read_relu(reading: _Reading, node: ir.Node) -> None:
    reading.populate(node, None)


def _read_clip(reading: _Reading, node: ir.Node) -> None:
    bounds = [static_value(node.inputs[i]) if len(node.inputs) > i else None for i in (1, 2)]
    if bounds[0] is None or float(bounds[0]) != 0:
        raise _Refusal("a Clip whose lower bound is not 0")
    reading.populate(node, None if bounds[1] is None else float(bounds[1]))


_READERS: dict[str, Callable[[_Reading, ir.Node], None]] = {
    "Add": _read_add,
    "AveragePool": _read_pool,
    "Clip": _read_clip,
    "Concat": _read_concat,
    "Conv": _read_conv,
    "Flatten": _read_reshape,
    "Gemm": _read_gemm,
    "GlobalAveragePool": _read_pool,
    "MatMul": _read_gemm,
    "MaxPool": _read_pool,
    "Mul": _read_mul,
    "Pad": _read_pad,
    "ReduceMean": _read_pool,
    "Relu": _read_relu,
    "Reshape": _read_reshape,
    "Slice": _read_slice,
}
