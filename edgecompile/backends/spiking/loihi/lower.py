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
from edgecompile.backends.spiking.latency import Choice, Point, choose_steps, only_choice
from edgecompile.backends.spiking.loihi.check import misfits
from edgecompile.backends.spiking.loihi.cores import budget_of
from edgecompile.backends.spiking.loihi.execute import execute
from edgecompile.backends.spiking.loihi.fixed_point import (
    reading_interval,
    to_fixed_point,
    with_first_potentials,
)
from edgecompile.backends.spiking.loihi.mean_shift import without_mean_shift
from edgecompile.backends.spiking.loihi.netx import netx_refusal, write_netx
from edgecompile.backends.spiking.loihi.options import LoihiOptions
from edgecompile.backends.spiking.loihi.sigma_delta import delays, to_sigma_delta
from edgecompile.backends.spiking.network import RateNetwork, SpikingNetwork
from edgecompile.backends.spiking.nir_file import write_nir
from edgecompile.backends.spiking.simulate import activity_of
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
_SAMPLES_FOR_MEANS = 128
"""Training samples, or validation samples without their labels where there are none."""


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
    for error in misfits(rates, options, target):
        raise refusal(error)
    if not rates.input_scale:
        raise TargetCannotRun(
            "the hub has no thresholds for spiking neurons",
            remedy="build the recipe, or quantize it for this target first",
        )
    chosen = _choose(rates, options, tuning)
    network, steps = chosen.network, chosen.choice.steps
    inputs = tuning.validation[0] if tuning.spikes is None else tuning.spikes
    trace, _ = execute(network, inputs[:_COSTED_SAMPLES], [steps])
    cost = cost_facts(activity_of(network, trace), count_macs(tuning.reference))
    write_nir(
        network, folder / MODEL, {"steps": steps, "read_every": chosen.interval, "cost": cost}
    )
    rows = budget_of(rates, target.limits)
    report = {
        **chosen.choice.account(),
        "read_every": chosen.interval,
        "neuron": options.neuron,
        "input": network.coding.kind,
        "delays": delays(rates) if options.neuron == "sigma-delta" else {},
        "cost": cost,
        "cores": sum(row.cores for row in rows),
        "layers": [asdict(row) for row in rows],
    }
    findings = [cost_finding(cost, steps)]
    reason = netx_refusal(network)
    if reason is None:
        write_netx(network, folder / NETX[options.neuron], steps)
    elif options.neuron != "sigma-delta":  # of which `check` has told already
        findings.append(Finding("warning", "loihi-netx", f"there is no netx file: {reason}"))
    _write_golden(network, steps, inputs[:_GOLDEN_SAMPLES], folder / GOLDEN)
    text = json.dumps(report, indent=1, sort_keys=True) + "\n"
    (folder / REPORT).write_text(text, encoding="utf-8")
    return Lowered(findings, {"spiking": report})


def _choose(rates: RateNetwork, options: LoihiOptions, tuning: Tuning) -> _Chosen:
    samples, labels = tuning.validation
    judge = Judge(tuning.reference, samples, labels, tuning.metric, tuning.recipe_folder)
    peak = _peak(tuning.reference, samples)
    if tuning.spikes is not None:
        return _for_spikes(rates, options, tuning, tuning.spikes, judge)
    if options.neuron == "sigma-delta":
        network, scales = to_sigma_delta(rates, peak)
        network = without_mean_shift(network, rates, scales, _for_means(tuning))
        ((steps, values),) = execute(network, samples, ())[1].items()
        choice = only_choice(steps, values, judge, tuning.budget)
        return _Chosen(network, choice, steps)
    ideal = replace(to_spiking(rates, options.input), signed=options.neuron == "signed")
    if options.neuron == "stock":
        from edgecompile.backends.spiking.loihi.stock import train_stock

        ideal = train_stock(ideal, tuning, options)

    network = to_fixed_point(ideal, peak)
    if options.neuron != "stock":  # which has learned another function
        network = _mended(network, rates, tuning)

    def outputs(tried: Sequence[int]) -> Mapping[int, Array]:
        return execute(network, samples, tried)[1]

    if options.steps is None:
        choice = choose_steps(outputs, judge, tuning.budget)
    else:
        quality = judge.quality_of([outputs([options.steps])[options.steps]])
        lost = quality.lost_points
        point = Point(options.steps, lost, round(quality.sqnr_db, 2))
        choice = Choice(options.steps, (point,), len(samples))
    return _Chosen(network, choice, reading_interval(network, peak, choice.steps))


def _mended(network: SpikingNetwork, rates: RateNetwork, tuning: Tuning) -> SpikingNetwork:
    """The network of rates whose biases take up what rounding its weights added on average."""
    scales = {
        layer.name: np.array(layer.threshold or network.readout_scale) / (wanted.ceiling or 1.0)
        for layer, wanted in zip(network.layers, rates.layers, strict=True)
    }
    return with_first_potentials(without_mean_shift(network, rates, scales, _for_means(tuning)))


def _for_means(tuning: Tuning) -> Array:
    samples = tuning.validation[0] if tuning.training is None else tuning.training[0]
    return samples[:_SAMPLES_FOR_MEANS]


def _for_spikes(
    rates: RateNetwork,
    options: LoihiOptions,
    tuning: Tuning,
    spikes: Array,
    judge: Judge,
) -> _Chosen:
    """The network for an input that spikes by itself, for as many steps as it does."""
    if options.neuron not in {"signed", "soft-reset"}:
        raise TargetCannotRun(
            f"the recipe gives spikes step by step (model.input.steps), and {options.neuron} "
            "neurons are for samples that stand still",
            remedy="lower.loihi.neuron=signed, or soft-reset",
        )
    steps = spikes.shape[1]
    if options.steps not in (None, steps):
        raise TargetCannotRun(
            f"the recipe's samples have {steps} steps, and lower.loihi.steps={options.steps}",
            remedy="leave out lower.loihi.steps",
        )
    # One spike in every step is a mean of 1.
    rates = replace(rates, input_scale=1.0)
    ideal = replace(to_spiking(rates, "given"), signed=options.neuron == "signed")
    peak = _peak(tuning.reference, tuning.validation[0])
    network = _mended(to_fixed_point(ideal, peak), rates, tuning)
    values = execute(network, spikes, [steps])[1][steps]
    choice = only_choice(steps, values, judge, tuning.budget)
    return _Chosen(network, choice, reading_interval(network, peak, steps))


def _peak(reference: ir.Model, samples: Array) -> float:
    return float(np.abs(run_onnx(serialize(reference), samples)[0]).max())


def _write_golden(network: SpikingNetwork, steps: int, samples: Array, path: Path) -> None:
    """The spikes of every population on a few validation samples, and the read-out's potentials:
    to hold a chip, or Lava, against. Spike trains are int16 (steps, samples, *shape)."""
    trace, outputs = execute(network, samples, [steps], record=True)
    arrays: dict[str, Any] = {f"spikes.{name}": train for name, train in trace.trains.items()}
    arrays["samples"] = samples
    if steps // 2 in trace.potentials:
        arrays["potential.half"] = trace.potentials[steps // 2]
    arrays["potential.end"] = trace.potentials[steps]
    arrays["outputs"] = outputs[steps]
    np.savez_compressed(path, **arrays)
