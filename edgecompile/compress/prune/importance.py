"""How much each unit of a coupling matters: by the size of its weights, or by the loss's slope.

l1, l2: the norm of all weights that go with the unit, over the mean of its coupling (layers have
scales of their own; Fang et al., arXiv:2301.12900, equation 5).
taylor: how far the outputs move, to first order, when the unit's consumers stop seeing it: squared
and summed over random projections of the outputs on the calibration data. Molchanov et al.,
"Importance Estimation for Neural Network Pruning" (CVPR 2019, arXiv:1906.10771), take the loss in
the outputs' place. But a trained network has next to none: a few wrong answers would decide.
It has one scale for all layers and needs no mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from edgecompile.compress.prune.couplings import Coupling
from edgecompile.compress.prune.surgery import IN, Member
from edgecompile.compress.training.losses import flat_outputs

if TYPE_CHECKING:
    import torch

    Projections = Callable[[torch.nn.Module], Iterator[torch.Tensor]]
    """Of a module's outputs, one a batch, each ready for backward()."""

_BATCH = 16
"""Small, since slopes of opposite samples cancel within a batch."""


def magnitudes(
    module: torch.nn.Module, couplings: Sequence[Coupling], power: int
) -> list[torch.Tensor]:
    """For each coupling the relative norm (1: l1, 2: l2) of each unit's weights."""
    found = []
    for coupling in couplings:
        total = _zeros(coupling)
        for member in coupling.members:
            sums = _over_channels(module, member, lambda weight: weight.abs() ** power)
            if sums is not None:
                _gather(total, member, sums)
        units = _by_unit(coupling, total) ** (1 / power)
        found.append(units / units.mean().clamp_min(1e-12))
    return found


def taylor(
    module: torch.nn.Module, couplings: Sequence[Coupling], projections: Projections
) -> list[torch.Tensor]:
    """For each coupling the squared first-order change of the outputs by each unit."""
    found = [_zeros(coupling)[: len(coupling.units)] for coupling in couplings]
    module.requires_grad_(True)
    for projection in projections(module):
        module.zero_grad()
        projection.backward()  # type: ignore[no-untyped-call]
        for index, coupling in enumerate(couplings):
            change = _zeros(coupling)
            for member in coupling.members:
                sums = _over_channels(module, member, _slope) if member.side == IN else None
                if sums is not None:
                    _gather(change, member, sums)
            found[index] += _by_unit(coupling, change) ** 2
    module.zero_grad()
    module.requires_grad_(False)
    return found


def output_projections(samples: torch.Tensor, seed: int) -> Projections:
    """Random projections of a module's outputs, batch by batch, in the order of the samples.

    Their squared slopes add up to the curvature of the distance to what the outputs are now (the
    Gauss-Newton matrix; Schraudolph, Neural Computation 14(7), 2002), which itself has no slope.
    """
    import torch

    def projections(module: torch.nn.Module) -> Iterator[torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        for start in range(0, len(samples), _BATCH):
            outputs = flat_outputs(module(samples[start : start + _BATCH]))
            yield torch.stack(
                [(found * torch.randn(found.shape, generator=generator)).sum() for found in outputs]
            ).sum()

    return projections


def _zeros(coupling: Coupling) -> torch.Tensor:
    import torch

    return torch.zeros(sum(len(unit) for unit in coupling.units), dtype=torch.float64)


def _slope(weight: torch.Tensor) -> torch.Tensor:
    """weight * gradient, summed over a column: how the outputs follow that column."""
    import torch

    return torch.zeros_like(weight) if weight.grad is None else weight.detach() * weight.grad


def _over_channels(
    module: torch.nn.Module, member: Member, of: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor | None:
    """`of` the weights of a layer that multiplies, summed for each of the member's channels."""
    import torch

    layer = dict(module.named_modules()).get(member.layer)
    weight = getattr(layer, "weight", None)
    if layer is None or weight is None or weight.dim() < 2:
        return None
    transposed = bool(getattr(layer, "transposed", False))
    axis = 1 if (member.side == IN) != transposed else 0
    values = of(weight).detach().to(torch.float64)
    sums = values.sum(dim=[d for d in range(values.dim()) if d != axis])
    if len(sums) <= max(member.channels):  # the columns of a grouped convolution repeat
        return None
    return sums[list(member.channels)]


def _gather(total: torch.Tensor, member: Member, sums: torch.Tensor) -> None:
    import torch

    total.index_add_(0, torch.tensor(member.roots), sums)


def _by_unit(coupling: Coupling, total: torch.Tensor) -> torch.Tensor:
    import torch

    return total[torch.tensor(coupling.units)].sum(dim=1)
