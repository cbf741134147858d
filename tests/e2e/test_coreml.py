"""Core ML packages of real models: executed as saved, and near the hub in every precision."""

from __future__ import annotations

import pytest

BUILD = (
    *("-t", "iphone-15-pro", "-q", "--format", "json"),
    *("--set", "budgets.quantize=null", "--set", "budgets.total=null"),
)
"""Lowering is judged here, not what the quantization costs."""

# The points of the metric by which a package may be from its hub, and the least decibel between
# them. 0.31: three of 996 images.
PROMISES = {
    ("ic_resnet8", "fp16"): (0.0, 60.0),
    ("ic_resnet8", "int8"): (0.31, 25.0),
    ("ic_resnet8", "lut6"): (0.31, 50.0),
    ("kws_dscnn", "fp16"): (0.0, 60.0),
    ("kws_dscnn", "int8"): (0.31, 30.0),
    ("kws_dscnn", "w4"): (0.31, 55.0),
}


REPEATED = {("ic_resnet8", "fp16"), ("kws_dscnn", "int8")}
"""Their precision is tried on the other model as well."""


@pytest.mark.parametrize(
    ("recipe", "precision"),
    [pytest.param(*k, marks=[pytest.mark.full] if k in REPEATED else []) for k in PROMISES],
)
def test_a_package_is_near_its_hub(edgecompile, data_folder, recipe, precision):
    result = edgecompile("build", recipe, *BUILD, "--set", f"stages.quantize.precision={precision}")
    assert result.exit_code == 0, result.stderr
    row = result.json()["stages"][-1]
    points, decibel = PROMISES[recipe, precision]
    assert row["evidence"] == "reference"
    assert abs(row["delta_previous"]) <= points
    assert row["agreement"]["previous"]["sqnr_db"] >= decibel


def test_in_float32_the_package_is_the_hub(edgecompile, data_folder):
    result = edgecompile("build", "kws_dscnn", *BUILD, "--set", "lower.coreml.arithmetic=float32")
    row = result.json()["stages"][-1]
    assert row["delta_previous"] == 0
    # What is left are sums on rounding ties, which ONNX Runtime's float32 decides by chance.
    assert row["agreement"]["previous"]["equal"] > 0.99
    assert row["agreement"]["previous"]["same_top1"] == 1.0
