"""What an artifact for a Speck holds, and that it is the network that was measured."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from dataclasses import replace
from pathlib import PurePosixPath
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from edgecompile.backends.protocol import Tuning
from edgecompile.backends.spiking.network import INPUT, connections
from edgecompile.backends.spiking.nir_file import read_nir
from edgecompile.backends.spiking.simulate import simulate
from edgecompile.backends.spiking.speck.backend import SpeckBackend
from edgecompile.backends.spiking.speck.events import FLOOR
from edgecompile.backends.spiking.speck.integers import DYNAMICS
from edgecompile.backends.spiking.speck.on_device import apply
from edgecompile.backends.spiking.writing import write_hub
from edgecompile.digest import digest_path
from edgecompile.errors import TargetCannotRun
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from edgecompile.recipe.target import Fact
from tests.backends.spiking.networks import RESIDUAL, rates_of
from tests.backends.spiking.speck.chains import CHAIN, HUBS, chip_of, speck
from tests.hubs import samples_for


def lowered(hub, folder, **options):
    folder.mkdir()
    samples = samples_for(hub, 60)
    labels = run_onnx(serialize(hub), samples)[0].argmax(1)
    tuning = Tuning(hub, (samples, labels), None, "top1", 10.0, {"seed": 0}, folder)
    target = speck()
    target = target.model_copy(update={"options": {**target.options, **options}})
    written = write_hub(rates_of(hub))
    return SpeckBackend().lower_by_data(written, target, folder, tuning), folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return lowered(CHAIN, tmp_path_factory.mktemp("speck") / "built")


@pytest.mark.parametrize("name", HUBS)
def test_the_saved_file_gives_the_golden_spikes_of_both_simulators(name, tmp_path):
    _, folder = lowered(HUBS[name], tmp_path / "built", steps=8)
    golden = np.load(folder / "golden.npz")
    run = SpeckBackend().run(folder / "model.nir", golden["samples"], {})
    np.testing.assert_array_equal(run.outputs[0], golden["outputs"])
    model = read_nir(folder / "model.nir")
    trace = simulate(model.network, golden["samples"], [4, 8], DYNAMICS, record=True)
    for population, train in trace.trains.items():
        np.testing.assert_array_equal(golden[f"steps.{population}"], train)
        assert golden[f"events.{population}"].shape == train.shape
    np.testing.assert_array_equal(golden["steps.input"], golden["events.input"])


def test_spikes_and_operations_are_measured_as_it_runs(built):
    result, folder = built
    golden = np.load(folder / "golden.npz")
    spikes, operations = SpeckBackend().run(folder / "model.nir", golden["samples"], {}).measured
    fired = sum(golden[name].sum() for name in golden.files if name.startswith("events."))
    assert spikes.value == pytest.approx(fired / len(golden["samples"]), abs=0.1)
    assert operations.value > 0
    rules = {f.rule for f in result.findings}
    assert {"spiking-cost", "speck-asynchrony"} <= rules


def test_what_asynchrony_costs_is_told_for_each_number_of_steps(built):
    result, folder = built
    account = result.account["spiking"]
    assert json.loads((folder / "mapping.json").read_text()) == json.loads(json.dumps(account))
    tried = [point["steps"] for point in account["accuracy_by_steps"]]
    assert [point["steps"] for point in account["step_simulation"]] == tried
    assert account["steps"] in tried
    (finding,) = [f for f in result.findings if f.rule == "speck-asynchrony"]
    for steps in tried:
        assert f"{steps} steps: " in finding.message


@pytest.mark.parametrize("name", HUBS)
def test_every_number_fits_its_register(name):
    for layer, connection in connections(chip_of(HUBS[name])):
        if layer.threshold is None:
            continue
        for numbers in (connection.weight, layer.bias):
            assert np.abs(numbers).max() <= 127
            assert (numbers == np.rint(numbers)).all()
        assert max(np.abs(connection.weight).max(), np.abs(layer.bias).max()) == 127
        assert 1 <= layer.threshold <= 2**14


def test_the_same_hub_gives_the_same_bytes(built, tmp_path):
    _, again = lowered(CHAIN, tmp_path / "again")
    assert digest_path(again) == digest_path(built[1])


def test_the_configuration_has_the_network_in_the_vendors_names_and_order(built):
    _, folder = built
    body = json.loads((folder / "speck2f.json").read_text())
    assert "not validated by the vendor" in body["validated"]
    cores = body["configuration"]["cnn_layers"]
    network = read_nir(folder / "model.nir").network
    core = body["input"]["layer"]
    for layer in network.layers[:-1]:
        fields, (connection,) = cores[str(core)], layer.connections
        np.testing.assert_array_equal(np.array(fields["weights"]).swapaxes(2, 3), connection.weight)
        np.testing.assert_array_equal(fields["biases"], layer.bias)
        assert fields["threshold_high"] == layer.threshold
        assert fields["threshold_low"] == FLOOR
        assert np.shape(fields["neurons_initial_value"]) == (
            layer.shape[0],
            layer.shape[2],
            layer.shape[1],
        )
        sizes = fields["dimensions"]["output_shape"]
        assert (sizes["feature_count"], sizes["size"]["y"], sizes["size"]["x"]) == layer.shape
        if fields["destinations"]:
            (to,) = fields["destinations"]
            core = to["layer"]
            following = cores[str(core)]["dimensions"]["input_shape"]["size"]
            assert following == {axis: sizes["size"][axis] // to["pooling"] for axis in ("x", "y")}
        assert fields["monitor_enable"] == (core == body["output"]["layer"]) or to
    assert core == body["output"]["layer"]
    assert set(cores) == {
        str(row["core"]) for row in json.loads((folder / "mapping.json").read_text())["layers"]
    }


def test_energy_is_not_known_without_a_figure_for_an_operation(built):
    _, folder = built
    target = speck()
    assert SpeckBackend().estimate(CHAIN, folder / "model.nir", target) == []
    figure = {"energy_per_synaptic_operation": Fact(value=2, unit="pJ", source="a test")}
    target = target.model_copy(update={"facts": figure})
    (energy,) = SpeckBackend().estimate(CHAIN, folder / "model.nir", target)
    assert energy.low > 0


def test_an_artifact_is_read_back(built):
    facts = SpeckBackend().inspect(built[1] / "model.nir")
    assert [operator.name for operator in facts.operators] == ["integrate and fire"] * 3 + ["count"]
    assert facts.inputs[0].shape == (1, 2, 9, 9)
    assert facts.outputs[0].shape == (1, 5)


def test_a_hub_alone_is_refused(tmp_path):
    with pytest.raises(TargetCannotRun, match="from a recipe"):
        SpeckBackend().lower(CHAIN, speck(), tmp_path)


def test_what_does_not_fit_is_not_lowered(tmp_path):
    with pytest.raises(TargetCannotRun, match="adds 2 maps"):
        lowered(RESIDUAL, tmp_path / "built")


def samna(monkeypatch, files):
    """A stand-in with the vendor's names; it keeps what it is given."""
    package, chip = ModuleType("samna"), ModuleType("samna.speck2f")
    seen = {}

    def layer():
        return SimpleNamespace(destinations=[SimpleNamespace(), SimpleNamespace()])

    def configuration():
        return SimpleNamespace(dvs_layer=SimpleNamespace(), cnn_layers=[layer() for _ in range(9)])

    def validate(given):
        seen["configuration"] = given
        return seen.get("valid", True), "a reason"

    chip.configuration = SimpleNamespace(SpeckConfiguration=configuration)
    chip.validate_configuration = validate
    chip.event = SimpleNamespace(Spike=SimpleNamespace)
    package.speck2f = chip
    monkeypatch.setitem(sys.modules, "samna", package)
    monkeypatch.setitem(sys.modules, "samna.speck2f", chip)
    listed = [PurePosixPath(name) for name in files]
    monkeypatch.setattr(importlib.metadata, "files", lambda name: listed)
    return seen


