"""Which core each layer goes to: the cheapest assignment of layers to cores that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from edgecompile.backends.spiking.network import Connection, Shape
from edgecompile.backends.spiking.speck.limits import ChipLimits


@dataclass(frozen=True)
class Need:
    """What a layer takes of a core, in words: the chip addresses both memories by bits, so that
    each size counts as the next power of two (sinabs 3.1.3, `DynapcnnLayer.memory_summary`)."""

    layer: str
    kernel_words: int
    neuron_words: int

    def cores(self, limits: ChipLimits) -> list[int]:
        """The cores that hold the layer."""
        return [
            core
            for core in range(limits.cores)
            if self.kernel_words <= limits.kernel_words[core]
            and self.neuron_words <= limits.neuron_words[core]
        ]


def need_of(layer: str, connection: Connection, shape: Shape) -> Need:
    """The memories that a layer with one connection takes."""
    features, inputs, *kernel = connection.weight.shape
    return Need(layer, kernel_words(features, inputs, kernel[0] * kernel[1]), neuron_words(shape))


def kernel_words(features: int, inputs: int, area: int) -> int:
    """Words of a kernel."""
    return inputs << (_bits(area) + _bits(features))


def neuron_words(shape: Shape) -> int:
    """Words of the potentials of an image (features, height, width)."""
    features, height, width = shape
    return features << (_bits(height) + _bits(width))


def _bits(size: int) -> int:
    """Bits that number `size` things."""
    return max(0, size - 1).bit_length()


def assign_cores(needs: Sequence[Need], limits: ChipLimits) -> list[int] | None:
    """A core for each layer, no core twice; small layers on small cores. None: there is no such
    assignment."""
    from scipy.optimize import linear_sum_assignment

    cost = np.full((len(needs), limits.cores), np.inf)
    for row, need in enumerate(needs):
        for core in need.cores(limits):
            cost[row, core] = limits.kernel_words[core] * limits.neuron_words[core]
    if len(needs) > limits.cores:
        return None
    try:
        _, columns = linear_sum_assignment(cost)
    except ValueError:  # scipy's word for: infeasible
        return None
    return [int(core) for core in columns]


def crowded(needs: Sequence[Need], limits: ChipLimits) -> tuple[list[Need], list[int]]:
    """The fewest layers that have fewer cores between them than they are, and these cores: why
    there is no assignment (Hall's theorem). Each layer alone must fit a core."""
    for count in range(1, len(needs) + 1):
        for chosen in combinations(needs, count):
            cores = sorted({core for need in chosen for core in need.cores(limits)})
            if len(cores) < count:
                return list(chosen), cores
    raise ValueError("there is an assignment")
