"""A hub with thresholds as the files that Speck's tools and our simulators read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecompile.backends.protocol import Lowered, Tuning
from edgecompile.backends.spiking.coding import split_signs
from edgecompile.backends.spiking.convert import to_spiking
from edgecompile.backends.spiking.cost import cost_facts, cost_finding
from edgecompile.backends.spiking.decide import refusal, require_network
from edgecompile.backends.spiking.latency import Choice, Point, choose_steps
from edgecompile.backends.spiking.network import RateNetwork, SpikingNetwork
from edgecompile.backends.spiking.nir_file import write_nir
from edgecompile.backends.spiking.simulate import (
    Activity,
    Trace,
    activity_of,
    outputs_at,
    simulate,
)
from edgecompile.backends.spiking.speck.check import DOCUMENT, misfits
from edgecompile.backends.spiking.speck.chip_form import as_cores, with_output_neurons
from edgecompile.backends.spiking.speck.configuration import configuration_of
from edgecompile.backends.spiking.speck.events import simulate_events
from edgecompile.backends.spiking.speck.integers import DYNAMICS, to_integers
from edgecompile.backends.spiking.speck.limits import ChipLimits, limits_of
from edgecompile.backends.spiking.speck.mapping import assign_cores, need_of
from edgecompile.backends.spiking.speck.on_device import apply
from edgecompile.backends.spiking.speck.options import SpeckOptions
from edgecompile.compress.quality import Judge, Quality
from edgecompile.errors import TargetCannotRun
from edgecompile.evaluate.session import run_onnx
from edgecompile.findings import Finding
from edgecompile.graph.hub import Array, serialize
from edgecompile.graph.macs import count_macs
from edgecompile.recipe.target import Target

MODEL, MAPPING, GOLDEN, APPLY = "model.nir", "mapping.json", "golden.npz", "apply.py"
_LEAST_DECIBEL = 17.0
"""Wanted of the outputs beside what the metric says: a few hundred validation samples cannot tell
half a point, and noise of a fiftieth of the outputs' variance can cost one."""
_GOLDEN_SAMPLES = 4
_COSTED_SAMPLES = 50


@dataclass(frozen=True)
class _Chosen:
    """How many steps, and what the step simulation says of the same numbers."""

    choice: Choice
    in_steps: tuple[Point, ...]


