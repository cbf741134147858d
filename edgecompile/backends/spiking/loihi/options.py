"""What a target of Loihi 2, or a recipe under `lower.loihi`, may choose."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgecompile.recipe.validation import Strict


class LoihiOptions(Strict):
    """Options of the backend `loihi`."""

    neuron: Literal["sigma-delta", "signed", "soft-reset", "stock"] = "sigma-delta"
    """`sigma-delta`: each neuron sends its activity once, as a graded spike. The others send rates:
    `soft-reset`: a spike takes the threshold off the potential. `signed`: the same, and a neuron
    that fired too often takes spikes back. `stock`: Lava's LIF, which resets to 0: needs
    `data.train`, to be trained. All but `stock` need a neuron program of one's own on the chip."""
    input: Literal["graded", "events"] = "graded"
    """`graded`: every step brings each pixel's value, in 8 bits. `events`: spikes of one bit, by an
    integrator for each pixel."""
    steps: Annotated[int, Field(ge=2)] | None = None
    """Steps of an inference. Missing: the fewest that hold `budgets.spike` on validation data."""
    epochs: Annotated[int, Field(ge=1)] = 10
    """Of training through time, for stock neurons."""

    @model_validator(mode="after")
    def _sends_values_once(self) -> LoihiOptions:
        if self.neuron == "sigma-delta" and self.steps is not None:
            raise ValueError(
                "sigma-delta neurons take as many steps as the network is deep: leave out steps, "
                "or choose neuron=signed"
            )
        if self.neuron == "sigma-delta" and self.input == "events":
            raise ValueError(
                "sigma-delta neurons are sent values: choose input=graded, or neuron=signed"
            )
        return self
