"""Which kernel computes a convolution or a matrix product, and how its weights are laid out.

With vectors a kernel runs them over output channels or over pixels, whichever takes fewer
instructions; without, it packs two sums into one 64-bit register.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np

from edgecompile.backends.riscv.generator.emission import Emission, Result
from edgecompile.backends.riscv.generator.movement import integer_list, move, padded
from edgecompile.backends.riscv.generator.requantization import Sums, requantization
from edgecompile.backends.riscv.generator.storage import Pointer, Storage, Tensor
from edgecompile.backends.riscv.generator.text import structure
from edgecompile.graph.hub import Array

TOGETHER = 3
"""Output channels (or pixels) that share each load of a vector: three sums of eight registers."""

_FIXED, _PER_SUM = 3.75, 2.0
"""Instructions of an inner loop: address, load, widening and a quarter of the loop's own; for each
sum a load of a scalar and a multiply-accumulate (kernels/product.h, unrolled by four)."""


@dataclass(frozen=True)
class Window:
    """A window over an image; `pads` are top, left, bottom, right."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]


@dataclass(frozen=True)
class Product:
    """A convolution of `group` groups: weights (outputs, inputs / group, height, width).

    A matrix product is one whose window sees one pixel; its rows are the image's width.
    """

    name: str
    weight: Array
    sums: Sums
    window: Window
    group: int = 1

    @property
    def outputs(self) -> int:
        """Output channels of one group."""
        return len(self.weight) // self.group

    @property
    def inputs(self) -> int:
        """Input channels of one group."""
        return int(self.weight.shape[1])


def emit_product(emission: Emission, x: Tensor, result: Result, product: Product) -> None:
    """Call the kernels for an image `x` of shape (1, C, H, W), stored channels last."""
    y = result.tensor
    if product.inputs == 1 and product.group > 1:
        _depthwise(emission, x, result, product)
        return
    for number in range(product.group):
        part = _part_of(product, number)
        first, out = number * product.inputs, number * product.outputs
        if product.weight.dtype == np.float32:
            _by_channels(emission, x, result, part, first, out)
        elif not emission.isa.vector:
            _scalar(emission, x, result, part, first, out)
        elif _prefers_pixels(emission, y.shape, x.shape, part):
            _by_pixels(emission, x, result, part, first, out)
        else:
            _by_channels(emission, x, result, part, first, out)


def _part_of(product: Product, number: int) -> Product:
    if product.group == 1:
        return product
    span = slice(number * product.outputs, (number + 1) * product.outputs)
    sums = product.sums
    scale = None if sums.scale is None else sums.scale[span]
    name = f"{product.name}_group{number}"
    part = Sums(sums.bias[span], scale)
    return Product(name, product.weight[span], part, product.window)


def _prefers_pixels(
    emission: Emission, shape: tuple[int, ...], source: tuple[int, ...], product: Product
) -> bool:
    """Do vectors over pixels take fewer instructions than over output channels?"""
    lanes = emission.isa.min_vlen // 32 * 8
    rows, columns = shape[2:]
    pitch = _plane_width(source[3], product.window)
    chunks = ceil(((rows - 1) * pitch + columns) / lanes)

    def inner(count: int) -> float:
        whole, rest = divmod(count, TOGETHER)
        return whole * (_FIXED + TOGETHER * _PER_SUM) + rest * (_FIXED + _PER_SUM)

    by_pixels = chunks * inner(product.outputs)
    by_channels = rows * inner(columns) * ceil(product.outputs / lanes)
    return by_pixels < by_channels


def _plane_width(width: int, window: Window) -> int:
    whole = width + window.pads[1] + window.pads[3]
    return ceil(whole / window.strides[1])


def _around(emission: Emission, x: Tensor, window: Window) -> Tensor:
    top, left, bottom, right = window.pads
    return padded(emission, x, [0, 0, top, left], [0, 0, bottom, right])


