"""Our rules say what NVIDIA's own parser and compiler say, without needing them."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from edgecompile.backends.isolation import run_isolated
from edgecompile.backends.tensorrt.compiler import ANSWER_FILE, compile_engine
from edgecompile.backends.tensorrt.engine import MATRIX_LAYERS
from edgecompile.backends.tensorrt.pairs import is_dequantized
from edgecompile.backends.tensorrt.rules import broken_rules
from edgecompile.graph.qdq import WEIGHTED
from tests.backends.tensorrt.new_probes import NEW
from tests.backends.tensorrt.probes import FIRST, Probe
from tests.backends.tensorrt.second_probes import SECOND
from tests.hubs import hub_of

AMPERE = "8.6"
PROBES = {**FIRST, **NEW, **SECOND}

KNOWN = {
    "float16 with float32 scales": "not valid ONNX, and taken all the same",
    "pair on a half sum, float scale": "not valid ONNX, and taken all the same",
    "MeanVarianceNormalization": "onnx's own shape inference fails",
    "GRU, both ways": "the compiler does not end within a minute",
}
"""Where rules and compiler differ, and why."""

IN_CI = [
    *("int8 convolution", "zero point 5", "int32 bias", "only the weights are int8"),
    *("scales of weights by input channel", "RoiAlign", "Resize, crop", "int4 weights by channel"),
]


def verdict_of_rules(model: ir.Model) -> str:
    levels = {finding.level for finding in broken_rules(model, "rtx", AMPERE)}
    return "refused" if "error" in levels else "float" if "warning" in levels else "taken"


def verdict_of_compiler(probe: Probe, folder: Path) -> str:
    """Refused; or taken, with its quantized products in float; or taken."""
    model = probe.model()
    onnx.save(ir.to_proto(model), folder / "probe.onnx")
    done = run_isolated(
        compile_engine, "probe.onnx", AMPERE, False, tool="nvidia", seconds=60, folder=folder
    )
    assert done.succeeded, done.failure()
    answer = json.loads((folder / ANSWER_FILE).read_text())
    if answer["errors"]:
        return "refused"
    products = [
        n for n in model.graph if n.op_type in WEIGHTED and any(map(is_dequantized, n.inputs))
    ]
    matrices = [layer for layer in answer["layers"] if layer["type"] in MATRIX_LAYERS]
    in_int8 = [layer["inputs"][0]["dtype"] == "Int8" for layer in matrices]
    # A product in float may be no layer of its own: it is fused with the casts of its data.
    is_hidden = not matrices and any(is_dequantized(node.inputs[0]) for node in products)
    if products and (not all(in_int8) or is_hidden):
        return "float"
    return "taken"


@pytest.mark.parametrize("name", [n for n in IN_CI if n in PROBES])
def test_a_rule_agrees_with_the_compiler(name, tmp_path):
    assert verdict_of_rules(PROBES[name].model()) == verdict_of_compiler(PROBES[name], tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("name", [n for n in PROBES if n not in {*IN_CI, *KNOWN}])
def test_every_rule_agrees_with_the_compiler(name, tmp_path):
    assert verdict_of_rules(PROBES[name].model()) == verdict_of_compiler(PROBES[name], tmp_path)


def test_the_table_of_operators_is_what_the_parser_says():
    import tensorrt_rtx as trt

    from edgecompile.backends.tensorrt.operators import RTX_LACKS, RTX_OPERATORS

    logger = trt.Logger()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    names = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    assert {name for name in names if parser.supports_operator(name)} == RTX_OPERATORS | RTX_LACKS


def test_a_finding_names_the_module_the_line_and_what_to_write_instead():
    hub = hub_of("float[4,4] x", "s = Add(x, x) y = Det(s)")
    (finding,) = broken_rules(hub, "tensorrt")
    assert finding.level == "error"
    assert (finding.module, finding.source) == ("net.det2", "model.py:2")
    assert finding.remedy is not None and "determinant" in finding.remedy


def test_an_operator_of_another_domain_needs_a_plugin():
    (finding,) = broken_rules(FIRST["an operator of another domain"].model(), "rtx")
    assert "my.domain.Thing is no ONNX operator: TensorRT needs a plugin" in finding.message