def test_the_script_fills_the_vendors_configuration(built, monkeypatch, capsys):
    seen = samna(monkeypatch, ["samna/__init__.py", "samna/core.so"])
    assert apply.main(["--check"], built[1]) == 0
    body = json.loads((built[1] / "speck2f.json").read_text())
    for core, fields in body["configuration"]["cnn_layers"].items():
        layer = seen["configuration"].cnn_layers[int(core)]
        assert layer.weights == fields["weights"]
        assert layer.threshold_low == FLOOR
        for index, destination in enumerate(fields["destinations"]):
            assert vars(layer.destinations[index]) == destination
    seen["valid"] = False
    assert apply.main(["--check"], built[1]) == 1
    assert "not valid: a reason" in capsys.readouterr().err


def test_the_stub_of_samna_is_never_imported(built, monkeypatch, capsys):
    samna(monkeypatch, ["samna/__init__.py"])

    def never(name):
        raise AssertionError(name)

    monkeypatch.setattr(apply.importlib, "import_module", never)
    assert apply.main([], built[1]) == 2
    assert "stub" in capsys.readouterr().err


def test_the_script_reads_outputs_from_events_as_the_simulator_does(built):
    _, folder = built
    golden = np.load(folder / "golden.npz")
    body = json.loads((folder / "speck2f.json").read_text())
    train, layer = golden["events.outputs"][:, 0, :, 0, 0], body["output"]["layer"]
    events = [
        SimpleNamespace(layer=layer, feature=feature, timestamp=step * apply.STEP_MICROSECONDS)
        for step, feature in np.argwhere(train)
        for _ in range(train[step, feature])
    ]
    np.testing.assert_allclose(apply.decoded(events, body), golden["outputs"][0], rtol=1e-5)
    chip = SimpleNamespace(event=SimpleNamespace(Spike=SimpleNamespace))
    sent = apply.events_of(chip, golden["events.input"][:, 0], body["input"]["layer"])
    assert len(sent) == golden["events.input"][:, 0].sum()
    assert {event.layer for event in sent} == {body["input"]["layer"]}


def test_a_network_with_other_steps_is_another_artifact(built, tmp_path):
    _, folder = lowered(CHAIN, tmp_path / "built", steps=6, chip="speck2e")
    assert json.loads((folder / "speck2e.json").read_text())["steps"] == 6
    model = read_nir(folder / "model.nir")
    first = replace(model.network.layers[0])
    assert first.connections[0].source == INPUT
