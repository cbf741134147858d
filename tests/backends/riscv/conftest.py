"""What tests of compiled programs need: zig and QEMU."""

from __future__ import annotations

import pytest

from edgecompile.backends.riscv.probe import probe


@pytest.fixture(scope="session")
def toolchain() -> None:
    """Skip where the compiler or the emulators are missing."""
    found = probe()
    if not found.available:
        pytest.skip(f"{found.reason}: {found.remedy}")
