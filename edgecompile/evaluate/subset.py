"""Which evaluation samples an emulator runs: all, or as many as half a minute is enough for.

The choice depends on the model and the recipe, never on a clock, so that every machine measures the
same samples.
"""

from __future__ import annotations

from edgecompile.evaluate.dataset import spread
from edgecompile.evaluate.outputs import Array

SECONDS = 30.0
"""What a build spends on one emulated run unless the recipe says how many samples."""

LEAST = 16
"""Labels that are run however long they take: of fewer, a metric tells nothing."""


def choose_samples(
    samples: int, labels: int, wanted: int | None, seconds_each: float
) -> Array | None:
    """Indices of the samples to run, evenly spread; None: all of them.

    `labels` is the number of labels: the samples of one label (the windows of one recording) stay
    together. `seconds_each` is what one sample is expected to take.
    """
    each = samples // labels
    if wanted is None:
        wanted = samples if seconds_each * samples <= SECONDS else int(SECONDS / seconds_each)
        wanted = max(wanted, LEAST * each)
    kept = spread(labels, max(1, wanted // each))
    if len(kept) == labels:
        return None
    indices: Array = (kept[:, None] * each + range(each)).ravel()
    return indices


def labels_of(indices: Array, samples: int, labels: Array) -> Array:
    """The labels of the chosen samples, out of those of all `samples`."""
    each = samples // len(labels)
    chosen: Array = labels[indices[::each] // each]
    return chosen
