"""Let the consumers of removed channels make up for them, by least squares on calibration data.

Layer after layer in the order of the network, weights are chosen so that the layer gives what it
gave before the cut, from the channels that are left and as they are now: He, Zhang and Sun,
"Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017 (arXiv:1707.06168), section
3.1. It takes seconds where training takes minutes, and training starts from a better place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecompile.compress.prune.surgery import Kept
from edgecompile.evaluate.dataset import spread

if TYPE_CHECKING:
    import torch

EXACT_RIDGE = 1e-3
TRAINED_RIDGE = 0.1
"""Of the mean squared input: ties the weights that the data do not determine to what they were. The
first lets the layers come nearest to what they gave, but by large weights, from which training goes
on badly: of `fmnist_cnn`, after 4 epochs, it ends worse than no refit. The second does not."""
_MOST_ROWS = 20_000
"""Positions of images that a fit looks at, many times the unknowns of small layers."""
_MOST_SAMPLES = 512
_MOST_UNKNOWNS = 2_500
"""A wider layer is left to fine-tuning: its equations alone would fill 50 MB and take seconds."""
_BATCH = 128


def refit_consumers(
    module: torch.nn.Module,
    before: torch.nn.Module,
    cut: Kept,
    samples: torch.Tensor,
    ridge: float = EXACT_RIDGE,
) -> None:
    """Change weights of `module`, in place, so that its layers give what those of `before` gave.

    `cut` names the channels of `before` that are left; `samples` has the shape (samples, ...);
    `ridge` is TRAINED_RIDGE for a network that is then trained.
    """
    samples = samples[spread(len(samples), _MOST_SAMPLES)]
    for name, layer in module.named_modules():
        if name in cut.inputs and _is_linear_in_its_weights(layer):
            _refit(module, before, name, cut.outputs.get(name), samples, ridge)


def _is_linear_in_its_weights(layer: torch.nn.Module) -> bool:
    """Layers whose output is one matrix product of `_rows` and the weights."""
    from torch import nn

    if isinstance(layer, nn.Conv2d):
        known = layer.groups == 1 and layer.padding_mode == "zeros"
        return known and not isinstance(layer.padding, str)
    return isinstance(layer, nn.Linear)


@dataclass
class _Equations:
    """Normal equations of a layer's change: `moments` @ change = `errors`."""

    moments: torch.Tensor
    """(unknowns, unknowns)"""
    errors: torch.Tensor
    """(unknowns, output channels)"""

    @classmethod
    def of_layer(cls, layer: Any) -> _Equations:
        import torch

        unknowns = layer.weight[0].numel() + (layer.bias is not None)
        return cls(
            torch.zeros(unknowns, unknowns, dtype=torch.float64),
            torch.zeros(unknowns, len(layer.weight), dtype=torch.float64),
        )

    def add(self, given: torch.Tensor, missing: torch.Tensor) -> None:
        """What the weights are multiplied with, and what is missing of the wanted output."""
        import torch

        given, missing = given.double(), missing.double()
        if len(self.moments) > given.shape[1]:  # the bias
            given = torch.cat([given, torch.ones(len(given), 1, dtype=given.dtype)], dim=1)
        self.moments += given.T @ given
        self.errors += given.T @ missing

    def solve(self, ridge: float) -> torch.Tensor:
        """The change of the weights, (output channels, unknowns)."""
        import torch

        tie = ridge * float(self.moments.diagonal().mean()) + 1e-12
        tied = self.moments + tie * torch.eye(len(self.moments), dtype=torch.float64)
        change: torch.Tensor = torch.linalg.solve(tied, self.errors)
        return change.T


def _refit(
    module: torch.nn.Module,
    before: torch.nn.Module,
    name: str,
    outputs: Sequence[int] | None,
    samples: torch.Tensor,
    ridge: float,
) -> None:
    import torch

    layer: Any = module.get_submodule(name)
    if layer.weight[0].numel() > _MOST_UNKNOWNS:
        return
    rows_per_sample = max(1, _MOST_ROWS // len(samples))
    generator = torch.Generator().manual_seed(0)
    equations = _Equations.of_layer(layer)
    for batch in torch.split(samples, _BATCH):
        now, then = _call_of(module, name, batch), _call_of(before, name, batch)
        if now is None or then is None:
            return  # called more than once: no single fit would serve
        wanted = _by_position(layer, then[1])
        if outputs is not None:
            wanted = wanted[:, list(outputs)]
        missing = wanted - _by_position(layer, now[1])
        chosen = torch.randperm(len(missing), generator=generator)[: rows_per_sample * len(batch)]
        equations.add(_rows_at(layer, now[0], chosen), missing[chosen])
    change = equations.solve(ridge).float()
    with torch.no_grad():
        if layer.bias is not None:
            layer.bias += change[:, -1]
            change = change[:, :-1]
        layer.weight += change.reshape(layer.weight.shape)


def _call_of(
    module: torch.nn.Module, name: str, batch: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Input and output of the one call of the layer `name`."""
    import torch

    calls: list[tuple[torch.Tensor, torch.Tensor]] = []

    def remember(_: torch.nn.Module, given: Any, result: torch.Tensor) -> None:
        calls.append((given[0], result))

    handle = module.get_submodule(name).register_forward_hook(remember)
    try:
        with torch.no_grad():
            module(batch)
    finally:
        handle.remove()
    return calls[0] if len(calls) == 1 else None


def _rows_at(layer: Any, given: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The `chosen` of `_rows`, made one sample at a time: all patches of large images are many."""
    import torch

    parts = [given] if given.dim() == 2 else torch.split(given, 1)
    found: torch.Tensor | None = None
    for number, part in enumerate(parts):
        rows = _rows(layer, part)
        if found is None:
            found = rows.new_empty(len(chosen), rows.shape[1])
        here = chosen // len(rows) == number
        found[here] = rows[chosen[here] % len(rows)]
    assert found is not None
    return found


def _rows(layer: Any, given: torch.Tensor) -> torch.Tensor:
    """What a layer multiplies its weights with: (positions, unknowns)."""
    from torch import nn
    from torch.nn import functional

    if isinstance(layer, nn.Linear):
        return given.reshape(-1, given.shape[-1])
    patches = functional.unfold(
        given, layer.kernel_size, layer.dilation, layer.padding, layer.stride
    )
    return patches.transpose(1, 2).reshape(-1, patches.shape[1])


def _by_position(layer: Any, result: torch.Tensor) -> torch.Tensor:
    """A layer's output: (positions, channels)."""
    from torch import nn

    axis = -1 if isinstance(layer, nn.Linear) else 1
    return result.movedim(axis, -1).reshape(-1, result.shape[axis])
