"""What a target of Speck, or a recipe under `lower.speck`, may choose."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgecompile.recipe.validation import Strict


class SpeckOptions(Strict):
    """Options of the backend `speck`."""

    chip: Literal["speck2e", "speck2f"] = "speck2f"
    """The module of samna that knows the chip, and the name of the configuration's file."""
    steps: Annotated[int, Field(ge=2)] | None = None
    """Steps of an inference. Missing: the fewest that hold `budgets.spike` on validation data."""
