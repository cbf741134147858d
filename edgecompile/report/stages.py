"""Rows of a build's JSON: the way that leads to one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def path_to(
    stages: Sequence[Mapping[str, Any]], last: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """The rows of the steps that lead to `last`, from the PyTorch module on."""
    by_measure = {row["measure"]: row for row in stages}
    path = [last]
    while path[-1]["previous"] is not None:
        path.append(by_measure[path[-1]["previous"]])
    return path[::-1]
