"""Is Qualcomm's library here, and can this machine have it?"""

from __future__ import annotations

import platform
import sys

from edgecompile.backends.protocol import Probe

PACKAGE = "onnxruntime-qnn"
LEAST_GLIBC = (2, 35)
"""The wheels are manylinux_2_35_x86_64 (https://pypi.org/project/onnxruntime-qnn/#files)."""


def probe() -> Probe:
    """The package where it is installed; else what to type, or why no command would help."""
    found = Probe.of_package(PACKAGE)
    if found.available:
        return found
    system = f"{platform.system()} on {platform.machine()}"
    if not (sys.platform == "linux" and platform.machine() == "x86_64"):
        return _impossible(f"is made for Linux on x86_64, and this is {system}")
    library, version = platform.libc_ver()
    if library != "glibc" or _numbers(version) < LEAST_GLIBC:
        least = ".".join(map(str, LEAST_GLIBC))
        return _impossible(f"needs glibc {least}, and this system has {library} {version}".strip())
    return found


def _impossible(why: str) -> Probe:
    return Probe(
        False,
        remedy="build for Snapdragon on a Linux of x86_64 from 2022 or later "
        "(Debian 12, Ubuntu 22.04), with: pip install onnxruntime-qnn",
        reason=f"{PACKAGE} {why}",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
