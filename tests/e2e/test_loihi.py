"""Real models on Loihi 2: within a point of PyTorch, or refused with the place in the model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


def test_a_recipe_for_other_targets_builds_for_loihi_too_and_loses_less_than_a_point(edgecompile):
    result = edgecompile("build", "digits_cnn", "-t", "loihi2", "-q", "--format", "json")
    assert result.exit_code == 0, result.stderr
    row = result.json()["stages"][-1]
    assert row["evidence"] == "reference"
    assert row["samples"] == row["all_samples"] == 500
    assert row["delta_baseline"] >= -1.0
    (verdict,) = row["verdicts"]
    assert verdict["name"] == "budgets.spike"
    (target,) = result.json()["targets"]
    assert target["precision"] == "spiking"
    rules = {finding["rule"] for finding in target["findings"]}
    assert {"loihi-neuron", "spiking-cost", "loihi-unverified"} <= rules
    account = result.json()["compression"]["lower[loihi2]"]["spiking"]
    assert account["neuron"] == "sigma-delta"
    assert account["steps"] == 5, "three layers of neurons, the input and the read-out"
    assert 0 < account["cost"]["synaptic_operations"] < account["cost"]["macs"]
    again = edgecompile("build", "digits_cnn", "-t", "loihi2", "-q", "--format", "json")
    assert {step["status"] for step in again.json()["steps"]} == {"cached"}
    measured = edgecompile("eval", "dist/digits_cnn/loihi2", "-r", "digits_cnn", "--format", "json")
    assert measured.exit_code == 0, measured.stderr


def test_a_budget_that_no_number_of_steps_holds_is_exit_code_3(edgecompile, tmp_path):
    result = edgecompile(
        *("build", "digits_cnn", "-t", "loihi2", "-q"),
        *("--set", "budgets.spike=-50", "--set", "stages.spike.epochs=0"),
        *("--set", "lower.loihi.neuron=signed"),
    )
    assert result.exit_code == 3
    assert "no number of steps up to 128 holds budgets.spike=-50" in result.stderr


def test_attention_is_refused_with_its_line(edgecompile, data_folder):
    result = edgecompile("check", "fmnist_vit", "-t", "loihi2", "--format", "json")
    assert result.exit_code == 4
    findings = result.json()["loihi2"]
    assert any("no form in integrate-and-fire neurons" in f["message"] for f in findings)
    assert all("model.py:" in f["source"] for f in findings if f["node"])


EVENTS = """
import importlib.util
import numpy as np

_spec = importlib.util.spec_from_file_location("digits", {digits!r})
_digits = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_digits)
build = _digits.build


def _events(data, steps=24):
    images, labels = data
    potential, spikes = np.full(images.shape, 8, np.int64), []
    for _ in range(steps):
        potential += images
        spikes.append(potential >= 16)
        potential -= 16 * spikes[-1]
    return np.stack(spikes, axis=1).astype(np.float32), labels


def calibration_data():
    return _events(_digits.calibration_data())


def evaluation_data():
    return _events(_digits.evaluation_data())
"""


def test_recipes_may_give_spikes_that_the_chip_gets_step_by_step(edgecompile, tmp_path):
    recipes = Path(__file__).parents[2] / "recipes" / "digits_cnn"
    for name in ("model.py", "weights.safetensors"):
        shutil.copy(recipes / name, tmp_path / name)
    (tmp_path / "events.py").write_text(EVENTS.format(digits=str(tmp_path / "model.py")))
    (tmp_path / "recipe.yaml").write_text(
        "model: {source: 'events.py:build', weights: weights.safetensors, "
        "input: {shape: [1, 1, 8, 8], steps: 24}}\n"
        "data: {calibration: 'events.py:calibration_data', "
        "evaluation: 'events.py:evaluation_data'}\n"
        "metric: top1\ntargets: [loihi2]\n"
    )
    words = ("build", tmp_path / "recipe.yaml", "-q", "--format", "json", "-o", tmp_path / "out")
    refused = edgecompile(*words, "-t", "loihi2", "-t", "speck2f")
    assert refused.exit_code == 4
    assert "sigma-delta neurons are for samples that stand still" in refused.stderr
    assert "Speck does not read yet" in refused.stderr
    signed = ("-t", "loihi2", "--set", "lower.loihi.neuron=signed")
    result = edgecompile(*words, *signed)
    assert result.exit_code == 0, result.stderr
    row = result.json()["stages"][-1]
    assert row["samples"] == 500
    assert row["delta_baseline"] >= -1.0
    account = result.json()["compression"]["lower[loihi2]"]["spiking"]
    assert (account["steps"], account["input"]) == (24, "given")


@pytest.mark.full
@pytest.mark.parametrize(
    ("recipe", "neuron", "most"),
    [
        ("mnist_cnn", "sigma-delta", 32),
        ("mnist_cnn", "soft-reset", 32),
        ("fmnist_cnn", "sigma-delta", 32),
        ("ic_resnet8", "sigma-delta", 64),
    ],
)
def test_real_networks_lose_less_than_a_point(edgecompile, data_folder, recipe, neuron, most):
    result = edgecompile(
        *("build", recipe, "-t", "loihi2", "-q", "--format", "json"),
        *("--set", f"lower.loihi.neuron={neuron}"),
    )
    assert result.exit_code == 0, result.stderr
    row = result.json()["stages"][-1]
    assert row["samples"] == row["all_samples"]
    assert row["delta_baseline"] >= -1.0
    assert result.json()["compression"]["lower[loihi2]"]["spiking"]["steps"] <= most


@pytest.mark.full
def test_stock_neurons_lose_less_than_a_point_once_trained(edgecompile):
    result = edgecompile(
        *("build", "digits_cnn", "-t", "loihi2", "-q", "--format", "json"),
        *("--set", "lower.loihi.neuron=stock"),
    )
    assert result.exit_code == 0, result.stderr
    assert result.json()["stages"][-1]["delta_baseline"] >= -1.0
