"""The ONNX Runtime backend: lower, run, read back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecompile.backends.onnxruntime.backend import OnnxRuntimeBackend
from edgecompile.backends.protocol import Inspection
from edgecompile.compress.narrow import halve_constants, quantize_weights
from edgecompile.compress.scheme import QuantScheme
from edgecompile.errors import ToolchainFailed, UserError
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from edgecompile.graph.qdq import output_scales
from edgecompile.recipe.target import Target
from tests.hubs import hub_of, quickly_quantized, samples_for

BACKEND = OnnxRuntimeBackend()
TARGET = Target.model_validate(
    {
        "name": "cpu",
        "title": "any CPU",
        "backend": "onnxruntime",
        "precisions": ["int8"],
        "scheme": "affine",
    }
)


def float_hub():
    return hub_of(
        "float[1,2,6,6] x",
        "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) m = Conv(x, u) s = Add(r, m) "
        "f = Flatten(s) y = Gemm<transB=1>(f, v)",
        "float[3,2,3,3] w, float[3] b, float[3,2,1,1] u, float[4,108] v",
    )


def test_the_lowered_int8_file_equals_the_integer_kernels_on_the_hub(tmp_path):
    hub = float_hub()
    samples = samples_for(hub)
    quantized = quickly_quantized(hub, samples)
    BACKEND.lower(quantized, TARGET, tmp_path)
    (actual,) = BACKEND.run(tmp_path / "model.onnx", samples, {})
    (expected,) = run_onnx(serialize(quantized), samples)
    (scale,) = output_scales(quantized)
    assert np.abs(np.rint((actual - expected) / scale)).max() <= 1


@pytest.mark.parametrize(
    "narrow", [lambda h: h, halve_constants, lambda h: quantize_weights(h, per_channel=True)]
)
def test_the_lowered_float_file_equals_the_hub(tmp_path, narrow):
    hub = narrow(float_hub())
    samples = samples_for(hub)
    BACKEND.lower(hub, TARGET, tmp_path)
    (actual,) = BACKEND.run(tmp_path / "model.onnx", samples, {})
    (expected,) = run_onnx(serialize(hub), samples)
    assert np.abs(actual - expected).max() < 1e-4


@pytest.mark.parametrize("body", ["y = MatMul(x, w)", "y = Gemm(x, w, b)"])
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("wide", [False, True], ids=["float activations", "16 bits"])
def test_a_product_with_integer_weights_does_not_round_its_activations_to_8_bits(
    tmp_path, body, bits, wide
):
    hub = hub_of("float[1,16] x", body, "float[16,8] w" + ", float[8] b" * ("Gemm" in body))
    samples = samples_for(hub)
    if wide:
        hub = quickly_quantized(hub, samples, QuantScheme("affine", True, 16, bits))
    else:
        hub = quantize_weights(hub, per_channel=True, bits=bits)
    BACKEND.lower(hub, TARGET, tmp_path)
    (actual,) = BACKEND.run(tmp_path / "model.onnx", samples, {})
    (expected,) = run_onnx(serialize(hub), samples)
    assert np.abs(actual - expected).max() < 1e-4 * np.abs(expected).max()


def test_half_precision_weights_stay_half_in_the_file(tmp_path):
    hub = halve_constants(float_hub())
    BACKEND.lower(hub, TARGET, tmp_path)
    values = 3 * 2 * 9 + 3 + 3 * 2 + 4 * 108
    assert BACKEND.inspect(tmp_path / "model.onnx").weight_bytes == 2 * values


def test_lowering_twice_gives_the_same_bytes(tmp_path):
    hub = quickly_quantized(float_hub(), samples_for(float_hub()))
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        BACKEND.lower(hub, TARGET, tmp_path / name)
        files.append((tmp_path / name / "model.onnx").read_bytes())
    assert files[0] == files[1]


def test_a_graph_that_onnx_runtime_refuses_is_a_finding_and_not_an_exception():
    hub = float_hub()
    hub.graph[0].op_type = "NoSuchOperator"
    (finding,) = BACKEND.check(hub, TARGET, "int8")
    assert finding.rule == "onnxruntime-refuses"
    assert "NoSuchOperator" in finding.message


def test_a_graph_that_onnx_runtime_refuses_fails_to_lower_as_a_toolchain(tmp_path):
    hub = float_hub()
    hub.graph[0].op_type = "NoSuchOperator"
    with pytest.raises(ToolchainFailed, match="ONNX Runtime cannot optimize the model"):
        BACKEND.lower(hub, TARGET, tmp_path)


CONTENT = serialize(float_hub())


@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=5000)
@given(
    st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(CONTENT)),
)
def test_a_damaged_file_is_read_or_refused_with_a_message(tmp_path, changes, length):
    content = bytearray(CONTENT)
    for place, value in changes:
        content[place] = value
    file = tmp_path / "model.onnx"
    for damaged in (bytes(content), bytes(content[:length])):
        file.write_bytes(damaged)
        try:
            found = BACKEND.inspect(file)
        except UserError as error:
            assert error.message == "model.onnx is not a valid ONNX file"
        else:
            assert isinstance(found, Inspection)
