"""A figure that was measured while an artifact ran: not an estimate, and no metric of the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """A quantity in `unit`; `method` says in a few words how it was measured, and on what."""

    quantity: str
    value: float
    unit: str
    method: str