def lower_hub(hub: ir.Model, target: Target, folder: Path, tuning: Tuning) -> Lowered:
    """Write `model.nir`, the configuration, the mapping, golden spikes and `apply.py`.

    Raises:
        TargetCannotRun: a limit of the chip is exceeded, or an operator has no form.
        BudgetBroken: no number of steps holds the budget on the validation samples.
    """
    options, limits = SpeckOptions.model_validate(target.options), limits_of(target.limits)
    rates = require_network(hub)
    if tuning.spikes is not None:
        raise TargetCannotRun(
            "the recipe gives spikes step by step (model.input.steps), which the backend for Speck "
            "does not read yet",
            remedy="give frames, which the host makes spikes of; loihi2 takes spikes",
        )
    if not rates.input_scale:
        raise TargetCannotRun(
            "the hub has no thresholds for spiking neurons",
            remedy="build the recipe, or quantize it for this target first",
        )
    samples = tuning.validation[0]
    peak = float(np.abs(run_onnx(serialize(tuning.reference), samples)[0]).max())
    network = chip_network(rates, peak)
    for error in misfits(network, limits):
        raise refusal(error)
    cores = _assigned(network, limits)
    chosen = _choose(network, options, tuning)
    steps = chosen.choice.steps
    trace = simulate_events(network, samples[:_COSTED_SAMPLES], [steps])
    cost = cost_facts(activity_on_chip(network, trace), count_macs(tuning.reference))
    write_nir(network, folder / MODEL, {"steps": steps, "cost": cost})
    _write_json(configuration_of(network, cores, options.chip, steps), folder, options.chip)
    report = {
        **chosen.choice.account(),
        "step_simulation": [asdict(point) for point in chosen.in_steps],
        "cost": cost,
        "layers": _mapped(network, cores, limits),
    }
    (folder / MAPPING).write_text(
        json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    _write_golden(network, steps, samples[:_GOLDEN_SAMPLES], folder / GOLDEN)
    (folder / APPLY).write_bytes(Path(apply.__file__).read_bytes())
    findings = [cost_finding(cost, steps), _asynchrony(chosen, steps)]
    return Lowered(findings, {"spiking": report})


def chip_network(rates: RateNetwork, peak: float) -> SpikingNetwork:
    """The network in whole numbers, one layer for each core and a read-out that counts spikes.
    `peak` is the largest output that is expected."""
    network = with_output_neurons(as_cores(rates), peak)
    spiking = split_signs(to_spiking(network, "events"))
    *hidden, readout = spiking.layers
    threshold = hidden[-1].threshold
    assert threshold is not None
    counted = replace(readout, connections=network.layers[-1].connections)
    return to_integers(replace(spiking, layers=(*hidden, counted), readout_scale=1.0 / threshold))


def activity_on_chip(network: SpikingNetwork, trace: Trace) -> Activity:
    """Spikes and synaptic operations of the cores; that the host counts is none."""
    return activity_of(replace(network, layers=network.layers[:-1]), trace)


def _assigned(network: SpikingNetwork, limits: ChipLimits) -> list[int]:
    needs = [need_of(x.name, x.connections[0], x.shape) for x in network.layers[:-1]]
    cores = assign_cores(needs, limits)
    assert cores is not None, "a misfit"
    return cores


def _mapped(
    network: SpikingNetwork, cores: Sequence[int], limits: ChipLimits
) -> list[dict[str, Any]]:
    rows = []
    for layer, core in zip(network.layers[:-1], cores, strict=True):
        need = need_of(layer.name, layer.connections[0], layer.shape)
        rows.append(
            {
                **asdict(need),
                "core": core,
                "kernel_words_of_core": limits.kernel_words[core],
                "neuron_words_of_core": limits.neuron_words[core],
                "neurons": int(np.prod(layer.shape)),
                "threshold": int(layer.threshold or 0),
                "largest_weight": int(np.abs(layer.connections[0].weight).max()),
                "largest_bias": int(np.abs(layer.bias).max()),
                "fits_cores": need.cores(limits),
            }
        )
    return rows


def _choose(network: SpikingNetwork, options: SpeckOptions, tuning: Tuning) -> _Chosen:
    samples, labels = tuning.validation
    judge = Judge(tuning.reference, samples, labels, tuning.metric, tuning.recipe_folder)

    def outputs(tried: Sequence[int]) -> Mapping[int, Array]:
        trace = simulate_events(network, samples, _points(tried))
        return {steps: outputs_at(network, trace, steps) for steps in tried}

    if options.steps is None:
        choice = choose_steps(outputs, judge, tuning.budget, _LEAST_DECIBEL)
    else:
        quality = judge.quality_of([outputs([options.steps])[options.steps]])
        choice = Choice(options.steps, (_point(options.steps, quality),), len(samples))
    tried = [point.steps for point in choice.curve]
    trace = simulate(network, samples, _points(tried), DYNAMICS)
    in_steps = tuple(
        _point(steps, judge.quality_of([outputs_at(network, trace, steps)])) for steps in tried
    )
    return _Chosen(choice, in_steps)


def _points(steps: Sequence[int]) -> list[int]:
    return sorted({*steps, *(number // 2 for number in steps)})


def _point(steps: int, quality: Quality) -> Point:
    lost = None if quality.lost_points is None else round(quality.lost_points, 4)
    decibel = round(quality.sqnr_db, 2) if np.isfinite(quality.sqnr_db) else None
    return Point(steps, lost, decibel)


def _asynchrony(chosen: _Chosen, steps: int) -> Finding:
    """What it costs that the chip has no steps."""
    event = {point.steps: point for point in chosen.choice.curve}
    step = {point.steps: point for point in chosen.in_steps}
    said = "; ".join(
        f"{tried} steps: {_loss(step[tried])} in steps, {_loss(event[tried])} event by event"
        for tried in event
    )
    return Finding(
        "note",
        "speck-asynchrony",
        f"{steps} steps were chosen by the event-driven simulator; a simulation in steps is kinder "
        f"than the chip. Lost on {chosen.choice.samples} validation samples: {said}",
        reference=DOCUMENT,
    )


def _loss(point: Point) -> str:
    return f"{point.sqnr_db} dB" if point.lost_points is None else f"{point.lost_points:g} points"


def _write_json(body: Mapping[str, Any], folder: Path, chip: str) -> None:
    text = json.dumps(body, sort_keys=True, separators=(",", ":")) + "\n"
    (folder / f"{chip}.json").write_text(text, encoding="utf-8")


def _write_golden(network: SpikingNetwork, steps: int, samples: Array, path: Path) -> None:
    """How often each neuron fires in each step on a few validation samples, by both simulators:
    int16 (steps, samples, *shape)."""
    events = simulate_events(network, samples, _points([steps]), record=True)
    trace = simulate(network, samples, _points([steps]), DYNAMICS, record=True)
    arrays: dict[str, Any] = {f"events.{name}": train for name, train in events.trains.items()}
    arrays |= {f"steps.{name}": train for name, train in trace.trains.items()}
    arrays["samples"] = samples
    arrays["outputs"] = outputs_at(network, events, steps)
    np.savez_compressed(path, **arrays)
