"""Is what a target's backend needs installed? Asked before anything slow."""

from __future__ import annotations

from edgecompile.backends.protocol import Backend
from edgecompile.errors import ToolchainMissing


def missing_toolchain(backend: Backend) -> ToolchainMissing | None:
    """The error that says what is missing and what to type; None where all is there."""
    probe = backend.probe()
    if probe.available:
        return None
    reason = probe.reason or "it is not installed"
    return ToolchainMissing(
        f"the toolchain of the backend '{backend.name}' is missing: {reason}", remedy=probe.remedy
    )


def require_toolchain(backend: Backend) -> None:
    """Go on only with the backend's toolchain.

    Raises:
        ToolchainMissing: it is not there.
    """
    error = missing_toolchain(backend)
    if error is not None:
        raise error
