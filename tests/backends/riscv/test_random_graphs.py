"""Whatever the check accepts, the generator writes, and the C computes what the hub says."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecompile.backends.riscv.generator.check import check_operators
from edgecompile.backends.riscv.generator.generate import generate
from edgecompile.backends.riscv.isa import parse_isa
from tests.backends.riscv.hosted import Hosted
from tests.formats.tflite.compare import by_onnx_runtime, lsb_differences, relative_error
from tests.formats.tflite.random_graphs import EXACT, RandomGraph, random_graphs
from tests.hubs import quickly_quantized, samples_for

UNHURRIED = list(HealthCheck)
QUICK = settings(max_examples=2, suppress_health_check=UNHURRIED)
THOROUGH = settings(max_examples=60, suppress_health_check=UNHURRIED)

ISAS = ("rv64gcv", "rv64gc", "rv32imac")


def many(most_layers: int = 6) -> st.SearchStrategy[list[RandomGraph]]:
    """Graphs that are compiled together: a compiler's start costs more than a small graph."""
    return st.lists(random_graphs(most_layers), min_size=12, max_size=25)


def programs_are_right(graphs: list[RandomGraph], isa: str, folder) -> None:
    cases = {}
    for number, graph in enumerate(graphs):
        hub = graph.hub()
        if check_operators(hub):
            continue
        quantized = quickly_quantized(hub, samples_for(hub, 4))
        assert check_operators(quantized) == []
        cases[f"float {number}"] = hub
        cases[f"int8 {number}"] = quantized
    programs = {name: generate(hub, parse_isa(isa)) for name, hub in cases.items()}
    hosted = Hosted(programs, folder, ("-O0",))
    for name, hub in cases.items():
        graph = graphs[int(name.split()[1])]
        samples = samples_for(hub, 4)
        expected, found = by_onnx_runtime(hub, samples), hosted.run(name, samples)
        if name.startswith("float"):
            assert relative_error(expected, found) < 1e-3, graph
            continue
        # What rounding does to this graph: no kernel that rounds differently does more to it.
        floats = by_onnx_runtime(cases[name.replace("int8", "float")], samples)
        noise = lsb_differences(hub, expected, floats).max()
        differences = lsb_differences(hub, expected, found)
        if graph.operators <= EXACT:
            assert differences.max() == 0, graph
        assert differences.max() <= 2 + 2 * noise, graph


@QUICK
@given(many(), st.sampled_from(ISAS))
def test_what_check_accepts_is_written_and_right(tmp_path_factory, graphs, isa):
    programs_are_right(graphs, isa, tmp_path_factory.mktemp("graphs"))


@pytest.mark.full
@THOROUGH
@given(many(most_layers=10), st.sampled_from(ISAS))
def test_thousands_of_graphs_are_right(tmp_path_factory, graphs, isa):
    programs_are_right(graphs, isa, tmp_path_factory.mktemp("graphs"))
