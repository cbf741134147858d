"""What a target of Loihi 2, or a recipe under `lower.loihi`, may choose."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgecompile.recipe.validation import Strict


class LoihiOptions(Strict):
    """Options of the backend `loihi`."""

    neuron: Literal["signed", "soft-reset", "stock"] = "signed"
    """`soft-reset`: a spike takes the threshold off the potential: needs a neuron program of one's
    own on the chip. `signed`: the same, and a neuron that fired too often takes spikes back.
    `stock`: Lava's LIF, which resets to 0: needs `data.train`, to be trained."""
    input: Literal["graded", "events"] = "graded"
    """`graded`: every step brings each pixel's value, in 8 bits. `events`: spikes of one bit, by an
    integrator for each pixel."""
    steps: Annotated[int, Field(ge=2)] | None = None
    """Steps of an inference. Missing: the fewest that hold `budgets.spike` on validation data."""
    epochs: Annotated[int, Field(ge=1)] = 10
    """Of training through time, for stock neurons."""
