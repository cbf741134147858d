"""Real models for NVIDIA's devices: every operator that the hub quantizes is int8 in the engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SLOW = pytest.mark.full


@pytest.mark.parametrize(
    ("recipe", "products", "attention"),
    [
        ("ic_resnet8", 10, 0),
        ("fmnist_vit", 10, 4),
        pytest.param("cifar_resnet20", 20, 0, marks=SLOW),
        pytest.param("kws_dscnn", 10, 0, marks=SLOW),
    ],
)
def test_every_quantized_product_is_int8(recipe, products, attention, data_folder, edgecompile):
    # The symmetric scheme costs kws_dscnn five of 880 samples, a little more than it allows.
    result = edgecompile(
        "build", recipe, "-t", "rtx-4090", "-t", "jetson-orin-nx",
        "--set", "budgets.quantize=1.0", "--set", "budgets.total=1.0", "--format", "json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    layers = json.loads(Path(f"dist/{recipe}/rtx-4090/layers.json").read_text())
    assert len(layers["int8"]) == products
    assert layers["not_int8"] == []
    body = result.json()
    told = {f["rule"]: f["message"] for f in body["targets"][0]["findings"]}
    assert f"{products} of {products} quantized" in told["tensorrt-int8"]
    assert ("tensorrt-float" in told) == (attention > 0)
    if attention:
        assert told["tensorrt-float"].startswith(f"{attention} products stay in float16")
    evidence = {s["target"]: s["evidence"] for s in body["stages"] if s["target"]}
    assert evidence == {"rtx-4090": "graph", "jetson-orin-nx": "graph"}
    assert not [f for t in body["targets"] for f in t["findings"] if f["level"] != "note"]
