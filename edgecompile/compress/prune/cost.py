"""What a module costs: multiply-accumulates of one inference, and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ModuleCost:
    """`nonzero` counts the parameters that are not 0: sparsity leaves `parameters` as they are."""

    macs: int
    parameters: int
    nonzero: int

    def of(self, measure: str) -> int:
        """The number that a recipe's `measure` names."""
        return self.macs if measure == "macs" else self.parameters


def module_cost(module: torch.nn.Module, shape: Sequence[int]) -> ModuleCost:
    """Count `module` on one input of `shape`, by what torch executes, whatever wrote it."""
    parameters = list(module.parameters())
    return ModuleCost(
        count_macs(module, shape),
        sum(p.numel() for p in parameters),
        sum(int(p.count_nonzero()) for p in parameters),
    )


def count_macs(module: torch.nn.Module, shape: Sequence[int]) -> int:
    """Multiply-accumulates of convolutions and matrix products, attention's too."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    # Only the plain form of attention consists of operators that the counter knows on a CPU.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        module(torch.zeros(list(shape)))
    return int(counter.get_total_flops()) // 2
