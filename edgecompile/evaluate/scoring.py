"""The value of a metric on saved outputs: the built-in ones, or the user's function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecompile.errors import UserError
from edgecompile.evaluate.detection import mean_average_precision
from edgecompile.evaluate.metrics import METRICS, metric_of
from edgecompile.evaluate.outputs import Array


def score(
    spec: Any, outputs: Sequence[Array], labels: Array, samples: Array, folder: Path
) -> float:
    """The metric of `outputs` against `labels`.

    Raises:
        UserError: shapes do not fit the metric, or the user's function fails or returns no
            finite number.
    """
    if isinstance(spec, str) and spec in METRICS:
        value = _BUILTIN[spec](outputs[0], labels)
    else:
        reference = spec if isinstance(spec, str) else spec["function"]
        value = _user_score(reference, outputs, labels, samples, folder)
    if not math.isfinite(value):
        raise UserError(f"the metric {metric_of(spec).name} is {value}: it must be a finite number")
    return float(value)


def _user_score(
    reference: str, outputs: Sequence[Array], labels: Array, samples: Array, folder: Path
) -> float:
    import torch

    from edgecompile.evaluate.dataset import takes_inputs
    from edgecompile.recipe.user_code import blaming, load_attribute

    function = load_attribute(reference, folder)
    tensors = [torch.from_numpy(np.array(output)) for output in outputs]
    arguments: list[Any] = [tensors[0] if len(tensors) == 1 else tuple(tensors), labels]
    if takes_inputs(function):
        arguments.append(torch.from_numpy(np.array(samples)))
    with blaming(folder, f"{reference} failed"):
        value = function(*arguments)
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise UserError(f"{reference} returned {type(value).__name__}, not one number") from None


def _classes(outputs: Array, labels: Array) -> Array:
    if outputs.ndim != 2 or labels.shape != outputs.shape[:1]:
        raise UserError(
            f"outputs of shape {list(outputs.shape)} and labels of shape {list(labels.shape)}: "
            "top1 and top5 want (samples, classes) and one label per sample"
        )
    classes = _whole_numbers(labels)
    _require_range(classes, outputs.shape[1])
    return classes


def _whole_numbers(labels: Array) -> Array:
    try:
        classes = labels.astype(np.int64)
        whole = bool((classes == labels).all())
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise UserError(f"labels of dtype {labels.dtype} are not the numbers of classes")
    return classes


def _require_range(classes: Array, count: int) -> None:
    wrong = classes[(classes < 0) | (classes >= count)]
    if wrong.size:
        raise UserError(
            f"the label {int(wrong[0])} is none of the model's {count} classes, 0 to {count - 1}"
        )


def _top1(outputs: Array, labels: Array) -> float:
    return float((outputs.argmax(1) == _classes(outputs, labels)).mean())


def _top5(outputs: Array, labels: Array) -> float:
    best = np.argsort(-outputs, axis=1, kind="stable")[:, :5]
    return float((best == _classes(outputs, labels)[:, None]).any(1).mean())


def _auc(outputs: Array, labels: Array) -> float:
    from sklearn.metrics import roc_auc_score

    scores = outputs.reshape(len(outputs), -1)
    if scores.shape[1] > 2 or labels.shape != scores.shape[:1]:
        raise UserError(
            f"outputs of shape {list(outputs.shape)} and labels of shape {list(labels.shape)}: "
            "auc wants one score and one label per sample",
            remedy="turn outputs into scores in a function of your own: metric: model.py:score",
        )
    if len(np.unique(labels)) != 2:
        raise UserError(f"auc wants labels of two classes; these have {len(np.unique(labels))}")
    return float(roc_auc_score(labels, scores[:, -1]))


def _mse(outputs: Array, labels: Array) -> float:
    _same_shape("mse", outputs, labels)
    return float(np.mean((outputs.astype(np.float64) - labels) ** 2))


def _sqnr(outputs: Array, labels: Array) -> float:
    _same_shape("sqnr", outputs, labels)
    return float(10 * np.log10(np.var(labels) / max(_mse(outputs, labels), 1e-30)))


def _miou(outputs: Array, labels: Array) -> float:
    """Mean over the classes that occur of intersection over union; 255 marks pixels to ignore.

    `outputs` are scores (samples, classes, height, width), `labels` classes (samples, height,
    width); 255 is the void label of PASCAL VOC.
    """
    if outputs.ndim != 4 or outputs.shape[:1] + outputs.shape[2:] != labels.shape:
        raise UserError(
            f"outputs of shape {list(outputs.shape)} and labels of shape {list(labels.shape)}: "
            "miou wants (samples, classes, height, width) and (samples, height, width)"
        )
    classes = outputs.shape[1]
    predicted, valid = outputs.argmax(1), labels != 255
    if not valid.any():
        raise UserError("every pixel of the labels is 255: there is nothing to score")
    wanted = _whole_numbers(labels[valid])
    _require_range(wanted, classes)
    pairs = classes * wanted + predicted[valid]
    confusion = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    union = confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    present = union > 0
    return float((np.diag(confusion)[present] / union[present]).mean())


def _same_shape(name: str, outputs: Array, labels: Array) -> None:
    if outputs.shape != labels.shape:
        raise UserError(
            f"outputs of shape {list(outputs.shape)} and labels of shape {list(labels.shape)}: "
            f"{name} wants the same"
        )


_BUILTIN: dict[str, Callable[[Array, Array], float]] = {
    "top1": _top1,
    "top5": _top5,
    "auc": _auc,
    "map50": mean_average_precision,
    "miou": _miou,
    "mse": _mse,
    "sqnr": _sqnr,
}
