"""A core without a float unit rounds as one that has it."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.backends.riscv.generator.kernels import needed_parts
from tests.backends.riscv.hosted import compile_c

CALL = """
void round_all(const int32_t *sums, const float *scales, int32_t *rounded, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        rounded[i] = round_product(sums[i], scales[i]);
}
"""


@pytest.fixture(scope="module")
def round_product(tmp_path_factory):
    source = tmp_path_factory.mktemp("rounding") / "rounding.c"
    text = "\n".join(part.text for part in needed_parts(["round_product"]))
    source.write_text("#include <stddef.h>\n#include <stdint.h>\n" + text + CALL)
    library = compile_c(source, ("-O1", "-DMODEL_NO_FLOAT_UNIT"))

    def rounded(sums, scales):
        sums, scales = np.asarray(sums, np.int32), np.asarray(scales, np.float32)
        result = np.empty_like(sums)
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (sums, scales, result)]
        library.round_all(*pointers, len(sums))
        return result

    return rounded


def by_floats(sums, scales):
    products = np.asarray(sums, np.int32).astype(np.float32) * np.asarray(scales, np.float32)
    return np.rint(np.clip(products, -4194303, 4194303)).astype(np.int32)


def test_a_million_products_round_like_floats(round_product):
    rng = np.random.default_rng(5)
    sums = (rng.normal(0, 1, 1 << 20) * 2.0 ** rng.integers(4, 27, 1 << 20)).astype(np.int32)
    scales = np.exp2(rng.uniform(-24, -2, 1 << 20)).astype(np.float32)
    np.testing.assert_array_equal(round_product(sums, scales), by_floats(sums, scales))


def test_products_next_to_ties_round_like_floats(round_product):
    rng = np.random.default_rng(6)
    sums = rng.integers(1, 1 << 22, 1 << 18)
    ties = rng.integers(0, 200, 1 << 18) + 0.5
    scales = (ties / sums).astype(np.float32)
    below, above = (np.nextafter(scales, np.float32(to)) for to in (0, 1000))
    for neighbour in (scales, below, above):
        np.testing.assert_array_equal(round_product(sums, neighbour), by_floats(sums, neighbour))


@given(st.integers(-(2**31) + 1, 2**31 - 1), st.floats(2**-30, 8.0, width=32))
def test_any_product_rounds_like_floats(round_product, sum_, scale):
    assert round_product([sum_], [scale]) == by_floats([sum_], [scale])
