"""Each operator of MIL against coremltools' own inference of values, or against torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from edgecompile.backends.coreml.convert import import_coremltools
from edgecompile.backends.coreml.interpreter.table import CONSTANTS, OPERATORS
from edgecompile.backends.isolation import run_isolated

RNG = np.random.default_rng(7)
IMAGE = RNG.normal(size=(1, 4, 6, 8)).astype(np.float32)
MATRIX = RNG.normal(size=(3, 8)).astype(np.float32)
POSITIVE = np.abs(IMAGE) + 0.1

INFERRED: list[tuple[str, dict[str, Any]]] = [
    *(
        (kind, {"x": IMAGE})
        for kind in (
            "abs", "ceil", "cos", "erf", "exp", "exp2", "floor", "relu", "relu6", "round",
            "sigmoid", "sign", "sin", "softplus", "softsign", "square", "tanh",
        )
    ),
    ("sqrt", {"x": POSITIVE}),
    ("rsqrt", {"x": POSITIVE, "epsilon": np.float32(1e-4)}),
    ("log", {"x": POSITIVE, "epsilon": np.float32(0.5)}),
    ("inverse", {"x": POSITIVE, "epsilon": np.float32(0.5)}),
    ("gelu", {"x": IMAGE, "mode": "EXACT"}),
    ("gelu", {"x": IMAGE, "mode": "TANH_APPROXIMATION"}),
    ("gelu", {"x": IMAGE, "mode": "SIGMOID_APPROXIMATION"}),
    ("clip", {"x": IMAGE, "alpha": np.float32(-0.5), "beta": np.float32(1.0)}),
    ("elu", {"x": IMAGE, "alpha": np.float32(0.7)}),
    ("leaky_relu", {"x": IMAGE, "alpha": np.float32(0.2)}),
    ("prelu", {"x": IMAGE, "alpha": np.array([0.1, 0.2, 0.3, 0.4], np.float32)}),
    ("sigmoid_hard", {"x": IMAGE, "alpha": np.float32(0.3), "beta": np.float32(0.4)}),
    ("threshold", {"x": IMAGE, "alpha": np.float32(0.3)}),
    *(
        (kind, {"x": IMAGE, "y": POSITIVE})
        for kind in ("add", "sub", "mul", "real_div", "maximum", "minimum")
    ),
    ("pow", {"x": POSITIVE, "y": np.float32(1.5)}),
    ("linear", {"x": MATRIX, "weight": RNG.normal(size=(5, 8)).astype(np.float32),
                "bias": RNG.normal(size=5).astype(np.float32)}),
    ("matmul", {"x": MATRIX, "y": MATRIX, "transpose_y": True}),
    ("matmul", {"x": MATRIX, "y": MATRIX, "transpose_x": True}),
    ("softmax", {"x": IMAGE, "axis": np.int32(1)}),
    ("layer_norm", {"x": IMAGE, "axes": np.array([2, 3], np.int32),
                    "gamma": RNG.normal(size=(6, 8)).astype(np.float32),
                    "beta": RNG.normal(size=(6, 8)).astype(np.float32)}),
    *(
        (kind, {"x": IMAGE, "axes": np.array([1, -1], np.int32), "keep_dims": keeps})
        for kind in ("reduce_mean", "reduce_sum", "reduce_max", "reduce_min", "reduce_log_sum_exp")
        for keeps in (True, False)
    ),
    ("reshape", {"x": IMAGE, "shape": np.array([4, -1], np.int32)}),
    ("transpose", {"x": IMAGE, "perm": np.array([0, 2, 3, 1], np.int32)}),
    ("expand_dims", {"x": MATRIX, "axes": np.array([0, -1], np.int32)}),
    ("squeeze", {"x": IMAGE, "axes": np.array([0], np.int32)}),
    ("slice_by_index", {"x": IMAGE, "begin": np.array([0, 1, 0, 7], np.int32),
                        "end": np.array([1, 3, 5, 0], np.int32),
                        "stride": np.array([1, 1, 2, -2], np.int32)}),
    ("slice_by_index", {"x": IMAGE, "begin": np.array([0, 1, 0, 0], np.int32),
                        "end": np.array([0, 0, 3, 4], np.int32),
                        "end_mask": np.array([True, True, False, False]),
                        "squeeze_mask": np.array([False, True, False, False])}),
    ("slice_by_size", {"x": IMAGE, "begin": np.array([0, 1, 2, 0], np.int32),
                       "size": np.array([1, 2, -1, 3], np.int32)}),
    ("gather", {"x": IMAGE, "indices": np.array([2, 0], np.int32), "axis": np.int32(1)}),
    ("tile", {"x": MATRIX, "reps": np.array([2, 3], np.int32)}),
    ("pad", {"x": IMAGE, "pad": np.array([0, 0, 1, 2, 0, 1, 2, 0], np.int32),
             "mode": "constant", "constant_val": np.float32(0.5)}),
    ("pad", {"x": IMAGE, "pad": np.array([1, 2, 2, 1], np.int32), "mode": "reflect"}),
    ("pad", {"x": IMAGE, "pad": np.array([1, 2, 2, 1], np.int32), "mode": "replicate"}),
    ("split", {"x": IMAGE, "num_splits": np.int32(2), "axis": np.int32(1)}),
    ("split", {"x": IMAGE, "split_sizes": np.array([3, 5], np.int32), "axis": np.int32(-1)}),
    ("quantize", {"input": IMAGE, "scale": np.float32(0.03), "output_dtype": "int8"}),
    ("quantize", {"input": IMAGE, "scale": np.full(4, 0.03, np.float32), "output_dtype": "uint8",
                  "zero_point": np.array([3, 100, 128, 255], np.uint8), "axis": np.int32(1)}),
]  # fmt: skip
"""Operators that coremltools can compute when all inputs are constants."""


@pytest.fixture(scope="module")
def inferred(tmp_path_factory: pytest.TempPathFactory) -> list[list[np.ndarray]]:
    """coremltools' results, one list of outputs for each row of INFERRED."""
    folder = tmp_path_factory.mktemp("inferred")
    ended = run_isolated(_infer, str(folder), tool="coremltools", seconds=300, folder=folder)
    assert ended.succeeded, ended.failure().message
    counts = json.loads((folder / "counts.json").read_text())
    with np.load(folder / "values.npz") as stored:
        return [
            [stored[f"{row}.{output}"] for output in range(count)]
            for row, count in enumerate(counts)
        ]


