"""Pruning by the command line: fewer MACs, measured after each iteration, resumed, exact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.conftest import tree

STRUCTURED = "stages.prune={ratio: 0.5, iterations: 2, importance: taylor, finetune: {epochs: 2}}"


def build(edgecompile, *options: str, prune: str = STRUCTURED, recipe: str = "digits_cnn"):
    return edgecompile(
        "build", recipe, "-q", "-t", "android-tflite", "--format", "json", "--set", prune, *options
    )


def test_half_the_macs_go_and_each_iteration_is_a_row_of_the_report(edgecompile):
    result = build(edgecompile)
    assert result.exit_code == 0, result.stderr
    stages = {row["step"]: row for row in result.json()["stages"]}
    before = stages["run[pytorch]"]["cost"]["macs"]
    first, second = (stages[f"prune[{i}]"] for i in (1, 2))
    assert 0.7 * before < first["cost"]["macs"] <= 0.75 * before
    assert second["cost"]["macs"] <= 0.5 * before
    assert second["metric"] > 0.97
    last = result.json()["stages"][-1]
    assert last["evidence"] == "vendor-runtime"
    assert last["delta_baseline"] > -2
    assert last["size_bytes"] < 20_000


FAST_ARITHMETIC = """\
title: A device whose memory is the bottleneck
backend: onnxruntime
precisions: [int8]
facts:
  compute: {value: 4, unit: TOPS, source: invented for this test}
  bandwidth: {value: 1, unit: GB/s, source: invented for this test}
