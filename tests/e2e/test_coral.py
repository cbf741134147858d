"""Real models for the Edge TPU: wholly mapped, or a precise account of what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

# What int8 may lose in points of the metric, as for TFLite.
WHOLLY_MAPPED = {
    "kws_dscnn": 0.5,
    "ic_resnet8": 0.3,
    "ad_autoencoder": 0.5,
    "cifar_resnet20": 0.3,
    "fmnist_cnn": 0.3,
}


def build(edgecompile, recipe):
    result = edgecompile("build", recipe, "-q", "--format", "json", "-t", "coral-usb")
    assert result.exit_code == 0, result.stderr
    return result.json()


def mapping(recipe):
    body = json.loads((Path("dist") / recipe / "coral-usb" / "mapping.json").read_bytes())
    return body["operators"]


@pytest.mark.parametrize(
    "recipe",
    [
        # Dense layers only, as at the end of every other; and its evaluation data are the largest.
        pytest.param(name, marks=[pytest.mark.full] if name == "ad_autoencoder" else [])
        for name in WHOLLY_MAPPED
    ],
)
def test_a_real_model_is_wholly_mapped_and_loses_no_more_than_for_tflite(
    edgecompile, data_folder, monkeypatch, recipe
):
    monkeypatch.setenv("PATH", "")  # whatever is installed: this is about the prediction
    body = build(edgecompile, recipe)
    assert {fate["status"] for fate in mapping(recipe)} == {"Mapped to Edge TPU"}
    (target,) = body["targets"]
    assert [f["rule"] for f in target["findings"]] == ["edgetpu-not-compiled"]
    (row,) = [row for row in body["stages"] if row["stage"] == "lower"]
    assert row["delta_baseline"] >= -WHOLLY_MAPPED[recipe]
    assert set(row["agreement"]["twin"]["lsb"]) <= {"-1", "0", "1"}
    manifest = json.loads((Path("dist") / recipe / "coral-usb" / "manifest.json").read_bytes())
    assert manifest["findings"][0]["message"].startswith("not compiled")
    estimates = {found["quantity"]: found for found in manifest["estimates"]}
    assert estimates["parameters streamed"]["high"] == 0
    assert estimates["latency"]["high"] is not None


def test_a_transformer_gets_an_account_of_what_cannot_be_mapped(edgecompile, data_folder):
    result = edgecompile("check", "fmnist_vit", "-t", "coral-usb", "--format", "json")
    assert result.exit_code == 0
    (findings,) = result.json().values()
    assert {f["level"] for f in findings} == {"warning"}
    kinds = {f["op_type"] for f in findings}
    assert {"LayerNormalization", "MatMul", "Softmax"} <= kinds
    assert "Gelu" not in kinds  # rewritten
    for finding in findings:
        assert finding["source"].startswith("model.py:")
        assert finding["remedy"]
        assert finding["reference"]