_WORTH = 20_000
"""Multiply-accumulates from which on a step is worth waking other cores: some ten microseconds."""


def _shares(emission: Emission, count: int, product: Product, pixels: int) -> list[tuple[int, int]]:
    """First and length of the part of `count` rows (or columns) that each core has."""
    work = pixels * product.weight.size
    cores = min(emission.threads, count) if work >= _WORTH else 1
    bounds = [count * core // cores for core in range(cores + 1)]
    return [(start, end - start) for start, end in pairwise(bounds)]


def _by_channels(
    emission: Emission, x: Tensor, result: Result, product: Product, first: int, out: int
) -> None:
    x, y, window = _around(emission, x, product.window), result.tensor, product.window
    width, channels = x.shape[3], x.shape[1]
    runs, length = _runs(product, width, channels)
    is_float = product.weight.dtype == np.float32
    weight = emission.constant_pointer(
        f"{product.name}_weight", product.weight.transpose(2, 3, 1, 0)
    )
    offsets = emission.constant_pointer(f"{product.name}_offsets", integer_list(runs))
    requantized = requantization(emission, product.name, product.sums, result)
    row_step, column_step = window.strides[0] * width * channels, window.strides[1] * channels
    rows, columns = y.shape[2:]
    step = y.shape[1]
    parts: list[list[str | Pointer]] = []
    by_row = rows > 1
    for start, count in _shares(emission, rows if by_row else columns, product, rows * columns):
        shape = {
            "rows": count if by_row else 1,
            "columns": columns if by_row else count,
            "row_step": row_step,
            "column_step": column_step,
            "runs": len(runs),
            "length": length,
            "outputs": product.outputs,
            "output_step": step,
        }
        source = x.read(first + start * (row_step if by_row else column_step))
        target = y.write(out + start * (columns if by_row else 1) * step)
        parts.append([source, weight, offsets, target, structure("product", shape), requantized])
    emission.call_parts("channels_f32" if is_float else "channels_s8", parts)


def _runs(product: Product, width: int, channels: int) -> tuple[list[int], int]:
    """Offsets of the runs of numbers that lie together under the window, and their length."""
    (height, kernel_width), (down, right) = product.window.kernel, product.window.dilations
    if product.inputs == channels and (right == 1 or kernel_width == 1):
        rows = [ky * down * width * channels for ky in range(height)]
        if height == 1 or (kernel_width == width and down == 1):
            return rows[:1], height * kernel_width * channels
        return rows, kernel_width * channels
    taps = [
        (ky * down * width + kx * right) * channels
        for ky in range(height)
        for kx in range(kernel_width)
    ]
    return taps, product.inputs


def _by_pixels(
    emission: Emission, x: Tensor, result: Result, product: Product, first: int, out: int
) -> None:
    """The image is copied into planes of one channel each; for strides, of one phase each."""
    y, window = result.tensor, product.window
    (height, kernel_width), (stride_y, stride_x) = window.kernel, window.strides
    rows, columns = y.shape[2:]
    pitch = _plane_width(x.shape[3], window)
    lines = ceil((x.shape[2] + window.pads[0] + window.pads[2]) / stride_y)
    phases = [(i, j) for i in range(stride_y) for j in range(stride_x)]
    used = {
        (ky * window.dilations[0] % stride_y, kx * window.dilations[1] % stride_x)
        for ky in range(height)
        for kx in range(kernel_width)
    }
    phases = [phase for phase in phases if phase in used]
    plane = lines * pitch
    spread = len(phases) * product.inputs * plane
    planes = _planes(emission, x, product, first, phases, (lines, pitch), spread)
    offsets = [
        phases.index((ky * down % stride_y, kx * right % stride_x)) * product.inputs * plane
        + ky * down // stride_y * pitch
        + kx * right // stride_x
        for down, right in [window.dilations]
        for ky in range(height)
        for kx in range(kernel_width)
    ]
    weight = emission.constant_pointer(f"{product.name}_weight", _in_threes(product.weight))
    table = emission.constant_pointer(f"{product.name}_offsets", integer_list(offsets))
    requantized = requantization(emission, product.name, product.sums, result)
    parts: list[list[str | Pointer]] = []
    by_row = rows > 1
    for start, count in _shares(emission, rows if by_row else columns, product, rows * columns):
        shape = {
            "positions": (count - 1) * pitch + columns if by_row else count,
            "pitch": pitch,
            "columns": columns if by_row else count,
            "plane": plane,
            "taps": len(offsets),
            "channels": product.inputs,
            "outputs": product.outputs,
            "output_step": y.shape[1],
        }
        source = planes.read(start * (pitch if by_row else 1))
        target = y.write(out + start * (columns if by_row else 1) * y.shape[1])
        parts.append([source, weight, table, target, structure("planes", shape), requantized])
    emission.call_parts("pixels_s8", parts)


def _planes(
    emission: Emission,
    x: Tensor,
    product: Product,
    first: int,
    phases: list[tuple[int, int]],
    size: tuple[int, int],
    spread: int,
) -> Tensor:
    lines, pitch = size
    (stride_y, stride_x), (top, left, _, _) = product.window.strides, product.window.pads
    _, channels, image_height, image_width = x.shape
    params = x.params
    assert params is not None
    planes = Tensor(Storage(f"{product.name}.planes", spread), (spread,), (0,), params)
    covers = lines * stride_y == image_height and pitch * stride_x == image_width
    if not covers:
        zero = str(params.zero_point)
        emission.call("fill", planes.write(), zero, str(spread))
    for number, (phase_y, phase_x) in enumerate(phases):
        # The first row and column of the image that this phase sees.
        row, column = (phase_y - top) % stride_y, (phase_x - left) % stride_x
        count_y, count_x = (
            ceil((image_height - row) / stride_y),
            ceil((image_width - column) / stride_x),
        )
        if count_y <= 0 or count_x <= 0:
            continue
        line, place = (row + top) // stride_y, (column + left) // stride_x
        count_y, count_x = min(count_y, lines - line), min(count_x, pitch - place)
        move(
            emission,
            x,
            planes,
            [product.inputs, count_y, count_x],
            [1, stride_y * image_width * channels, stride_x * channels],
            [lines * pitch, pitch, 1],
            from_offset=first + (row * image_width + column) * channels,
            to_offset=number * product.inputs * lines * pitch + line * pitch + place,
        )
    return planes


def _in_threes(weight: Array) -> Array:
    """(outputs, inputs, height, width) as: three outputs, tap, input, output of the three."""
    outputs = len(weight)
    whole = outputs // TOGETHER * TOGETHER
    taps = weight.transpose(0, 2, 3, 1)
    numbers = weight[0].size
    threes = taps[:whole].reshape(whole // TOGETHER, TOGETHER, numbers).transpose(0, 2, 1)
    return np.concatenate([threes.ravel(), taps[whole:].ravel()])


def _in_blocks(weight: Array, size: int) -> Array:
    """(outputs, numbers) as: `size` outputs, number, output of them; then the rest one by one."""
    whole = len(weight) // size * size
    numbers = weight.shape[1]
    blocks = weight[:whole].reshape(whole // size, size, numbers).transpose(0, 2, 1)
    return np.concatenate([blocks.ravel(), weight[whole:].ravel()])


def _scalar(
    emission: Emission, x: Tensor, result: Result, product: Product, first: int, out: int
) -> None:
    y, window = result.tensor, product.window
    flat = product.weight.transpose(0, 2, 3, 1).reshape(product.outputs, -1)
    count = flat.shape[1]
    requantized = requantization(emission, product.name, product.sums, result)
    name = f"{product.name}_weight"
    if y.shape[2:] == (1, 1) and x.shape[2:] == (1, 1) and window.kernel == (1, 1):
        weights = emission.constant_pointer(name, _in_blocks(flat, 4))
        outputs = str(product.outputs)
        emission.call(
            "dense_s8", x.read(first), weights, y.write(out), str(count), outputs, requantized
        )
        return
    wide = emission.isa.xlen == 64
    kind, each = ("packed_type", 8) if wide else ("int8_t", 1)
    assert x.params is not None
    weights = emission.constant_pointer(name, _in_blocks(flat, 4 if wide else 2))
    rows, columns = y.shape[2:]
    parts: list[list[str | Pointer]] = []
    by_row = rows > 1
    for start, part in _shares(emission, rows if by_row else columns, product, rows * columns):
        patches = emission.scratch(
            f"{product.name}.columns", count * (2 if wide else 4), kind, each
        )
        shape = {
            "height": x.shape[2],
            "width": x.shape[3],
            "step": x.shape[1],
            "length": product.inputs,
            "rows": part if by_row else 1,
            "columns": columns if by_row else part,
            "outputs": product.outputs,
            "output_step": y.shape[1],
            "kernel_height": window.kernel[0],
            "kernel_width": window.kernel[1],
            "stride_y": window.strides[0],
            "stride_x": window.strides[1],
            "dilation_y": window.dilations[0],
            "dilation_x": window.dilations[1],
            # A part that begins further on sees the image that much higher, or more to the left.
            "top": window.pads[0] - (start * window.strides[0] if by_row else 0),
            "left": window.pads[1] - (0 if by_row else start * window.strides[1]),
            "zero": x.params.zero_point,
        }
        target = y.write(out + start * (columns if by_row else 1) * y.shape[1])
        parts.append(
            [x.read(first), weights, target, patches, structure("window", shape), requantized]
        )
    emission.call_parts("packed_s8" if wide else "blocked_s8", parts)


def _depthwise(emission: Emission, x: Tensor, result: Result, product: Product) -> None:
    """One window for each channel; a channel with several windows is repeated first."""
    times = product.outputs
    x, y, window = _around(emission, x, product.window), result.tensor, product.window
    if times > 1:
        larger = (1, x.shape[1] * times, *x.shape[2:])
        repeated = emission.new(f"{product.name}.repeated", larger, x.order, x.params)
        sizes = [x.shape[2] * x.shape[3] * x.shape[1], times]
        move(emission, x, repeated, sizes, [1, 0], [times, 1])
        x = repeated
    width, channels = x.shape[3], x.shape[1]
    (height, kernel_width), (down, right) = window.kernel, window.dilations
    taps = [
        (ky * down * width + kx * right) * channels
        for ky in range(height)
        for kx in range(kernel_width)
    ]
    by_channel = product.weight.reshape(channels, -1)
    scalar = not emission.isa.vector
    suffix = "f32" if product.weight.dtype == np.float32 else "s8"
    weight = emission.constant_pointer(
        f"{product.name}_weight", by_channel if scalar else by_channel.T
    )
    offsets = emission.constant_pointer(f"{product.name}_offsets", integer_list(taps))
    requantized = requantization(emission, product.name, product.sums, result)
    rows, columns = y.shape[2:]
    parts: list[list[str | Pointer]] = []
    for start, count in _shares(emission, rows, product, rows * columns):
        shape = {
            "rows": count,
            "columns": columns,
            "row_step": window.strides[0] * width * channels,
            "column_step": window.strides[1] * channels,
            "runs": len(taps),
            "length": 1,
            "outputs": channels,
            "output_step": channels,
        }
        source = x.read(start * window.strides[0] * width * channels)
        target = y.write(start * columns * channels)
        parts.append([source, weight, offsets, target, structure("product", shape), requantized])
    emission.call_parts(f"depthwise_{'blocked_' if scalar else ''}{suffix}", parts)
