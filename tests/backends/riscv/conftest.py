"""What tests of compiled programs need: zig and QEMU."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir
import pytest

from edgecompile.backends.riscv.probe import probe
from edgecompile.conformance.cases import CASES
from tests.backends.riscv.operator_cases import samples_of
from tests.hubs import quickly_quantized


@pytest.fixture(scope="session")
def toolchain() -> None:
    """Skip where the compiler or the emulators are missing."""
    found = probe()
    if not found.available:
        pytest.skip(f"{found.reason}: {found.remedy}")


@pytest.fixture(scope="session")
def hubs() -> Mapping[str, ir.Model]:
    """The float and the int8 hub of each case of an operator."""
    floats = {f"float {case}": case.hub() for case in CASES}
    return floats | {
        f"int8 {case}": quickly_quantized(floats[f"float {case}"], samples_of(case))
        for case in CASES
    }
