"""A hub with thresholds as the files that Loihi 2's tools and our simulator read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecompile.backends.protocol import Lowered, Tuning
from edgecompile.backends.spiking.convert import to_spiking
from edgecompile.backends.spiking.cost import cost_facts, cost_finding
from edgecompile.backends.spiking.decide import refusal, require_network
from edgecompile.backends.spiking.latency import Choice, Point, choose_steps
from edgecompile.backends.spiking.loihi.cores import budget_of, core_findings
from edgecompile.backends.spiking.loihi.fixed_point import (
    DYNAMICS,
    reading_interval,
    to_fixed_point,
)
from edgecompile.backends.spiking.loihi.netx import netx_refusal, write_netx
from edgecompile.backends.spiking.loihi.options import LoihiOptions
from edgecompile.backends.spiking.network import SpikingNetwork
from edgecompile.backends.spiking.nir_file import write_nir
from edgecompile.backends.spiking.simulate import activity_of, outputs_at, simulate
from edgecompile.compress.quality import Judge
from edgecompile.errors import TargetCannotRun
from edgecompile.evaluate.session import run_onnx
from edgecompile.findings import Finding
from edgecompile.graph.hub import Array, serialize
from edgecompile.graph.macs import count_macs
from edgecompile.recipe.target import Target

MODEL, REPORT, GOLDEN = "model.nir", "loihi.json", "golden.npz"
NETX = {
    "stock": "model.net",
    "soft-reset": "model.soft-reset.net",
    "signed": "model.signed.net",
}
"""The netx file says of itself that its neurons are stock LIF; the others' names warn of it."""
_GOLDEN_SAMPLES = 4
_COSTED_SAMPLES = 50


@dataclass(frozen=True)
class _Chosen:
    """The chip's network, for how many steps, and how these were found."""

    network: SpikingNetwork
    choice: Choice
    interval: int
    """Steps between two readings of the read-out."""


def lower_hub(hub: ir.Model, target: Target, folder: Path, tuning: Tuning) -> Lowered:
    """Write `model.nir`, a netx file where there can be one, golden spikes and a report.

    Raises:
        TargetCannotRun: too few cores, an operator without a form, or stock neurons without data
            to train them with.
        BudgetBroken: no number of steps holds the budget on the validation samples.
    """
    options = LoihiOptions.model_validate(target.options)
    rates = require_network(hub)
    rows = budget_of(rates, target.limits)
    for error in core_findings(rates, rows, target.limits):
        raise refusal(error)
    if not rates.input_scale:
        raise TargetCannotRun(
            "the hub has no thresholds for spiking neurons",
            remedy="build the recipe, or quantize it for this target first",
        )
    ideal = replace(to_spiking(rates, options.input), signed=options.neuron == "signed")
    chosen = _choose(ideal, options, tuning)
    network, steps = chosen.network, chosen.choice.steps
    samples = tuning.validation[0][:_COSTED_SAMPLES]
    trace = simulate(network, samples, [steps // 2, steps], DYNAMICS)
    cost = cost_facts(activity_of(network, trace), count_macs(tuning.reference))
    write_nir(
        network, folder / MODEL, {"steps": steps, "read_every": chosen.interval, "cost": cost}
    )
    report = {
        **chosen.choice.account(),
        "read_every": chosen.interval,
        "neuron": options.neuron,
        "input": options.input,
        "cost": cost,
        "cores": sum(row.cores for row in rows),
        "layers": [asdict(row) for row in rows],
    }
    findings = [cost_finding(cost, steps)]
    reason = netx_refusal(network)
    if reason is None:
        write_netx(network, folder / NETX[options.neuron], steps)
    else:
        findings.append(Finding("warning", "loihi-netx", f"there is no netx file: {reason}"))
    _write_golden(network, steps, tuning.validation[0][:_GOLDEN_SAMPLES], folder / GOLDEN)
    text = json.dumps(report, indent=1, sort_keys=True) + "\n"
    (folder / REPORT).write_text(text, encoding="utf-8")
    return Lowered(findings, {"spiking": report})


def _choose(ideal: SpikingNetwork, options: LoihiOptions, tuning: Tuning) -> _Chosen:
    samples, labels = tuning.validation
    judge = Judge(tuning.reference, samples, labels, tuning.metric, tuning.recipe_folder)
    peak = _peak(tuning.reference, samples)
    if options.neuron == "stock":
        from edgecompile.backends.spiking.loihi.stock import train_stock

        ideal = train_stock(ideal, tuning, options)

    network = to_fixed_point(ideal, peak)

    def outputs(tried: Sequence[int]) -> Mapping[int, Array]:
        points = sorted({*tried, *(steps // 2 for steps in tried)})
        trace = simulate(network, samples, points, DYNAMICS)
        return {steps: outputs_at(network, trace, steps) for steps in tried}

    if options.steps is None:
        choice = choose_steps(outputs, judge, tuning.budget)
    else:
        quality = judge.quality_of([outputs([options.steps])[options.steps]])
        lost = quality.lost_points
        point = Point(options.steps, lost, round(quality.sqnr_db, 2))
        choice = Choice(options.steps, (point,), len(samples))
    return _Chosen(network, choice, reading_interval(network, peak, choice.steps))


def _peak(reference: ir.Model, samples: Array) -> float:
    return float(np.abs(run_onnx(serialize(reference), samples)[0]).max())


def _write_golden(network: SpikingNetwork, steps: int, samples: Array, path: Path) -> None:
    """The spikes of every population on a few validation samples, and the read-out's potentials:
    to hold a chip, or Lava, against. Spike trains are int16 (steps, samples, *shape)."""
    trace = simulate(network, samples, [steps // 2, steps], DYNAMICS, record=True)
    arrays: dict[str, Any] = {f"spikes.{name}": train for name, train in trace.trains.items()}
    arrays["samples"] = samples
    arrays["potential.half"] = trace.potentials[steps // 2]
    arrays["potential.end"] = trace.potentials[steps]
    arrays["outputs"] = outputs_at(network, trace, steps)
    np.savez_compressed(path, **arrays)
