"""What an artifact for Loihi 2 holds, and what is refused with which words."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from edgecompile.backends.protocol import Tuning
from edgecompile.backends.spiking.coding import Encoder
from edgecompile.backends.spiking.loihi.backend import LoihiBackend
from edgecompile.backends.spiking.loihi.options import LoihiOptions
from edgecompile.backends.spiking.network import InputCoding
from edgecompile.backends.spiking.writing import write_hub
from edgecompile.digest import digest_path
from edgecompile.errors import TargetCannotRun, UserError
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from edgecompile.recipe.target import Fact, Target
from tests.backends.spiking.networks import PLAIN, RESIDUAL, WITHOUT_BIAS, rates_of
from tests.hubs import samples_for

LIMITS = {
    "cores": Fact(value=128, source="a test"),
    "neurons_per_core": Fact(value=8192, source="a test"),
    "synaptic_memory_per_core": Fact(value=131072, unit="B", source="a test"),
}
SPEND = Fact(value=10, unit="pJ", source="a test")
STAGE = {"seed": 0}


def target(limits=LIMITS, **options) -> Target:
    return Target(
        name="chip",
        title="a chip",
        backend="loihi",
        precisions=["spiking"],
        options=options,
        limits=limits,
        facts={"energy_per_synaptic_operation": SPEND},
    )


def tuning(hub, tmp_path, training=None) -> Tuning:
    samples = samples_for(hub, 60)
    labels = run_onnx(serialize(hub), samples)[0].argmax(1)
    return Tuning(hub, (samples, labels), training, "top1", 10.0, STAGE, tmp_path)


def lowered(hub, folder, chip=None, training=None):
    folder.mkdir()
    written = write_hub(rates_of(hub))
    result = LoihiBackend().lower_by_data(
        written, chip or target(), folder, tuning(hub, folder, training)
    )
    return result, folder


@pytest.mark.parametrize("neuron", ["sigma-delta", "signed", "soft-reset"])
@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL])
def test_the_saved_file_gives_the_golden_outputs(hub, neuron, tmp_path):
    result, folder = lowered(hub, tmp_path / "built", target(neuron=neuron))
    golden = np.load(folder / "golden.npz")
    ran = LoihiBackend().run(folder / "model.nir", golden["samples"], {})
    np.testing.assert_array_equal(ran.outputs[0], golden["outputs"])
    trains = [golden[name] for name in golden.files if name.startswith("spikes.")]
    spikes = sum(int((train != 0).sum()) for train in trains) / len(golden["samples"])
    assert ran.measured[0].value == pytest.approx(spikes, abs=0.1)
    account = result.account["spiking"]
    assert json.loads((folder / "loihi.json").read_text()) == json.loads(json.dumps(account))
    assert account["steps"] == account["accuracy_by_steps"][-1]["steps"]
    assert account["neuron"] == neuron


def test_the_same_hub_gives_the_same_bytes(tmp_path):
    one, two = (lowered(PLAIN, tmp_path / name)[1] for name in ("one", "two"))
    assert digest_path(one) == digest_path(two)


def test_additions_are_in_the_nir_file_and_in_no_netx_file(tmp_path):
    _, folder = lowered(RESIDUAL, tmp_path / "built")
    assert {path.name for path in folder.iterdir()} == {"model.nir", "loihi.json", "golden.npz"}
    rules = {f.rule for f in LoihiBackend().check(RESIDUAL, target(), "spiking")}
    assert {"loihi-netx", "loihi-neuron", "loihi-unverified"} <= rules


def replay(path, trains, reset) -> list[np.ndarray]:
    """A netx file as Lava loads it, on whole numbers: the spikes of each hidden layer."""
    spikes, fired = trains.astype(np.int64), []
    with h5py.File(path) as file:
        groups = [file[f"layer/{number}"] for number in range(1, len(file["layer"]))]
        groups = [g for g in groups if g["type"][0] != b"flatten"]
        for group in groups[:-1]:
            arriving = np.concatenate([np.zeros_like(spikes[:1]), spikes[:-1]])
            flat = torch.from_numpy(arriving.reshape(-1, *arriving.shape[2:])).double()
            weight = torch.from_numpy(group["weight"][()]).double()
            if group["type"][0] == b"dense":
                current = torch.nn.functional.linear(flat.flatten(1), weight)[..., None, None]
            else:
                current = torch.nn.functional.conv2d(
                    flat,
                    weight,
                    None,
                    tuple(group["stride"][()]),
                    tuple(group["padding"][()]),
                    tuple(group["dilation"][()]),
                    int(group["groups"][()]),
                )
            current = (
                current.numpy().astype(np.int64).reshape(*spikes.shape[:2], *current.shape[1:])
            )
            current += group["bias"][()].astype(np.int64)[:, None, None]
            threshold, v, trains = int(group["neuron/vThMant"][()]), 0, []
            for step in current:
                v = v + step
                trains.append(v > threshold)
                v = np.where(v > threshold, 0 if reset == "zero" else v - threshold, v)
            spikes = np.stack(trains).astype(np.int64)
            fired.append(spikes)
    return fired


def test_a_netx_file_of_stock_neurons_replays_the_golden_spikes(tmp_path):
    samples = samples_for(PLAIN, 200, seed=3)
    labels = run_onnx(serialize(PLAIN), samples)[0].argmax(1)
    chip = target(neuron="stock", epochs=2, input="events", steps=16)
    _, folder = lowered(PLAIN, tmp_path / "built", chip, (samples, labels))
    assert (folder / "model.net").exists()
    golden = np.load(folder / "golden.npz")
    fired = replay(folder / "model.net", golden["spikes.input"], "zero")
    names = [name for name in golden.files if name.startswith("spikes.") and "input" not in name]
    assert len(fired) == len(names)
    for name, spikes in zip(names, fired, strict=True):
        np.testing.assert_array_equal(golden[name], spikes)
        assert spikes.any()


@pytest.mark.parametrize("neuron", ["signed", "soft-reset"])
def test_a_netx_file_for_other_neurons_has_a_name_that_says_so(neuron, tmp_path):
    _, folder = lowered(WITHOUT_BIAS, tmp_path / "built", target(neuron=neuron))
    assert (folder / f"model.{neuron}.net").exists()
    assert not (folder / "model.net").exists()


def test_sigma_delta_neurons_have_no_netx_file_and_the_check_says_why(tmp_path):
    _, folder = lowered(WITHOUT_BIAS, tmp_path / "built")
    assert not [*folder.glob("*.net")]
    told = {f.rule: f.message for f in LoihiBackend().check(WITHOUT_BIAS, target(), "spiking")}
    assert "no ceiling" in told["loihi-netx"]


@pytest.mark.parametrize("option", [{"steps": 16}, {"input": "events"}])
def test_sigma_delta_neurons_refuse_what_belongs_to_rates(option):
    with pytest.raises(ValidationError, match="neuron=signed"):
        LoihiOptions(neuron="sigma-delta", **option)


def test_stock_neurons_need_data_to_train_with(tmp_path):
    with pytest.raises(TargetCannotRun, match="stock neurons") as refused:
        lowered(PLAIN, tmp_path / "built", target(neuron="stock"))
    assert "data.train" in (refused.value.remedy or "")


def as_spikes(samples, steps) -> np.ndarray:
    """The samples, at most 1 in size, by the deterministic code: (samples, steps, *shape)."""
    encoder = Encoder(InputCoding("events", 1.0, True), torch.from_numpy(samples))
    return np.stack([encoder.step().numpy() for _ in range(steps)], axis=1)


@pytest.mark.parametrize("neuron", ["signed", "soft-reset"])
def test_samples_that_are_spikes_are_what_the_chip_gets_step_by_step(neuron, tmp_path):
    spikes = as_spikes(samples_for(PLAIN, 60, spread=0.4).clip(-1, 1), 32)
    means = spikes.mean(1)
    labels = run_onnx(serialize(PLAIN), means)[0].argmax(1)
    given = Tuning(PLAIN, (means, labels), None, "top1", 10.0, STAGE, tmp_path, spikes)
    written = write_hub(rates_of(PLAIN, means))
    result = LoihiBackend().lower_by_data(written, target(neuron=neuron), tmp_path, given)
    assert result.account["spiking"]["steps"] == 32
    assert result.account["spiking"]["input"] == "given"
    golden = np.load(tmp_path / "golden.npz")
    np.testing.assert_array_equal(golden["spikes.input"], spikes[:4].swapaxes(0, 1))
    ran = LoihiBackend().run(tmp_path / "model.nir", spikes, {})
    np.testing.assert_array_equal(ran.outputs[0][:4], golden["outputs"])
    assert (ran.outputs[0].argmax(1) == labels).mean() >= 0.9
    with pytest.raises(UserError, match="takes spikes, step by step"):
        LoihiBackend().run(tmp_path / "model.nir", means, {})
    with pytest.raises(UserError, match="takes 32 steps, and the data have 8"):
        LoihiBackend().run(tmp_path / "model.nir", spikes[:, :8], {})


@pytest.mark.parametrize("neuron", ["sigma-delta", "stock"])
def test_neurons_for_samples_that_stand_still_refuse_spikes(neuron, tmp_path):
    spikes = as_spikes(samples_for(PLAIN, 10).clip(-1, 1), 8)
    means = spikes.mean(1)
    given = Tuning(PLAIN, (means, np.zeros(10)), None, "top1", 10.0, STAGE, tmp_path, spikes)
    written = write_hub(rates_of(PLAIN, means))
    with pytest.raises(TargetCannotRun, match=r"model\.input\.steps") as refused:
        LoihiBackend().lower_by_data(written, target(neuron=neuron), tmp_path, given)
    assert "neuron=signed" in (refused.value.remedy or "")


def test_too_few_cores_are_told_with_the_layer_and_by_how_much(tmp_path):
    chip = target(
        {
            **LIMITS,
            "cores": Fact(value=5, source="x"),
            "neurons_per_core": Fact(value=64, source="x"),
        }
    )
    (error,) = LoihiBackend().check(PLAIN, chip, "spiking")
    # 256 neurons and 64 and 5: 4 cores, 1 and 1.
    assert "takes 6 cores and the chip has 5: 1 too many" in error.message
    assert "256 neurons of shape 4 x 8 x 8" in error.message
    assert "at most 192 neurons" in (error.remedy or "")
    assert error.source is not None
    with pytest.raises(TargetCannotRun, match="1 too many"):
        lowered(PLAIN, tmp_path / "built", chip)


def test_a_hub_alone_is_refused(tmp_path):
    with pytest.raises(TargetCannotRun, match="from a recipe"):
        LoihiBackend().lower(PLAIN, target(), tmp_path)


@pytest.mark.parametrize(
    ("neuron", "operator"), [("signed", "integrate and fire"), ("sigma-delta", "sigma-delta")]
)
def test_an_artifact_is_read_back_and_its_energy_is_an_estimate_with_its_source(
    neuron, operator, tmp_path
):
    result, folder = lowered(PLAIN, tmp_path / "built", target(neuron=neuron))
    facts = LoihiBackend().inspect(folder / "model.nir")
    assert [found.name for found in facts.operators] == [operator, operator, "read-out"]
    assert facts.inputs[0].shape == (1, 2, 8, 8)
    (energy,) = LoihiBackend().estimate(PLAIN, folder / "model.nir", target())
    operations = result.account["spiking"]["cost"]["synaptic_operations"]
    assert energy.low == pytest.approx(operations * 10e-9)
    assert energy.sources == ("a test",)
