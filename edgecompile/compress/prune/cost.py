"""What a module costs: multiply-accumulates of one inference, parameters, memory, least time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecompile.compress.prune.activations import peak_activations

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ModuleCost:
    """`nonzero` counts the parameters that are not 0: sparsity leaves `parameters` as they are.

    `activations` is the most numbers alive at once, beside the parameters.
    """

    macs: int
    parameters: int
    nonzero: int
    activations: int


@dataclass(frozen=True)
class Measure:
    """What a recipe's `ratio` is a share of."""

    name: str
    weight_bytes: float = 4.0
    activation_bytes: float = 4.0
    """Of one number, in the build's precision."""
    seconds_per_mac: float = 0.0
    seconds_per_byte: float = 0.0
    """At the published peaks of the target; 0 where none is published."""

    def of(self, cost: ModuleCost) -> float:
        """Multiply-accumulates; parameters; bytes; or the least nanoseconds of one inference."""
        weights = cost.parameters * self.weight_bytes
        if self.name == "latency":
            return 1e9 * max(cost.macs * self.seconds_per_mac, weights * self.seconds_per_byte)
        if self.name == "memory":
            return weights + cost.activations * self.activation_bytes
        return cost.macs if self.name == "macs" else cost.parameters

    @property
    def unit(self) -> str:
        """What `of` counts, in words."""
        return {
            "macs": "multiply-accumulates",
            "parameters": "parameters",
            "memory": "bytes of weights and activations",
            "latency": "ns at the target's published peaks",
        }[self.name]


def module_cost(module: torch.nn.Module, shape: Sequence[int]) -> ModuleCost:
    """Count `module` on one input of `shape`, by what torch executes, whatever wrote it."""
    parameters = list(module.parameters())
    return ModuleCost(
        count_macs(module, shape),
        sum(p.numel() for p in parameters),
        sum(int(p.count_nonzero()) for p in parameters),
        peak_activations(module, shape),
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
