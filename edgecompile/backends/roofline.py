"""The least time that a device can take for a model, by its published peaks.

Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009: an inference is bound by arithmetic or by
the memory's bandwidth, whichever takes longer. No device reaches both peaks, so the figure is a
bound from below.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgecompile.errors import UserError
from edgecompile.estimate import Estimate
from edgecompile.recipe.target import Fact

COMPUTE, BANDWIDTH, POWER = "compute", "bandwidth", "power"
"""The facts of a target that the bound is computed from, in `UNITS`."""

UNITS = {COMPUTE: "TOPS", BANDWIDTH: "GB/s", POWER: "W"}


def roofline(macs: int, bytes_moved: int, facts: Mapping[str, Fact]) -> list[Estimate]:
    """Bounds of latency, and of energy where the power is published.

    `bytes_moved` is what must come from memory in one inference, the weights at least. An operation
    is half a multiply-accumulate. Without any of the facts there is no estimate.

    Raises:
        UserError: a fact has another unit than `UNITS` says.
    """
    per_mac, per_byte = least_seconds(facts)
    sources = [facts[name].source for name in (COMPUTE, BANDWIDTH) if name in facts]
    if not sources:
        return []
    seconds = max(macs * per_mac, bytes_moved * per_byte)
    model = (
        f"roofline: {macs:,} multiply-accumulates and {bytes_moved:,} bytes at the published peaks"
    )
    found = [Estimate("latency", seconds * 1e3, None, "ms", model, tuple(sources))]
    if POWER in facts:
        joules = seconds * figure_of(facts, POWER, UNITS)
        sources.append(facts[POWER].source)
        model = f"{model}, at the published power"
        found.append(Estimate("energy", joules * 1e3, None, "mJ", model, tuple(sources)))
    return found


def least_seconds(facts: Mapping[str, Fact]) -> tuple[float, float]:
    """What one multiply-accumulate and one byte take at least; 0 where no peak is published.

    Raises:
        UserError: a fact has another unit than `UNITS` says.
    """
    per_mac = 2 / (figure_of(facts, COMPUTE, UNITS) * 1e12) if COMPUTE in facts else 0.0
    per_byte = 1 / (figure_of(facts, BANDWIDTH, UNITS) * 1e9) if BANDWIDTH in facts else 0.0
    return per_mac, per_byte


def figure_of(facts: Mapping[str, Fact], name: str, units: Mapping[str, str]) -> float:
    """The number of a fact, which must be in its unit of `units`.

    Raises:
        UserError: it is in another.
    """
    fact, unit = facts[name], units[name]
    if fact.unit != unit:
        raise UserError(f"the fact '{name}' of a target is in {unit}, not in '{fact.unit}'")
    return float(fact.value)
