"""Which samples decide what: none of the evaluation data, and none twice."""

from __future__ import annotations

import numpy as np

from edgecompile.backends.tuning import Split
from edgecompile.evaluate.dataset import spread

_HELD_BACK = 250
"""At most so many training samples are kept for validation, and at most a fifth."""


def split_samples(calibration: int, training: int, wanted: int) -> Split:
    """Every other calibration sample, at most `wanted`, is for ceilings, the others for validation;
    with them a part of the training samples, which then train nothing."""
    even, odd = np.arange(0, calibration, 2), np.arange(1, calibration, 2)
    held = np.asarray(spread(training, min(_HELD_BACK, training // 5)), np.int64)
    if training == 0:
        held = np.zeros(0, np.int64)
    return Split(
        even[np.asarray(spread(len(even), wanted), np.int64)],
        odd if len(odd) else even,
        held,
        np.setdiff1d(np.arange(training), held),
    )