def _infer(folder: str) -> None:
    """In the child: compute every row by coremltools' constant folding."""
    import_coremltools()
    import coremltools as ct
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.mil import Function

    values, counts = {}, []
    placeholder = {"unused": Builder.placeholder(shape=(1,))}
    with Function(placeholder, opset_version=ct.target.iOS17):
        for row, (kind, inputs) in enumerate(INFERRED):
            results = getattr(Builder, kind)(**inputs)
            results = results if isinstance(results, (tuple, list)) else [results]
            counts.append(len(results))
            for output, result in enumerate(results):
                values[f"{row}.{output}"] = np.asarray(result.val)
    np.savez(Path(folder, "values.npz"), **values)
    Path(folder, "counts.json").write_text(json.dumps(counts))


def compute(kind: str, inputs: dict[str, Any]) -> list[np.ndarray]:
    operands = {
        key: torch.from_numpy(np.array(value, np.float64))
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"
        else value
        for key, value in inputs.items()
    }
    results = OPERATORS[kind](**operands)
    results = results if isinstance(results, tuple) else (results,)
    return [result.numpy() for result in results]


@pytest.mark.parametrize(
    "row", range(len(INFERRED)), ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(INFERRED)]
)
def test_an_operator_computes_what_coremltools_infers(row, inferred):
    for expected, found in zip(inferred[row], compute(*INFERRED[row]), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected.astype(np.float64), rtol=1e-5, atol=1e-6)


