"""Mean average precision of boxes at an overlap of one half (AP50)."""

from __future__ import annotations

import numpy as np

from edgecompile.errors import UserError
from edgecompile.evaluate.outputs import Array

OVERLAP = 0.5


def mean_average_precision(detections: Array, objects: Array) -> float:
    """Mean over the classes that occur of the area under the precision envelope.

    `detections` are (samples, boxes, 6): x1, y1, x2, y2, score, class; `objects` are (samples,
    boxes, 5): x1, y1, x2, y2, class. A negative class, or a score of 0, fills a row. The area is
    that of PASCAL VOC since 2010 (Everingham et al., The PASCAL VOC Challenge: A Retrospective,
    IJCV 2015, section 2.2.2): all points, not eleven.

    Raises:
        UserError: other shapes, or no object at all.
    """
    if (
        detections.ndim != 3
        or objects.ndim != 3
        or detections.shape[2] != 6
        or objects.shape[2] != 5
        or len(detections) != len(objects)
    ):
        raise UserError(
            f"outputs of shape {list(detections.shape)} and labels of shape "
            f"{list(objects.shape)}: map50 wants (samples, boxes, 6) with x1, y1, x2, y2, score, "
            "class, and (samples, boxes, 5) with x1, y1, x2, y2, class",
            remedy="decode the boxes in the module, or score raw outputs in a function of your "
            "own: metric: model.py:score",
        )
    classes = np.unique(objects[..., 4][objects[..., 4] >= 0])
    if len(classes) == 0:
        raise UserError("the labels hold no object: map50 has nothing to find")
    return float(np.mean([_average_precision(detections, objects, kind) for kind in classes]))


def _average_precision(detections: Array, objects: Array, kind: float) -> float:
    wanted = [sample[sample[:, 4] == kind, :4] for sample in objects]
    chosen = (detections[..., 5] == kind) & (detections[..., 4] > 0)
    samples, rows = np.nonzero(chosen)
    best_first = np.argsort(-detections[samples, rows, 4], kind="stable")
    taken = [np.zeros(len(boxes), bool) for boxes in wanted]
    hits = np.zeros(len(best_first))
    for rank, index in enumerate(best_first):
        sample = samples[index]
        overlaps = _overlaps(detections[sample, rows[index], :4], wanted[sample])
        if len(overlaps) and overlaps.max() >= OVERLAP:
            match = int(overlaps.argmax())
            # A second box on the same object is a false alarm.
            hits[rank] = not taken[sample][match]
            taken[sample][match] = True
    found = np.cumsum(hits)
    recall = found / sum(len(boxes) for boxes in wanted)
    precision = found / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def _overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of one box with each other."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    union = areas - shared
    overlaps: Array = np.divide(shared, union, out=np.zeros(len(others)), where=union > 0)
    return overlaps
