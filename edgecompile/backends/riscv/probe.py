"""Are zig and QEMU here?"""

from __future__ import annotations

from edgecompile.backends.protocol import Probe
from edgecompile.backends.riscv.machine import REMEDY, missing, version

PACKAGE = "ziglang"


def probe() -> Probe:
    """The compiler first: without it there is nothing to emulate."""
    found = Probe.of_package(PACKAGE)
    if not found.available:
        return Probe(False, remedy="pip install 'edgecompile[riscv]'", reason=found.reason)
    absent = missing()
    if absent:
        return Probe(False, remedy=REMEDY, reason=f"{', '.join(absent)} not found on PATH")
    return Probe(True, {**found.versions, "qemu": version()})
