"""How far one step's outputs are from another's, whatever the metric says.

The published ad01 model of MLPerf Tiny lost nine biases in conversion and its AUC *rose* from
.8804 to .9029: only a comparison of outputs catches such a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.outputs import Array

_MOST_BINS = 33
"""LSB differences beyond +-16 fall into the outermost bins: by then the count is what matters."""
_LIMIT = _MOST_BINS // 2
_PART = 1 << 18
"""Elements that are compared at a time."""


@dataclass(frozen=True)
class OutputAgreement:
    """Agreement of all outputs over all samples.

    `sqnr_db` is the centred signal-to-noise ratio 10*log10(var(ref)/mse), the variance taken over
    the samples for each output element, so that a constant output cannot hide an error; None when
    the outputs are equal. `lsb` counts the differences in steps of the output's scale.
    """

    max_abs: float
    sqnr_db: float | None
    equal: float
    same_top1: float | None = None
    lsb: dict[str, int] = field(default_factory=dict)


def compare(
    reference: Sequence[Array], outputs: Sequence[Array], scales: Sequence[float | None] = ()
) -> OutputAgreement:
    """Compare `outputs` with `reference`, arrays of shape (samples, ...), one per model output.

    `scales` are the quantization scales of the outputs (per tensor); with one, equal means equal
    after rounding to that scale, and the histogram of LSB differences is filled.

    Raises:
        ToolchainFailed: other outputs, or outputs of another shape, than the reference has.
    """
    if len(reference) != len(outputs):
        raise ToolchainFailed(
            f"the model has {len(outputs)} outputs, and had {len(reference)} in the step before"
        )
    worst, noise_ratio, elements, equal = 0.0, 0.0, 0, 0
    lsb = np.zeros(_MOST_BINS, np.int64)
    for index, (expected, actual) in enumerate(zip(reference, outputs, strict=True)):
        _require_same_shape(index, expected, actual)
        scale = scales[index] if index < len(scales) else None
        part = _difference(expected, actual, scale)
        worst = max(worst, part.worst)
        if part.noise > 0:
            ratio = part.noise / part.signal if part.signal > 0 else np.inf
            noise_ratio = max(noise_ratio, ratio)
        elements += expected.size
        equal += part.equal
        lsb += part.lsb
    return OutputAgreement(
        max_abs=_figures(worst),
        sqnr_db=None
        if noise_ratio == 0
        else round(-10 * float(np.log10(noise_ratio)), 2)
        if np.isfinite(noise_ratio)
        else -300.0,
        equal=round(equal / elements, 6),
        same_top1=_same_top1(reference[0], outputs[0]),
        lsb={str(i - _LIMIT): int(count) for i, count in enumerate(lsb) if count},
    )


@dataclass
class _Difference:
    """Sums over one output: of squares, of equal elements, of differences by size."""

    worst: float = 0.0
    signal: float = 0.0
    noise: float = 0.0
    equal: int = 0
    lsb: Array = field(default_factory=lambda: np.zeros(_MOST_BINS, np.int64))


def _difference(expected: Array, actual: Array, scale: float | None) -> _Difference:
    """Part by part: a million outputs of a thousand elements would fill memory as float64."""
    found = _Difference()
    rows = max(1, _PART // max(1, expected[:1].size))
    # One sample has no variance over samples: what is left is its own over its elements.
    centre = expected.mean(axis=0 if len(expected) > 1 else None, dtype=np.float64)
    for start in range(0, len(expected), rows):
        wanted = expected[start : start + rows].astype(np.float64)
        difference = actual[start : start + rows] - wanted
        found.worst = max(found.worst, float(np.abs(difference).max()))
        found.noise += float(np.square(difference).sum())
        found.signal += float(np.square(wanted - centre).sum())
        if scale is None:
            found.equal += int((difference == 0).sum())
        else:
            steps = np.clip(np.rint(difference / scale), -_LIMIT, _LIMIT).astype(np.int64)
            counts = np.bincount(steps.ravel() + _LIMIT, minlength=_MOST_BINS)
            found.equal += int(counts[_LIMIT])
            found.lsb += counts
    return found


def _require_same_shape(index: int, expected: Array, actual: Array) -> None:
    # numpy would stretch (samples, 1) over (samples, samples) and compare the wrong pairs.
    if expected.shape != actual.shape:
        raise ToolchainFailed(
            f"output {index} has the shape {list(actual.shape)}, "
            f"and {list(expected.shape)} in the step before"
        )


def _same_top1(reference: Array, outputs: Array) -> float | None:
    if reference.ndim != 2 or reference.shape[1] < 2:
        return None
    return round(float((reference.argmax(1) == outputs.argmax(1)).mean()), 6)


def _figures(value: float) -> float:
    """Four significant figures: more are noise, and would differ between machines."""
    return float(f"{value:.4g}")
