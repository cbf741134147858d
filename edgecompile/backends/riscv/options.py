"""What a RISC-V target may choose."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from edgecompile.backends.riscv.isa import parse_isa
from edgecompile.errors import UserError
from edgecompile.recipe.validation import Strict

VLENS = (128, 256, 512)
"""Vector lengths whose outputs must be equal. Code that is right on three is right on all: it asks
the machine how many elements it takes at once."""


def _check_isa(text: str) -> str:
    try:
        parse_isa(text)
    except UserError as error:
        raise ValueError(error.message) from None
    return text


class RiscvOptions(Strict):
    """Options of the backend `riscv`."""

    isa: Annotated[str, AfterValidator(_check_isa)]
    """The instruction set, as compilers take it: rv64gcv_zvl256b."""
    environment: Literal["linux", "bare-metal"] = "linux"
    """What runs below the program: the system's calls, or nothing."""
    vlen: Annotated[int, Field(ge=128, le=1024, multiple_of=128)] = 256
    """Bits of a vector register of the machine that is emulated, where the isa has vectors."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Cores that one inference uses, on Linux. Programs that are executed here use one: the others
    need the device's C library."""
    emit: Literal["c", "vmfb"] = "c"
    """Our C and the program made of it; or a module for IREE's runtime on Linux as well."""

    @model_validator(mode="after")
    def _check_machine(self) -> RiscvOptions:
        least = parse_isa(self.isa).min_vlen
        if self.vlen < least:
            raise ValueError(f"vlen is {self.vlen}, and {self.isa} promises {least} bits at least")
        if self.threads > 1 and self.environment != "linux":
            raise ValueError("threads are for environment: linux")
        if self.emit == "vmfb" and self.environment != "linux":
            raise ValueError("emit: vmfb is for environment: linux")
        return self
