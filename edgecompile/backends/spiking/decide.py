"""Thresholds, replaced pools and fine-tuning: what is decided once for every spiking chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecompile.backends.spiking.convert import to_spiking
from edgecompile.backends.spiking.finetune import Training, classes_of, fine_tune
from edgecompile.backends.spiking.network import RateLayer, RateNetwork
from edgecompile.backends.spiking.rates import LEVELS, outputs_of, with_average_pools, with_ceilings
from edgecompile.backends.spiking.reading import read_network
from edgecompile.backends.spiking.samples import split_samples
from edgecompile.backends.spiking.simulate import outputs_at, simulate
from edgecompile.backends.tuning import Data, Split, training_of, validation_of
from edgecompile.compress.quality import Judge, Quality
from edgecompile.errors import TargetCannotRun
from edgecompile.evaluate.session import run_onnx
from edgecompile.findings import Finding
from edgecompile.graph.hub import Array, serialize

STAIRCASES = ((LEVELS, 32), (32, 64))
"""Levels that ceilings are chosen for, and steps of the ideal network that they are judged at. Low
ceilings use few steps well; where more are needed anyway, their clipping is what is lost."""
_MOST_JUDGED = 300
_SHARE = 0.5
"""Of the budget: what plain conversion may lose on the validation samples without fine-tuning."""


def require_network(hub: ir.Model) -> RateNetwork:
    """The network of a hub.

    Raises:
        TargetCannotRun: it has none; the message has the node's place in the user's model.
    """
    network, findings = read_network(hub)
    if network is None:
        raise refusal(findings[0])
    return network


def refusal(finding: Finding) -> TargetCannotRun:
    """A finding as an error."""
    place = ", ".join(part for part in (finding.module, finding.source) if part)
    return TargetCannotRun(
        finding.message + (f" [{place}]" if place else ""), remedy=finding.remedy
    )


def decide(
    reference: ir.Model, data: Data, parameters: Mapping[str, Any]
) -> tuple[RateNetwork, Split, dict[str, Any]]:
    """The network with a ceiling for each activation and no maximum pool; which samples decided
    what; and an account of it.

    Raises:
        TargetCannotRun: see `spike`.
    """
    stage = parameters["stage"]
    network = require_network(reference)
    labels = {split: len(labels) for split, (_, labels) in data.items()}
    split = split_samples(
        labels["calibration"], labels.get("train", 0), stage["calibration_samples"]
    )
    training = training_of(data, split)
    pools = network.max_pools
    if pools and (training is None or stage["epochs"] == 0):
        raise refusal(_max_pool(pools[0]))
    ceilings = np.ascontiguousarray(data["calibration"][0][split.decided])
    samples, known = _some(*validation_of(data, split))
    judge = Judge(
        reference, samples, known, parameters["metric"], Path(parameters["recipe_folder"])
    )
    staircases: Sequence[tuple[int, int]] = STAIRCASES
    if pools:  # to be trained whatever the ceilings are
        network, staircases = with_average_pools(network), STAIRCASES[:1]
    plain, (levels, steps), quality = _with_best_ceilings(
        network, ceilings, staircases, judge, parameters["budget"]
    )
    account: dict[str, Any] = {
        "ceilings_from": len(ceilings),
        "validation_samples": len(samples),
        "levels": levels,
        "judged_steps": steps,
        "averaged_pools": [layer.name for layer in pools],
        "plain": _said(quality),
    }
    wanted = bool(pools) or not _is_enough(quality, parameters["budget"])
    if training is None or not stage["epochs"] or not wanted:
        return plain, split, account
    trained, losses = fine_tune(plain, _training(reference, training, stage, levels))
    better, limit = _quality(trained, judge, steps), _limit(trained, judge)
    # A network that learned the training samples by heart may spike better and know less: with
    # many steps it would stay behind the plain one.
    kept = _rank(better) > _rank(quality) and (bool(pools) or _holds(limit, parameters["budget"]))
    account |= {
        "fine_tuned": _said(better),
        "fine_tuned_limit": _said(limit),
        "losses": losses,
        "kept": kept,
    }
    return (trained if kept else plain), split, account


def _training(
    reference: ir.Model, training: tuple[Array, Array], stage: Mapping[str, Any], levels: int
) -> Training:
    samples, labels = training
    teacher = run_onnx(serialize(reference), samples)[0]
    return Training(
        samples,
        teacher,
        classes_of(labels, teacher),
        stage["epochs"],
        stage["learning_rate"],
        stage["batch"],
        stage["seed"],
        levels,
    )


def _max_pool(layer: RateLayer) -> Finding:
    return Finding(
        "error",
        "spiking-max-pool",
        "a maximum pool has no form in spiking neurons; an average in its place must be trained, "
        "and the recipe has no data to train on",
        layer.origin.node,
        "MaxPool",
        layer.origin.module,
        layer.origin.source,
        "name data.train (with stages.spike.epochs of 1 or more), or use AvgPool2d in the model",
        "docs/spiking.md",
    )


def _some(samples: Array, labels: Array) -> tuple[Array, Array]:
    """At most `_MOST_JUDGED`, evenly spread."""
    each = len(samples) // len(labels)
    chosen = np.unique(np.linspace(0, len(labels) - 1, _MOST_JUDGED).round().astype(np.int64))
    rows = (chosen[:, None] * each + np.arange(each)).ravel()
    return samples[rows], labels[chosen]


def _with_best_ceilings(
    network: RateNetwork,
    samples: Array,
    staircases: Sequence[tuple[int, int]],
    judge: Judge,
    budget: float | None,
) -> tuple[RateNetwork, tuple[int, int], Quality]:
    """The first of the staircases that is good enough without training, else the best."""
    tried = []
    for levels, steps in staircases:
        candidate = with_ceilings(network, samples, levels)
        quality = _quality(candidate, judge, steps)
        tried.append((candidate, (levels, steps), quality))
        if _is_enough(quality, budget):
            break
    return max(tried, key=lambda one: _rank(one[2]))


def _quality(network: RateNetwork, judge: Judge, steps: int) -> Quality:
    """Of ideal neurons, which no chip has, but which all come near."""
    spiking = to_spiking(network, "events")
    trace = simulate(spiking, judge.samples, [steps // 2, steps])
    return judge.quality_of([outputs_at(spiking, trace, steps)])


def _limit(network: RateNetwork, judge: Judge) -> Quality:
    """Of the rates that ideal neurons reach after very many steps."""
    return judge.quality_of([outputs_of(network, judge.samples)])


def _is_enough(quality: Quality, budget: float | None) -> bool:
    return budget is not None and _holds(quality, budget * _SHARE)


def _holds(quality: Quality, budget: float | None) -> bool:
    """Whether no more than the budget is lost; what cannot be told counts as lost."""
    if budget is None:
        return True
    return quality.lost_points is not None and quality.lost_points <= budget


def _rank(quality: Quality) -> tuple[float, float]:
    lost = 0.0 if quality.lost_points is None else quality.lost_points
    return (-lost, quality.sqnr_db)


def _said(quality: Quality) -> dict[str, float | None]:
    lost = None if quality.lost_points is None else round(quality.lost_points, 4)
    return {"lost_points": lost, "sqnr_db": round(quality.sqnr_db, 2)}
