"""What an inference costs, from the spikes that a simulation counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecompile.backends.roofline import figure_of
from edgecompile.backends.spiking.simulate import Activity
from edgecompile.estimate import Estimate
from edgecompile.findings import Finding
from edgecompile.measured import Measured
from edgecompile.recipe.target import Fact

ENERGY = "energy_per_synaptic_operation"
_UNITS = {ENERGY: "pJ"}


def cost_facts(activity: Activity, macs: int) -> dict[str, Any]:
    """Spikes and synaptic operations per inference beside the ANN's multiply-accumulates."""
    return {
        "spikes": round(activity.spikes, 1),
        "synaptic_operations": round(activity.operations, 1),
        "by_layer": {name: round(count, 1) for name, count in activity.by_layer.items()},
        "macs": macs,
    }


def measured_activity(activity: Activity, steps: int) -> tuple[Measured, ...]:
    """Spikes and synaptic operations per inference, as the simulator counted them."""
    how = f"mean over all samples, {steps} steps, counted by the simulator"
    return (
        Measured("spikes", round(activity.spikes, 1), "per inference", how),
        Measured("synaptic operations", round(activity.operations, 1), "per inference", how),
    )


def cost_finding(cost: Mapping[str, Any], steps: int) -> Finding:
    """Whether spikes save anything, said plainly."""
    operations, macs = float(cost["synaptic_operations"]), int(cost["macs"])
    counted = (
        f"{operations:,.0f} synaptic operations per inference of {steps} steps, against "
        f"{macs:,} multiply-accumulates of the ANN"
    )
    if operations > macs:
        return Finding(
            "warning",
            "spiking-cost",
            f"rate coding costs more than the ANN, {operations / macs:.1f} times as much: "
            + counted,
            remedy="fewer steps, or sparser activations: train with data.train, prune, or give a "
            "larger budgets.spike",
            reference="counted by the simulator on validation samples",
        )
    return Finding("note", "spiking-cost", counted, reference="counted by the simulator")


def energy_estimates(cost: Mapping[str, Any], facts: Mapping[str, Fact]) -> Sequence[Estimate]:
    """Energy of the synaptic operations alone, by the target's figure; none without one."""
    if ENERGY not in facts:
        return []
    joules = float(cost["synaptic_operations"]) * figure_of(facts, ENERGY, _UNITS) * 1e-12
    model = (
        f"{cost['synaptic_operations']:,.0f} synaptic operations, as simulated, at "
        f"{facts[ENERGY].value} pJ each; neurons, memory and idle cores not counted"
    )
    return [Estimate("energy", joules * 1e3, None, "mJ", model, (facts[ENERGY].source,))]
