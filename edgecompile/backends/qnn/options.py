"""What a QNN target may choose."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgecompile.recipe.validation import Strict


class QnnOptions(Strict):
    """Options of the backend `qnn`."""

    soc: str
    """The chip's part number, as the binary must say it: SM8650."""
    soc_model: Annotated[int, Field(ge=1)]
    """Qualcomm's number of the chip, by which the library knows it (QNN_SOC_MODEL_SM8650 is 57)."""
    htp_arch: Annotated[int, Field(ge=68)]
    """Version of its Hexagon tensor processor, as the binary must say it: 75."""
    optimization: Literal[1, 2, 3] = 3
    """How hard the library works on the graph's order and memory; the numbers stay the same."""
    split: bool = False
    """Leave what the tensor processor lacks to the CPU, instead of refusing the model."""
    dlc: bool = False
    """Write `model.dlc` as well, the format of Qualcomm's own tools."""
