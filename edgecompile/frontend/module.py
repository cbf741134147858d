"""The user's network with its weights, loaded without running a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecompile.errors import UserError
from edgecompile.recipe.user_code import blaming, load_attribute

if TYPE_CHECKING:
    import torch

_SHOWN = 3
"""How many names a message lists before it says how many more there are."""


def build_module(reference: str, weights: Path | None, folder: Path) -> torch.nn.Module:
    """The user's network with its weights, in evaluation mode.

    Raises:
        UserError: the factory fails or does not return a Module, or the weights do not fit.
    """
    import torch

    factory = load_attribute(reference, folder)
    torch.manual_seed(0)
    with blaming(folder, f"calling {reference} failed"):
        module = factory()
    if not isinstance(module, torch.nn.Module):
        raise UserError(f"{reference} returned {type(module).__name__}, not a torch.nn.Module")
    if weights is not None:
        _assign(module, read_weights(weights), weights.name)
    return module.eval().requires_grad_(False)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A state dict from safetensors, or from torch's own format read without its pickled code.

    Raises:
        UserError: the file is damaged, of another format, or holds anything but tensors.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        try:
            tensors: dict[str, torch.Tensor] = load_file(path)
            return tensors
        except SafetensorError as error:
            raise UserError(f"{path.name} is not a whole safetensors file: {error}") from error
    if path.suffix in {".pt", ".pth"}:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise UserError(
                f"{path.name} cannot be read as plain weights; "
                "it may hold pickled code, which edgecompile never runs",
                remedy="save the state dict as safetensors: "
                "safetensors.torch.save_file(module.state_dict(), 'weights.safetensors')",
            ) from error
        if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
            state = state["state_dict"]
        if isinstance(state, dict) and all(isinstance(v, torch.Tensor) for v in state.values()):
            return state
        raise UserError(f"{path.name} holds no state dict (names to tensors)")
    raise UserError(
        f"weights of type '{path.suffix}' are not read", remedy="use .safetensors, .pt or .pth"
    )


def _assign(module: torch.nn.Module, state: dict[str, torch.Tensor], file: str) -> None:
    expected = module.state_dict()
    problems = []
    # A counter of training steps: absent from most published weights and without effect here.
    missing = [n for n in expected if n not in state and not n.endswith("num_batches_tracked")]
    if missing:
        problems.append(f"missing: {_some(missing)}")
    unexpected = [name for name in state if name not in expected]
    if unexpected:
        problems.append(f"not in the module: {_some(unexpected)}")
    reshaped = [
        f"{name} is {list(state[name].shape)}, the module wants {list(expected[name].shape)}"
        for name in expected
        if name in state and state[name].shape != expected[name].shape
    ]
    if reshaped:
        problems.append(f"of another shape: {_some(reshaped)}")
    if problems:
        raise UserError(
            f"the weights in {file} do not fit the module; " + "; ".join(problems),
            remedy="model.source and model.weights must describe the same network",
        )
    module.load_state_dict(state, strict=False)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
