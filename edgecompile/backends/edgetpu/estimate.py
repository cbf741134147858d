"""What a file may cost on a Coral device: a model of it, never a measurement.

An inference takes its arithmetic, what crosses the bus (inputs, outputs, parameters that do not
fit on the chip), and a fixed part. The least is all of it at the published peaks. For the most,
the arithmetic is `SLOWEST` times slower, and the parameters fill the chip in the worst way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from edgecompile.backends.edgetpu.mapping import Placement
from edgecompile.backends.edgetpu.memory import Memory, memory_of
from edgecompile.backends.roofline import COMPUTE, POWER, figure_of
from edgecompile.estimate import Estimate
from edgecompile.formats.tflite.graph import FileGraph, FileOperator
from edgecompile.recipe.target import Fact

BUS = "bus"
UNITS = {COMPUTE: "TOPS", BUS: "GB/s", POWER: "W"}
"""The facts of a target that the model needs."""

SLOWEST = 17
"""MobileNet v2 (300 million multiply-accumulates) takes 2.6 ms, 17 times what 4 TOPS allow;
MobileNet v1 (569 million) 2.4 ms, 8 times (`BENCHMARKS`)."""

FIXED_SECONDS = 0.36e-3
"""The longest that one cached Dense layer took over USB: 0.25 to 0.36 ms, in the hardware notes of
the project libredgetpu. Of the arithmetic it is a hundredth."""

BENCHMARKS = "https://coral.ai/docs/edgetpu/benchmarks/"
CACHING = "https://coral.ai/docs/edgetpu/compiler/#parameter-data-caching"


def estimates_of(
    graph: FileGraph, placements: Sequence[Placement], facts: Mapping[str, Fact]
) -> list[Estimate]:
    """Operators mapped, memory, and, where the target has the facts, latency and energy."""
    memory = memory_of(placements)
    mapped = sum(p.is_mapped for p in placements)
    total = len(placements)
    model = "the mapping predictor's rules (docs/backends/edgetpu.md)"
    found = [
        Estimate("operators on the Edge TPU", mapped, mapped, f"of {total}", model),
        _bytes("parameters on the chip", memory.cached),
        _bytes("parameters streamed", memory.streamed),
        _bytes("activation memory", memory.activations),
    ]
    if mapped and {COMPUTE, BUS} <= facts.keys():
        found += _time_and_energy(graph, placements, memory, facts)
    return found


def _bytes(quantity: str, size: tuple[int, int]) -> Estimate:
    model = "layout of the parameters as in files that the vendor compiled; SRAM of 8 MiB"
    unit, divisor = ("MiB", 1 << 20) if size[1] >= 1 << 20 else ("KiB", 1 << 10)
    return Estimate(quantity, size[0] / divisor, size[1] / divisor, unit, model, (CACHING,))


def _time_and_energy(
    graph: FileGraph, placements: Sequence[Placement], memory: Memory, facts: Mapping[str, Fact]
) -> list[Estimate]:
    mapped = [p.operator for p in placements if p.is_mapped]
    macs = sum(count_macs(operator) for operator in mapped)
    moved = sum(t.size_bytes for t in (*graph.inputs, *graph.outputs))
    arithmetic = 2 * macs / (figure_of(facts, COMPUTE, UNITS) * 1e12)
    bus = figure_of(facts, BUS, UNITS) * 1e9
    low = arithmetic + (moved + memory.streamed[0]) / bus
    high = SLOWEST * arithmetic + (moved + memory.streamed[1]) / bus + FIXED_SECONDS
    model = (
        f"{macs:,} multiply-accumulates at the peak, or {SLOWEST} times slower, and {moved:,} "
        "bytes of inputs and outputs and the streamed parameters at the peak of the bus"
    )
    whole = len(mapped) == len(placements)
    if not whole:
        model += "; what the CPU runs is not counted"
    sources = (facts[COMPUTE].source, facts[BUS].source, BENCHMARKS)
    found = [Estimate("latency", low * 1e3, high * 1e3 if whole else None, "ms", model, sources)]
    if POWER in facts:
        watts = figure_of(facts, POWER, UNITS)
        joules = (low * watts, high * watts)
        model = f"{model}; at the chip's published power"
        most = joules[1] * 1e3 if whole else None
        read = (*sources, facts[POWER].source)
        found.append(Estimate("energy", joules[0] * 1e3, most, "mJ", model, read))
    return found


def count_macs(operator: FileOperator) -> int:
    """Multiply-accumulates of a convolution or a matrix product with constant weights, else 0."""
    weight = operator.input(1)
    if weight is None or not weight.shape or not operator.outputs:
        return 0
    if operator.name in {"CONV_2D", "FULLY_CONNECTED"}:  # weights (outputs, *window)
        return operator.outputs[0].elements * prod(weight.shape[1:])
    if operator.name == "DEPTHWISE_CONV_2D":  # weights (1, height, width, outputs)
        return operator.outputs[0].elements * prod(weight.shape[:-1])
    data = operator.input(2)
    if operator.name == "TRANSPOSE_CONV" and data is not None:  # weights (outputs, *window, inputs)
        return data.elements * prod(weight.shape[:-1])
    return 0
