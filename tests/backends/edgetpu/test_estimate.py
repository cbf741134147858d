"""The memory model against what the vendor's compiler laid out; time and energy by their model."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompile.backends.edgetpu.estimate import count_macs, estimates_of
from edgecompile.backends.edgetpu.mapping import predict_mapping
from edgecompile.backends.edgetpu.memory import SRAM, memory_of
from edgecompile.errors import UserError
from edgecompile.formats.tflite.graph import parse_graph
from edgecompile.graph.macs import count_macs as count_hub_macs
from edgecompile.recipe.load import load_target
from edgecompile.recipe.target import Fact
from tests.backends.edgetpu.files import File
from tests.backends.edgetpu.program import program_of
from tests.backends.edgetpu.test_mapping import PAIRS
from tests.hubs import hub_of, quickly_quantized, samples_for

FACTS = {
    "compute": Fact(value=4, unit="TOPS", source="a datasheet"),
    "bus": Fact(value=0.5, unit="GB/s", source="a standard"),
    "power": Fact(value=2, unit="W", source="a datasheet"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_vendors_layout_lies_within_the_range(data_folder, name):
    folder = data_folder / "coral_pairs"
    graph = parse_graph((folder / f"{name}.tflite").read_bytes(), name)
    memory = memory_of(predict_mapping(graph, 14))
    program = program_of((folder / f"{name}_edgetpu.tflite").read_bytes())
    assert memory.parameters[0] <= program.parameters <= memory.parameters[1]
    assert memory.activations[0] <= program.activations <= memory.activations[1]
    assert memory.streamed == (0, 0)


def dense(inputs, outputs):
    file = File()
    weight = file.constant(np.ones((outputs, inputs)))
    y = file.op(
        "FULLY_CONNECTED", [file.x(1, inputs), weight, -1], (1, outputs), "FullyConnectedOptions"
    )
    return file.graph(y)


def test_the_one_layer_that_is_published_to_the_byte():
    # 66.00 KiB cached (notes on edgetpu_compiler 16.0.384591198, Dense of 256 x 256).
    low, high = memory_of(predict_mapping(dense(256, 256), 14)).parameters
    assert low == 66 * 1024
    assert low <= high <= low + 1024


def test_what_does_not_fit_on_the_chip_is_streamed_and_costs_time():
    graph = dense(4096, 4096)
    placements = predict_mapping(graph, 14)
    memory = memory_of(placements)
    assert memory.cached[1] <= SRAM
    assert 8 << 20 < memory.streamed[0] < memory.streamed[1] < 12 << 20
    found = {e.quantity: e for e in estimates_of(graph, placements, FACTS)}
    latency, energy = found["latency"], found["energy"]
    assert latency.low == pytest.approx(
        1e3 * (memory.streamed[0] + 8192) / 0.5e9 + 0.0084, rel=1e-3
    )
    assert latency.high is not None and latency.high > latency.low
    assert energy.low == pytest.approx(2 * latency.low)
    assert "16,777,216 multiply-accumulates" in latency.model
    assert set(latency.sources) >= {"a datasheet", "a standard"}


def test_operators_on_the_cpu_leave_the_time_open_above():
    file = File()
    y = file.op("HARD_SWISH", [file.op("RELU", [file.x(1, 4)], (1, 4))], (1, 4))
    graph = file.graph(y)
    found = {e.quantity: e for e in estimates_of(graph, predict_mapping(graph, 14), FACTS)}
    assert (found["operators on the Edge TPU"].low, found["latency"].high) == (1, None)
    assert "what the CPU runs is not counted" in found["latency"].model


def test_without_facts_there_is_no_time():
    graph = dense(4, 4)
    found = estimates_of(graph, predict_mapping(graph, 14), {})
    assert {e.quantity for e in found} & {"latency", "energy"} == set()


def test_a_fact_in_another_unit_is_refused():
    graph = dense(4, 4)
    facts = {**FACTS, "bus": Fact(value=5, unit="Gbit/s", source="a standard")}
    with pytest.raises(UserError, match="the fact 'bus' of a target is in GB/s, not in 'Gbit/s'"):
        estimates_of(graph, predict_mapping(graph, 14), facts)


@pytest.mark.parametrize("name", ["coral-usb", "coral-dev-board", "coral-dev-board-micro"])
def test_the_targets_have_the_facts_of_the_model(name):
    graph = dense(4, 4)
    found = estimates_of(graph, predict_mapping(graph, 14), load_target(name).facts)
    assert {"latency", "energy"} <= {e.quantity for e in found}


BODIES = {
    "convolution": ("float[1,3,8,8] x", "y = Conv<pads=[1,1,1,1]>(x, w)", "float[5,3,3,3] w"),
    "depthwise": ("float[1,4,8,8] x", "y = Conv<group=4>(x, w)", "float[4,1,3,3] w"),
    "transposed": (
        "float[1,4,5,5] x", "y = ConvTranspose<strides=[2,2]>(x, w)", "float[4,3,2,2] w"),
    "product": ("float[1,5,6] x", "y = MatMul(x, w)", "float[6,4] w"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_file_has_the_arithmetic_of_its_hub(name):
    from edgecompile.backends.edgetpu.lowering import lower_for_edgetpu

    hub = hub_of(*BODIES[name])
    quantized = quickly_quantized(hub, samples_for(hub))
    graph = parse_graph(lower_for_edgetpu(quantized, "int8").content, name)
    assert sum(count_macs(operator) for operator in graph.operators) == count_hub_macs(hub)