KERNEL = RNG.normal(size=(6, 2, 3, 3))
X = torch.from_numpy(IMAGE.astype(np.float64))
W = torch.from_numpy(KERNEL)
PADS = np.array([1, 2, 0, 1], np.int32)

BY_TORCH = {
    "conv with groups, strides and uneven pads": (
        "conv",
        {"x": X, "weight": W, "strides": np.array([2, 1]), "pad_type": "custom", "pad": PADS,
         "groups": np.int32(2)},
        lambda: functional.conv2d(functional.pad(X, (0, 1, 1, 2)), W, None, (2, 1), 0, 1, 2),
    ),
    "conv same": (
        "conv",
        {"x": X, "weight": W, "pad_type": "same", "groups": np.int32(2)},
        lambda: functional.conv2d(X, W, None, 1, 1, 1, 2),
    ),
    "conv same, stride 2: the odd zero behind": (
        "conv",
        {"x": X, "weight": W, "strides": np.array([2, 2]), "pad_type": "same",
         "groups": np.int32(2)},
        lambda: functional.conv2d(functional.pad(X, (0, 1, 0, 1)), W, None, 2, 0, 1, 2),
    ),
    "conv same_lower, stride 2: the odd zero before": (
        "conv",
        {"x": X, "weight": W, "strides": np.array([2, 2]), "pad_type": "same_lower",
         "groups": np.int32(2)},
        lambda: functional.conv2d(functional.pad(X, (1, 0, 1, 0)), W, None, 2, 0, 1, 2),
    ),
    "conv with dilations": (
        "conv",
        {"x": X, "weight": W, "dilations": np.array([2, 2]), "groups": np.int32(2)},
        lambda: functional.conv2d(X, W, None, 1, 0, 2, 2),
    ),
    "conv_transpose": (
        "conv_transpose",
        {"x": X, "weight": torch.from_numpy(KERNEL[:4]), "strides": np.array([2, 2]),
         "pad_type": "custom", "pad": np.array([1, 1, 1, 1])},
        lambda: functional.conv_transpose2d(X, torch.from_numpy(KERNEL[:4]), None, 2, 1),
    ),
    "max_pool ignores its padding": (
        "max_pool",
        {"x": X - 10, "kernel_sizes": np.array([3, 3]), "strides": np.array([2, 2]),
         "pad_type": "custom", "pad": np.array([1, 1, 1, 1])},
        lambda: functional.max_pool2d(X - 10, 3, 2, 1),
    ),
    "avg_pool with its padding": (
        "avg_pool",
        {"x": X, "kernel_sizes": np.array([3, 3]), "pad_type": "custom",
         "pad": np.array([1, 1, 1, 1])},
        lambda: functional.avg_pool2d(X, 3, 1, 1, count_include_pad=True),
    ),
    "avg_pool without its padding": (
        "avg_pool",
        {"x": X, "kernel_sizes": np.array([3, 3]), "pad_type": "custom",
         "pad": np.array([1, 1, 1, 1]), "exclude_padding_from_average": True},
        lambda: functional.avg_pool2d(X, 3, 1, 1, count_include_pad=False),
    ),
    "batch_norm": (
        "batch_norm",
        {"x": X, "mean": X[0, :, 0, 0], "variance": X[0, :, 0, 0] ** 2 + 1,
         "gamma": X[0, :, 1, 1], "beta": X[0, :, 2, 2]},
        lambda: functional.batch_norm(
            X, X[0, :, 0, 0], X[0, :, 0, 0] ** 2 + 1, X[0, :, 1, 1], X[0, :, 2, 2]
        ),
    ),
    "instance_norm": (
        "instance_norm",
        {"x": X, "gamma": X[0, :, 1, 1], "beta": X[0, :, 2, 2]},
        lambda: functional.instance_norm(X, weight=X[0, :, 1, 1], bias=X[0, :, 2, 2]),
    ),
    "scaled_dot_product_attention": (
        "scaled_dot_product_attention",
        {"query": X, "key": X * 0.5, "value": X + 1},
        lambda: functional.scaled_dot_product_attention(X, X * 0.5, X + 1),
    ),
    "pixel_shuffle": (
        "pixel_shuffle",
        {"x": X, "upscale_factor": np.int32(2)},
        lambda: functional.pixel_shuffle(X, 2),
    ),
    "upsample_nearest_neighbor": (
        "upsample_nearest_neighbor",
        {"x": X, "scale_factor_height": np.int32(2), "scale_factor_width": np.int32(3)},
        lambda: functional.interpolate(X, scale_factor=(2, 3)),
    ),
    "upsample_bilinear by corners": (
        "upsample_bilinear",
        {"x": X, "scale_factor_height": np.int32(2), "scale_factor_width": np.int32(3),
         "align_corners": True},
        lambda: functional.interpolate(X, scale_factor=(2, 3), mode="bilinear",
                                       align_corners=True),
    ),
    "upsample_bilinear by halves": (
        "upsample_bilinear",
        {"x": X, "scale_factor_height": np.int32(2), "scale_factor_width": np.int32(3),
         "align_corners": False, "half_pixel_centers": True},
        lambda: functional.interpolate(X, scale_factor=(2, 3), mode="bilinear",
                                       align_corners=False),
    ),
    "concat": ("concat", {"values": (X, X + 1), "axis": np.int32(1)},
               lambda: torch.cat((X, X + 1), 1)),
    "stack": ("stack", {"values": (X, X + 1), "axis": np.int32(1)},
              lambda: torch.stack((X, X + 1), 1)),
    "dequantize": (
        "dequantize",
        {"input": torch.tensor([[3, -7], [1, 9]], dtype=torch.int8),
         "scale": np.array([0.5, 2.0], np.float32), "zero_point": np.array([1, -1], np.int8),
         "axis": np.int32(0)},
        lambda: torch.tensor([[1.0, -4.0], [4.0, 20.0]], dtype=torch.float64),
    ),
    "depth_to_space": (
        "depth_to_space",
        {"x": X, "block_size": np.int32(2)},
        # With one output channel, the order of the block does not matter.
        lambda: functional.pixel_shuffle(X, 2),
    ),
    "cast towards an integer": ("cast", {"x": X, "dtype": "int32"}, lambda: torch.trunc(X)),
    "identity": ("identity", {"x": X}, lambda: X),
    "silu": ("silu", {"x": X}, lambda: X * torch.sigmoid(X)),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_TORCH)
