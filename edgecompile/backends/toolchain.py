"""Is what a target's backend needs installed? Asked before anything slow."""

from __future__ import annotations

from edgecompile.backends.protocol import Backend, Probe
from edgecompile.errors import ToolchainMissing


def probe_toolchain(backend: Backend) -> Probe:
    """What the backend says of its toolchain; one that breaks over the question is not there."""
    try:
        return backend.probe()
    except Exception as error:  # a stranger's probe may raise whatever it likes
        reason = f"its probe failed: {type(error).__name__}: {error}"
        return Probe(False, reason=reason, remedy=f"repair the backend '{backend.name}': {reason}")


def missing_toolchain(backend: Backend) -> ToolchainMissing | None:
    """The error that says what is missing and what to type; None where all is there."""
    probe = probe_toolchain(backend)
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
