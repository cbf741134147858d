"""What an artifact holds, read back from its bytes: the same words for every format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorFacts:
    """One tensor at the border of an artifact or inside it. `scale` has one entry per channel."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()


@dataclass(frozen=True)
class OperatorFacts:
    """One operator of an artifact, in execution order. `version` is the format's op version."""

    name: str
    version: int | None
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]


@dataclass(frozen=True)
class Inspection:
    """What an artifact holds, read back from its bytes."""

    format: str
    size_bytes: int
    weight_bytes: int
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    operators: tuple[OperatorFacts, ...]
