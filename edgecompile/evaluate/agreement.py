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
    lsb: dict[str, int] = {}
    for index, (expected, actual) in enumerate(zip(reference, outputs, strict=True)):
        _require_same_shape(index, expected, actual)
        difference = actual.astype(np.float64) - expected
        worst = max(worst, float(np.abs(difference).max()))
        # One sample has no variance over samples: what is left is its own over its elements.
        axis = 0 if len(expected) > 1 else None
        signal = float(expected.astype(np.float64).var(axis=axis).mean())
        noise = float((difference**2).mean())
        if noise > 0:
            noise_ratio = max(noise_ratio, noise / signal if signal > 0 else np.inf)
        elements += difference.size
        scale = scales[index] if index < len(scales) else None
        if scale is None:
            equal += int((difference == 0).sum())
        else:
            steps = np.rint(difference / scale).astype(np.int64)
            equal += int((steps == 0).sum())
            _count(steps, lsb)
    return OutputAgreement(
        max_abs=_figures(worst),
        sqnr_db=None
        if noise_ratio == 0
        else round(-10 * float(np.log10(noise_ratio)), 2)
        if np.isfinite(noise_ratio)
        else -300.0,
        equal=round(equal / elements, 6),
        same_top1=_same_top1(reference[0], outputs[0]),
        lsb=dict(sorted(lsb.items(), key=lambda item: int(item[0]))),
    )


def _require_same_shape(index: int, expected: Array, actual: Array) -> None:
    # numpy would stretch (samples, 1) over (samples, samples) and compare the wrong pairs.
    if expected.shape != actual.shape:
        raise ToolchainFailed(
            f"output {index} has the shape {list(actual.shape)}, "
            f"and {list(expected.shape)} in the step before"
        )


def _count(steps: Array, lsb: dict[str, int]) -> None:
    limit = _MOST_BINS // 2
    values, counts = np.unique(np.clip(steps, -limit, limit), return_counts=True)
    for value, count in zip(values, counts, strict=True):
        lsb[str(int(value))] = lsb.get(str(int(value)), 0) + int(count)


def _same_top1(reference: Array, outputs: Array) -> float | None:
    if reference.ndim != 2 or reference.shape[1] < 2:
        return None
    return round(float((reference.argmax(1) == outputs.argmax(1)).mean()), 6)


def _figures(value: float) -> float:
    """Four significant figures: more are noise, and would differ between machines."""
    return float(f"{value:.4g}")