"""


def test_a_target_s_least_latency_is_halved_by_what_bounds_it(edgecompile):
    """With so fast an arithmetic the weights take the time: they are halved, not the MACs."""
    Path("targets").mkdir()
    Path("targets/fast.yaml").write_text(FAST_ARITHMETIC)
    result = build(edgecompile, prune="stages.prune={measure: latency, target: fast}")
    assert result.exit_code == 0, result.stderr
    stages = {row["step"]: row["cost"] for row in result.json()["stages"]}
    before, after = stages["run[pytorch]"], stages["prune[1]"]
    assert 0.4 * before["parameters"] < after["parameters"] <= 0.5 * before["parameters"]


def test_memory_is_weights_and_the_activations_of_one_moment(edgecompile):
    result = build(edgecompile, prune="stages.prune={measure: memory}")
    assert result.exit_code == 0, result.stderr
    stages = {row["step"]: row["cost"] for row in result.json()["stages"]}
    before, after = (
        stages[step]["parameters"] + stages[step]["activations"]
        for step in ("run[pytorch]", "prune[1]")
    )
    assert 0.4 * before < after <= 0.5 * before


def test_the_same_pruning_gives_the_same_bytes(edgecompile, monkeypatch, tmp_path):
    found = []
    for place in ("one", "two"):
        monkeypatch.setenv("EDGECOMPILE_CACHE", str(tmp_path / f"cache-{place}"))
        result = build(edgecompile, "-o", place)
        assert result.exit_code == 0, result.stderr
        found.append(tree(Path(place)))
    assert found[0] == found[1]


def test_another_share_begins_anew_and_a_third_iteration_only_adds_to_nothing(edgecompile):
    first = build(edgecompile)
    again = build(edgecompile)
    assert first.exit_code == again.exit_code == 0
    assert again.rebuilt() == []
    tighter = build(edgecompile, "--set", "budgets.prune=9")
    assert tighter.rebuilt() == []


@pytest.mark.parametrize(
    ("prune", "zeros"),
    [
        ("stages.prune={method: unstructured, ratio: 0.8, finetune: {epochs: 3}}", 0.78),
        ('stages.prune={method: "2:4", finetune: {epochs: 1}}', 0.48),
    ],
)
def test_zeros_survive_fine_tuning_and_quantization(edgecompile, shared_cache, prune, zeros):
    result = build(edgecompile, prune=prune)
    assert result.exit_code == 0, result.stderr
    (row,) = (r for r in result.json()["stages"] if r["stage"] == "prune")
    assert row["cost"]["nonzero"] <= (1 - zeros) * row["cost"]["parameters"] + 1000
    hub = edgecompile(
        "quantize", "digits_cnn", "-t", "android-tflite", "-q", "-o", "q.onnx", "--set", prune
    )
    assert hub.exit_code == 0, hub.stderr
    import onnx

    weights = [
        onnx.numpy_helper.to_array(i)
        for i in onnx.load("q.onnx").graph.initializer
        if i.name.endswith("weight.int8")
    ]
    total = sum(array.size for array in weights)
    assert sum((array == 0).sum() for array in weights) / total >= zeros


@pytest.mark.parametrize(
    ("prune", "message"),
    [
        (
            "stages.prune={ratio: 1.5}",
            "error: stages.prune.ratio must be less than 1, not 1.5\n"
            "  --> --set stages.prune={ratio: 1.5}\n",
        ),
        (
            "stages.prune={measure: latency, target: android-tflite}",
            "error: the target android-tflite publishes neither 'compute' nor 'bandwidth', so its "
            "least latency cannot be told\n"
            "  --> --set stages.prune={measure: latency, target: android-tflite}\n"
            "help: name another target, add the fact with its source, or take measure: macs\n",
        ),
        (
            "stages.prune={measure: latency}",
            "error: stages.prune: 'target' goes with measure: latency, and only with it\n"
            "  --> --set stages.prune={measure: latency}\n",
        ),
        (
            "stages.prune={ratio: 0.999}",
            "error: the model cannot be pruned to 100 multiply-accumulates: with a tenth of all "
            "removable channels left it still has 2,190\n"
            "  --> --set stages.prune={ratio: 0.999}\n"
            "help: choose a smaller stages.prune.ratio\n",
        ),
        (
            "stages.prune={finetune: {epochs: 1, learning_rate: 1.0e+20}}",
            "error: fine-tuning diverged: the loss is no finite number in epoch 1 of 1, with the "
            "learning rate 1e+20\n"
            "  --> --set stages.prune={finetune: {epochs: 1, learning_rate: 1.0e+20}}\n"
            "help: choose a smaller stages.prune.finetune.learning_rate\n",
        ),
    ],
)
def test_what_cannot_be_pruned_or_trained_is_one_message(edgecompile, prune, message):
    result = build(edgecompile, prune=prune)
    assert (result.exit_code, result.stderr) == (2, message)
    assert not Path("dist/digits_cnn/android-tflite").exists()


def test_fine_tuning_without_training_data_is_told_before_anything_runs(edgecompile, tiny):
    prune = "stages.prune={finetune: {epochs: 1}}"
    result = edgecompile("build", "tiny", "-q", "--set", prune)
    assert (result.exit_code, result.stderr) == (
        2,
        "error: stages.prune.finetune needs data to train on, and the recipe names no data.train\n"
        f"  --> --set {prune}\n"
        "help: name an .npz with inputs and labels, or a function: model.py:training_data\n",
    )


def test_a_model_without_channels_to_remove_says_so(edgecompile, tiny):
    result = edgecompile("build", "tiny", "-q", "--set", "stages.prune={ratio: 0.5}")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: nothing of this model can be pruned: ")


def test_what_is_left_is_written_as_data(edgecompile, own_cache):
    assert build(edgecompile).exit_code == 0
    states = [json.loads(p.read_bytes()) for p in own_cache.rglob("pruning.json")]
    assert sorted(state["iteration"] for state in states) == [1, 2]
    last = max(states, key=lambda state: state["iteration"])
    left = last["layers"]["conv1"]["attributes"]["out_channels"]
    assert len(last["layers"]["conv1"]["kept"]["out"]) == left < 16
    files = [load_file(p) for p in own_cache.rglob("weights.safetensors")]
    assert left in {state["conv1.weight"].shape[0] for state in files}


FEW_IMAGES = (
    "finetune: {epochs: 64, learning_rate: 0.006, batch: 128, distillation: 1, hints: 200, "
    "augment: [crop, flip, mixup, cutmix]}"
)
MANY_IMAGES = (
    "finetune: {epochs: 3, learning_rate: 0.006, batch: 128, distillation: 0.9, hints: 1, "
    "augment: [flip]}"
)


@pytest.mark.full
@pytest.mark.parametrize(
    ("recipe", "ratio", "finetune", "may_lose"),
    [
        ("cifar_resnet20", 0.5, FEW_IMAGES, 2.0),
        ("cifar_resnet20", 0.3, FEW_IMAGES.replace("epochs: 64", "epochs: 20"), 1.0),
        ("fmnist_cnn", 0.5, MANY_IMAGES, 0.5),
    ],
)
def test_a_real_network_keeps_its_accuracy(
    edgecompile, data_folder, recipe, ratio, finetune, may_lose
):
    prune = f"stages.prune={{ratio: {ratio}, importance: taylor, {finetune}}}"
    result = build(edgecompile, "--set", "budgets={}", recipe=recipe, prune=prune)
    assert result.exit_code == 0, result.stderr
    stages = {row["step"]: row for row in result.json()["stages"]}
    before, after = stages["run[pytorch]"], stages["prune[1]"]
    assert after["cost"]["macs"] <= (1 - ratio) * before["cost"]["macs"]
    assert after["delta_baseline"] >= -may_lose
