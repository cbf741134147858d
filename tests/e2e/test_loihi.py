"""Real models on Loihi 2: within a point of PyTorch, or refused with the place in the model."""

from __future__ import annotations

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
    assert account["steps"] <= 32
    assert [point["steps"] for point in account["accuracy_by_steps"]][:2] == [4, 6]
    assert account["cost"]["synaptic_operations"] > 0
    again = edgecompile("build", "digits_cnn", "-t", "loihi2", "-q", "--format", "json")
    assert {step["status"] for step in again.json()["steps"]} == {"cached"}
    measured = edgecompile("eval", "dist/digits_cnn/loihi2", "-r", "digits_cnn", "--format", "json")
    assert measured.exit_code == 0, measured.stderr


def test_a_budget_that_no_number_of_steps_holds_is_exit_code_3(edgecompile, tmp_path):
    result = edgecompile(
        *("build", "digits_cnn", "-t", "loihi2", "-q"),
        *("--set", "budgets.spike=-50", "--set", "stages.spike.epochs=0"),
    )
    assert result.exit_code == 3
    assert "no number of steps up to 128 holds budgets.spike=-50" in result.stderr


def test_attention_is_refused_with_its_line(edgecompile, data_folder):
    result = edgecompile("check", "fmnist_vit", "-t", "loihi2", "--format", "json")
    assert result.exit_code == 4
    findings = result.json()["loihi2"]
    assert any("no form in integrate-and-fire neurons" in f["message"] for f in findings)
    assert all("model.py:" in f["source"] for f in findings if f["node"])


@pytest.mark.full
def test_mnist_loses_less_than_a_point_in_32_steps(edgecompile, data_folder):
    result = edgecompile("build", "mnist_cnn", "-t", "loihi2", "-q", "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert result.json()["stages"][-1]["delta_baseline"] >= -1.0
    assert result.json()["compression"]["lower[loihi2]"]["spiking"]["steps"] <= 32


@pytest.mark.full
@pytest.mark.parametrize("recipe", ["fmnist_cnn", "ic_resnet8"])
def test_a_deep_network_loses_less_than_a_point_or_is_refused(edgecompile, data_folder, recipe):
    result = edgecompile("build", recipe, "-t", "loihi2", "-q", "--format", "json")
    if result.exit_code == 0:
        assert result.json()["stages"][-1]["delta_baseline"] >= -1.0
    else:
        assert result.exit_code == 3
        assert "budgets.spike" in result.stderr


@pytest.mark.full
def test_stock_neurons_lose_less_than_a_point_once_trained(edgecompile):
    result = edgecompile(
        *("build", "digits_cnn", "-t", "loihi2", "-q", "--format", "json"),
        *("--set", "lower.loihi.neuron=stock"),
    )
    assert result.exit_code == 0, result.stderr
    assert result.json()["stages"][-1]["delta_baseline"] >= -1.0