def test_an_operator_computes_what_torch_computes(name):
    kind, inputs, expected = BY_TORCH[name]
    found = OPERATORS[kind](**inputs)
    torch.testing.assert_close(found, expected(), rtol=1e-12, atol=1e-12)


def test_every_operator_of_the_table_is_tested():
    tested = {kind for kind, _ in INFERRED} | {kind for kind, _, _ in BY_TORCH.values()}
    assert tested == set(OPERATORS)


def test_a_table_for_each_group_and_vectors_are_looked_up():
    """The example of coremltools' documentation of constexpr_lut_to_dense (iOS18)."""
    indices = np.array([2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3], np.uint8).reshape(6, 2)
    tables = np.array([1, 5, 9, 13, 2, 10, 18, 26], np.float16).reshape(2, 1, 4, 1)
    found = CONSTANTS["constexpr_lut_to_dense"](indices=indices, lut=tables)
    wanted = [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]
    np.testing.assert_array_equal(found, np.array(wanted, np.float16))
    pairs = np.array([[1, 2, 3], [4, 5, 6]], np.float16).reshape(1, 1, 2, 3)
    looked_up = CONSTANTS["constexpr_lut_to_dense"](
        indices=np.array([[0, 1]], np.uint8), lut=pairs, vector_axis=np.int32(1)
    )
    np.testing.assert_array_equal(looked_up, [[1, 2, 3, 4, 5, 6]])
