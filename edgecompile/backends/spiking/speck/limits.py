"""What the chip holds, out of the target's YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecompile.errors import UserError
from edgecompile.recipe.target import Fact


@dataclass(frozen=True)
class ChipLimits:
    """Words of kernel and of neuron memory by core, and the largest of each size. `sources` says
    of each limit where it was read."""

    kernel_words: tuple[int, ...]
    neuron_words: tuple[int, ...]
    features: int
    input_size: int
    output_size: int
    kernel_size: int
    padding: int
    strides: tuple[int, ...]
    pools: tuple[int, ...]
    destinations: int
    sources: Mapping[str, str]

    @property
    def cores(self) -> int:
        """Cores of the chip."""
        return len(self.kernel_words)


def limits_of(limits: Mapping[str, Fact]) -> ChipLimits:
    """Read the limits of a target. Lists are numbers with commas between.

    Raises:
        UserError: one is missing, or no number.
    """

    def numbers(name: str) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in str(limits[name].value).split(","))
        except (KeyError, ValueError):
            raise UserError(
                f"a target of the backend speck needs the limit {name}: whole numbers, with commas "
                "between",
                remedy="see targets/spiking/speck2f.yaml",
            ) from None

    def number(name: str) -> int:
        (found,) = numbers(name)
        return found

    kernels, neurons = numbers("kernel_memory"), numbers("neuron_memory")
    if len(kernels) != len(neurons):
        raise UserError(
            f"{len(kernels)} cores have a kernel_memory and {len(neurons)} a neuron_memory",
            remedy="name both for each core",
        )
    return ChipLimits(
        tuple(1024 * kilo for kilo in kernels),
        tuple(1024 * kilo for kilo in neurons),
        number("features"),
        number("input_size"),
        number("output_size"),
        number("kernel_size"),
        number("padding"),
        numbers("strides"),
        numbers("pools"),
        number("destinations"),
        {name: fact.source for name, fact in limits.items()},
    )
