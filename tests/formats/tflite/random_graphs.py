"""Random small hubs: a chain of layers with branches, as ONNX text."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import onnx_ir as ir
from hypothesis import strategies as st

from tests.hubs import hub_of

Shape = tuple[int, ...]

EXACT = frozenset({"Reshape", "Flatten", "Transpose", "Slice", "Split", "Gather", "Pad", "Expand",
                   "Concat", "MaxPool", "ReduceMax", "Max", "Min", "DepthToSpace", "Unsqueeze",
                   "Squeeze"})  # fmt: skip
"""Operators that only choose among integers: their files have no freedom to round."""


@dataclass
class Grower:
    """A graph under construction. `x` is the newest tensor; `live` are all of them."""

    draw: Callable[..., object]
    x: str = "x"
    live: dict[str, Shape] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    operators: set[str] = field(default_factory=set)

    @property
    def shape(self) -> Shape:
        return self.live[self.x]

    @property
    def rank(self) -> int:
        return len(self.shape)

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def between(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def chance(self) -> bool:
        return self.draw(st.booleans())

    def constant(self, *shape: int) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(f"float[{','.join(map(str, shape))}] {name}")
        return name

    def number(self, value: float) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(f"float {name} = {{{value}}}")
        return name

    def integers(self, values) -> str:
        name = f"c{len(self.constants)}"
        listed = ", ".join(map(str, values))
        self.constants.append(f"int64[{len(values)}] {name} = {{{listed}}}")
        return name

    def integer(self, value: int) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(f"int64 {name} = {{{value}}}")
        return name

    def node(self, call: str, shape: Shape) -> None:
        """Append ``call``, whose result has `shape`."""
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {call}")
        self.operators.add(call.partition("(")[0].partition("<")[0])
        self.live[name] = shape
        self.x = name

    def twin(self) -> str | None:
        """Another tensor of the same shape, if there is one."""
        twins = [n for n, s in self.live.items() if s == self.shape and n != self.x]
        return self.draw(st.sampled_from(twins)) if twins else None


def conv(g: Grower) -> None:
    c, *sizes = g.shape[1:]
    if min(sizes) < 2 or c > 24:
        return relu(g)
    dimensions = len(sizes)
    kernel = [g.between(1, min(3, size)) for size in sizes]
    strides = [g.between(1, 2) for _ in sizes]
    dilations = [g.pick(1, 1, 2) for _ in sizes]
    pads = [g.between(0, 2) for _ in range(2 * dimensions)]
    kind = g.pick("dense", "dense", "depthwise", "groups")
    group = {"dense": 1, "depthwise": c, "groups": 2 if c % 2 == 0 else 1}[kind]
    out = group * g.between(1, 2) if group > 1 else g.between(1, 8)
    result = []
    for i, size in enumerate(sizes):
        room = size + pads[i] + pads[i + dimensions] - (kernel[i] - 1) * dilations[i] - 1
        if room < 0:
            return relu(g)
        result.append(room // strides[i] + 1)
    w = g.constant(out, c // group, *kernel)
    b = f", {g.constant(out)}" if g.chance() else ""
    attributes = f"strides={strides}, dilations={dilations}, pads={pads}, group={group}"
    g.node(f"Conv<{attributes}>({g.x}, {w}{b})", (1, out, *result))


def conv_transpose(g: Grower) -> None:
    _, c, h, w = g.shape
    if h * w > 100:
        return relu(g)
    out, kernel, stride = g.between(1, 4), g.between(2, 4), g.between(1, 3)
    pads = [g.between(0, 1) for _ in range(4)]
    extra = g.between(0, stride - 1)
    sizes = [
        (n - 1) * stride + kernel + extra - pads[i] - pads[i + 2] for i, n in enumerate((h, w))
    ]
    if min(sizes) < 1:
        return relu(g)
    w_name = g.constant(c, out, kernel, kernel)
    attributes = f"strides=[{stride},{stride}], pads={pads}, output_padding=[{extra},{extra}]"
    g.node(f"ConvTranspose<{attributes}>({g.x}, {w_name})", (1, out, *sizes))


def pool(g: Grower) -> None:
    _, c, h, w = g.shape
    kernel = [g.between(1, min(3, n)) for n in (h, w)]
    strides = [g.between(1, 2) for _ in range(2)]
    pads = [g.between(0, kernel[i % 2] // 2) for i in range(4)]
    op = g.pick("MaxPool", "AveragePool")
    counted = ", count_include_pad=1" if op == "AveragePool" else ""
    sizes = [
        (n + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i, n in enumerate((h, w))
    ]
    attributes = f"kernel_shape={kernel}, strides={strides}, pads={pads}{counted}"
    g.node(f"{op}<{attributes}>({g.x})", (1, c, *sizes))


def global_pool(g: Grower) -> None:
    g.node(f"GlobalAveragePool({g.x})", (*g.shape[:2], *[1] * (g.rank - 2)))


def product(g: Grower) -> None:
    """Gemm of rank 2, MatMul of any."""
    if g.rank == 2 and g.chance():
        out = g.between(1, 8)
        if g.chance():
            g.node(f"Gemm<transB=1>({g.x}, {g.constant(out, g.shape[1])}, {g.constant(out)})",
                   (g.shape[0], out))  # fmt: skip
        else:
            g.node(f"Gemm({g.x}, {g.constant(g.shape[1], out)})", (g.shape[0], out))
        return
    out = g.between(1, 8)
    g.node(f"MatMul({g.x}, {g.constant(g.shape[-1], out)})", (*g.shape[:-1], out))


def batch_product(g: Grower) -> None:
    """With its own transposition, as in an attention."""
    perm = [*range(g.rank - 2), g.rank - 1, g.rank - 2]
    x, shape = g.x, g.shape
    g.node(f"Transpose<perm={perm}>({g.x})", (*shape[:-2], shape[-1], shape[-2]))
    if g.chance():
        g.node(f"MatMul({x}, {g.x})", (*shape[:-1], shape[-2]))
    else:
        g.node(f"MatMul({g.x}, {x})", (*shape[:-2], shape[-1], shape[-1]))


def arithmetic(g: Grower) -> None:
    op = g.pick("Add", "Add", "Sub", "Mul", "Max", "Min")
    twin = g.twin()
    if twin is not None and g.chance():
        other = twin
    else:
        axis = g.between(0, g.rank - 1)
        shape = g.pick((1,), g.shape[-1:], g.shape[axis:],
                       (g.shape[1], *[1] * (g.rank - 2)), g.shape)  # fmt: skip
        other = g.constant(*shape)
    operands = (g.x, other) if g.chance() else (other, g.x)
    g.node(f"{op}({operands[0]}, {operands[1]})", g.shape)


def relu(g: Grower) -> None:
    g.node(f"Relu({g.x})", g.shape)


def clip(g: Grower) -> None:
    low, high = g.pick((0, 6), (-1, 1), (0, 0.5), (-0.25, 0.75))
    g.node(f"Clip({g.x}, {g.number(low)}, {g.number(high)})", g.shape)


def unary(g: Grower) -> None:
    op = g.pick("Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "Gelu", "Abs", "HardSigmoid",
                "Neg", "Sin", "Sin" if "Exp" in g.operators else "Exp")  # fmt: skip
    g.node(f"{op}({g.x})", g.shape)


def softmax(g: Grower) -> None:
    g.node(f"Softmax<axis={g.between(1, g.rank - 1)}>({g.x})", g.shape)


def prelu(g: Grower) -> None:
    g.node(f"PRelu({g.x}, {g.constant(g.shape[1], *[1] * (g.rank - 2))})", g.shape)


def layer_normalization(g: Grower) -> None:
    n = g.shape[-1]
    g.node(f"LayerNormalization({g.x}, {g.constant(n)}, {g.constant(n)})", g.shape)


def flatten(g: Grower) -> None:
    g.node(f"Flatten({g.x})", (1, math.prod(g.shape)))


def reshape(g: Grower) -> None:
    """To a random shape of the same size."""
    left, shape = math.prod(g.shape), [1]
    for _ in range(g.between(0, 3)):
        factor = g.draw(st.sampled_from([n for n in range(1, left + 1) if left % n == 0]))
        shape.append(factor)
        left //= factor
    shape.append(left)
    if g.chance() and len(shape) < 5:
        shape.insert(g.between(1, len(shape)), 1)
    g.node(f"Reshape({g.x}, {g.integers(shape)})", tuple(shape))


def transpose(g: Grower) -> None:
    """The batch stays first."""
    perm = [0, *g.draw(st.permutations(range(1, g.rank)))]
    g.node(f"Transpose<perm={perm}>({g.x})", tuple(g.shape[axis] for axis in perm))


def cut(g: Grower) -> None:
    axis = g.between(1, g.rank - 1)
    size = g.shape[axis]
    start = g.between(0, size - 1)
    end, step = g.between(start + 1, size), g.pick(1, 1, 2)
    shape = list(g.shape)
    shape[axis] = -(-(end - start) // step)
    operands = ", ".join(g.integers([n]) for n in (start - size, end, axis, step))
    g.node(f"Slice({g.x}, {operands})", tuple(shape))


def pad(g: Grower) -> None:
    before = [0, *(g.between(0, 2) for _ in range(g.rank - 1))]
    after = [0, *(g.between(0, 2) for _ in range(g.rank - 1))]
    shape = tuple(n + a + b for n, a, b in zip(g.shape, before, after, strict=True))
    g.node(f"Pad({g.x}, {g.integers([*before, *after])})", shape)


def concat(g: Grower) -> None:
    axis = g.between(1, g.rank - 1)
    others = [n for n, s in g.live.items()
              if len(s) == g.rank and s[:axis] + s[axis + 1:] == g.shape[:axis] + g.shape[axis + 1:]
              ]  # fmt: skip
    parts = [g.x, g.draw(st.sampled_from(others))]
    size = g.shape[axis] + g.live[parts[1]][axis]
    if g.pick(False, False, True):
        shape = list(g.shape)
        shape[axis] = 1
        parts.append(g.constant(*shape))
        size += 1
    parts = g.draw(st.permutations(parts))
    shape = (*g.shape[:axis], size, *g.shape[axis + 1 :])
    g.node(f"Concat<axis={axis}>({', '.join(parts)})", shape)


def gather(g: Grower) -> None:
    axis = g.between(1, g.rank - 1)
    size = g.shape[axis]
    if g.rank > 2 and g.chance():
        index = g.integer(g.between(-size, size - 1))
        g.node(f"Gather<axis={axis}>({g.x}, {index})", g.shape[:axis] + g.shape[axis + 1 :])
        return
    indices = [g.between(-size, size - 1) for _ in range(g.between(1, 3))]
    shape = (*g.shape[:axis], len(indices), *g.shape[axis + 1 :])
    g.node(f"Gather<axis={axis}>({g.x}, {g.integers(indices)})", shape)


def reduction(g: Grower) -> None:
    axes = g.draw(st.sets(st.integers(1, g.rank - 1), min_size=1))
    keep = g.between(0, 1)
    if keep:
        shape = tuple(1 if axis in axes else n for axis, n in enumerate(g.shape))
    else:
        shape = tuple(n for axis, n in enumerate(g.shape) if axis not in axes)
        if len(shape) < 2:
            return relu(g)
    op = g.pick("ReduceMean", "ReduceMax", "ReduceSum")
    g.node(f"{op}<keepdims={keep}>({g.x}, {g.integers(sorted(axes))})", shape)


def squeeze(g: Grower) -> None:
    ones = [axis for axis in range(1, g.rank) if g.shape[axis] == 1]
    if not ones or g.rank < 3:
        axis = g.between(1, g.rank)
        shape = (*g.shape[:axis], 1, *g.shape[axis:])
        if len(shape) > 5:
            return relu(g)
        g.node(f"Unsqueeze({g.x}, {g.integers([axis])})", shape)
        return
    axis = g.draw(st.sampled_from(ones))
    g.node(f"Squeeze({g.x}, {g.integers([axis])})", g.shape[:axis] + g.shape[axis + 1 :])


def split(g: Grower) -> None:
    axis = g.between(1, g.rank - 1)
    size = g.shape[axis]
    if size < 2:
        return relu(g)
    first = g.between(1, size - 1)
    rest = f"r{len(g.lines)}"
    name = f"t{len(g.lines)}"
    g.lines.append(
        f"{rest}, {name} = Split<axis={axis}>({g.x}, {g.integers([first, size - first])})"
    )
    g.operators.add("Split")
    shape = g.shape
    if g.chance():
        g.live[rest] = (*shape[:axis], first, *shape[axis + 1 :])
    g.live[name] = (*shape[:axis], size - first, *shape[axis + 1 :])
    g.x = name


def expand(g: Grower) -> None:
    shape = tuple(g.between(2, 3) if n == 1 and i > 0 else n for i, n in enumerate(g.shape))
    g.node(f"Expand({g.x}, {g.integers(shape)})", shape)


def resize(g: Grower) -> None:
    if g.shape[2] * g.shape[3] > 100:
        return relu(g)
    mode = g.pick(
        'mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"',
        'mode="linear", coordinate_transformation_mode="half_pixel"',
    )
    shape = (*g.shape[:2], g.shape[2] * 2, g.shape[3] * 2)
    g.node(f"Resize<{mode}>({g.x}, , , {g.integers(shape)})", shape)


ANYWHERE = [arithmetic, arithmetic, relu, clip, unary, reshape, transpose, cut, pad, concat, concat,
            gather, squeeze, split, expand, flatten, softmax, prelu, reduction]  # fmt: skip
BY_RANK = {
    2: [product, product, product, layer_normalization],
    3: [product, batch_product, layer_normalization, conv, global_pool],
    4: [conv, conv, conv, conv, conv_transpose, pool, pool, global_pool, resize, product,
        batch_product],
    5: [],
}  # fmt: skip


@dataclass(frozen=True)
class RandomGraph:
    """ONNX text in parts; printed by hypothesis when it finds a counterexample."""

    inputs: str
    body: str
    constants: str
    outputs: str
    operators: frozenset[str]

    def hub(self) -> ir.Model:
        return hub_of(self.inputs, self.body, self.constants, self.outputs)


@st.composite
def random_graphs(draw, most_layers: int = 6) -> RandomGraph:
    """Images, sequences and vectors through one to `most_layers` layers."""
    shape = draw(
        st.one_of(
            st.tuples(st.just(1), st.integers(1, 6), st.integers(3, 9), st.integers(3, 9)),
            st.tuples(st.just(1), st.integers(2, 6), st.integers(2, 8)),
            st.tuples(st.just(1), st.integers(2, 16)),
        )
    )
    grower = Grower(draw, live={"x": shape})
    for _ in range(draw(st.integers(1, most_layers))):
        choices = ANYWHERE + BY_RANK[grower.rank]
        if math.prod(grower.shape) > 2000:
            choices = [cut, gather, relu]
        draw(st.sampled_from(choices))(grower)
    outputs = {grower.x}
    if len(grower.live) > 2 and draw(st.integers(0, 3)) == 0:
        outputs.add(draw(st.sampled_from(sorted(set(grower.live) - {"x"}))))
    return RandomGraph(
        inputs=f"float[{','.join(map(str, shape))}] x",
        body="\n".join(grower.lines),
        constants=", ".join(grower.constants),
        outputs=", ".join(f"float[] {name}" for name in sorted(outputs)),
        operators=frozenset(grower.operators),
    )
