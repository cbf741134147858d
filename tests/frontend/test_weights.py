"""Weights: those of another network are refused, and a pickle never runs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from edgecompile.errors import UserError
from edgecompile.frontend.module import build_module, read_weights
from tests.conftest import TINY_RECIPE, WEIGHT, write_tiny

BIAS = np.zeros(3, np.float32)


def refusal(tiny: Path, tensors: dict[str, np.ndarray]) -> str:
    save_file(tensors, tiny / "weights.safetensors")
    with pytest.raises(UserError) as caught:
        build_module("model.py:build", tiny / "weights.safetensors", tiny)
    return caught.value.render()


NOT_FITTING = "error: the weights in weights.safetensors do not fit the module; "
REMEDY = "\nhelp: model.source and model.weights must describe the same network"


def test_missing_weights_are_named(tiny):
    assert refusal(tiny, {"weight": WEIGHT}) == f"{NOT_FITTING}missing: bias{REMEDY}"


def test_weights_that_the_module_does_not_have_are_named_and_counted(tiny):
    extra = {f"layer{i}.weight": BIAS for i in range(5)}
    assert refusal(tiny, {"weight": WEIGHT, "bias": BIAS, **extra}) == (
        f"{NOT_FITTING}not in the module: layer0.weight, layer1.weight, layer2.weight "
        f"and 2 more{REMEDY}"
    )


def test_weights_of_another_shape_are_told_with_both_shapes(tiny):
    assert refusal(tiny, {"weight": WEIGHT.T.copy(), "bias": BIAS}) == (
        f"{NOT_FITTING}of another shape: weight is [4, 3], the module wants [3, 4]{REMEDY}"
    )


def test_all_that_is_wrong_with_the_weights_is_told_at_once(tiny):
    assert refusal(tiny, {"weight": BIAS, "scale": BIAS}) == (
        f"{NOT_FITTING}missing: bias; not in the module: scale; "
        f"of another shape: weight is [3], the module wants [3, 4]{REMEDY}"
    )


def test_the_weights_end_up_in_the_module(tiny):
    module = build_module("model.py:build", tiny / "weights.safetensors", tiny)
    assert not module.training
    np.testing.assert_array_equal(module.weight.numpy(), WEIGHT)


@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_a_truncated_file_is_refused(tiny, keep):
    path = tiny / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError) as caught:
        read_weights(path)
    assert caught.value.message.startswith("weights.safetensors is not a whole safetensors file: ")


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("ending", [".pt", ".pth"])
@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_a_pickle_with_code_in_it_is_refused_and_not_run(edgecompile, tmp_path, ending, writer):
    recipe = TINY_RECIPE.replace("weights.safetensors", f"weights{ending}")
    tiny = write_tiny(tmp_path / "tiny", recipe=recipe)
    witness = tmp_path / "the-code-ran"
    state = {"weight": torch.zeros(3, 4), "bias": Bomb(witness)}
    if writer == "torch":
        torch.save(state, tiny / f"weights{ending}")
    else:
        (tiny / f"weights{ending}").write_bytes(pickle.dumps(Bomb(witness)))
    result = edgecompile("build", "tiny", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: weights{ending} cannot be read as plain weights; it may hold pickled code, which "
        "edgecompile never runs\n"
        "help: save the state dict as safetensors: "
        "safetensors.torch.save_file(module.state_dict(), 'weights.safetensors')\n",
    )
    assert not witness.exists()
    assert not (tmp_path / "dist/tiny/cpu-onnxruntime").exists()


def test_the_bomb_of_the_test_above_is_real(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "the-code-ran")))
    assert (tmp_path / "the-code-ran").exists()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_plain_state_dict_of_torch_is_read(tmp_path, wrapped):
    state = {"weight": torch.ones(2)}
    torch.save({"state_dict": state, "epoch": 3} if wrapped else state, tmp_path / "w.pt")
    assert torch.equal(read_weights(tmp_path / "w.pt")["weight"], state["weight"])


def test_a_file_of_torch_that_holds_no_state_dict_is_refused(tmp_path):
    torch.save([torch.ones(2)], tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"^w\.pt holds no state dict \(names to tensors\)$"):
        read_weights(tmp_path / "w.pt")


def test_weights_of_an_unknown_format_are_refused(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"")
    with pytest.raises(UserError, match=r"^weights of type '\.h5' are not read$"):
        read_weights(tmp_path / "w.h5")
