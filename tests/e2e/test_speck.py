"""Real models on Speck: within a point of PyTorch event by event, or refused by layer and limit."""

from __future__ import annotations

import pytest


def test_a_recipe_for_other_targets_builds_for_speck_and_loses_less_than_a_point(edgecompile):
    result = edgecompile("build", "digits_cnn", "-t", "speck2f", "-q", "--format", "json")
    assert result.exit_code == 0, result.stderr
    row = result.json()["stages"][-1]
    assert row["evidence"] == "reference"
    assert row["samples"] == row["all_samples"] == 500
    assert row["delta_baseline"] >= -1.0
    (target,) = result.json()["targets"]
    assert [found["quantity"] for found in target["measured"]] == ["spikes", "synaptic operations"]
    rules = {finding["rule"] for finding in target["findings"]}
    assert {"speck-asynchrony", "speck-unverified", "spiking-cost"} <= rules
    account = result.json()["compression"]["lower[speck2f]"]["spiking"]
    assert account["steps"] <= 32
    assert len({layer["core"] for layer in account["layers"]}) == 4
    again = edgecompile("build", "digits_cnn", "-t", "speck2f", "-q", "--format", "json")
    assert {step["status"] for step in again.json()["steps"]} == {"cached"}


@pytest.mark.full
def test_a_network_that_does_not_fit_is_told_layer_by_layer(edgecompile, data_folder):
    result = edgecompile("check", "fmnist_cnn", "-t", "speck2e", "--format", "json")
    assert result.exit_code == 4
    findings = result.json()["speck2e"]
    rules = [finding["rule"] for finding in findings]
    assert rules.count("speck-addition") == 3
    assert {"speck-cores", "speck-memory", "speck-groups"} <= set(rules)
    assert all("model.py:" in finding["source"] for finding in findings)
    assert all(finding["remedy"] for finding in findings)


@pytest.mark.full
def test_a_published_model_loses_less_than_a_point(edgecompile, data_folder):
    result = edgecompile(
        *("build", "mnist_cnn", "-t", "speck2f", "-q", "--format", "json"),
        *("--set", "data.emulated_samples=9800"),
    )
    assert result.exit_code == 0, result.stderr
    row = result.json()["stages"][-1]
    assert row["samples"] == 9800
    assert row["delta_baseline"] >= -1.0
    assert result.json()["compression"]["lower[speck2f]"]["spiking"]["steps"] <= 32
