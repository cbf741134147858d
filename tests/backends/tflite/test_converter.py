"""TensorFlow's converter, where the emitter cannot: the file says what the hub says."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompile.backends.tflite.converter import convert_hub
from edgecompile.compress.narrow import halve_constants, quantize_weights
from edgecompile.errors import ToolchainFailed
from edgecompile.evaluate.session import run_onnx
from edgecompile.formats.tflite.run import run_tflite
from edgecompile.graph.hub import serialize
from tests.hubs import hub_of, samples_for

HUB = hub_of(
    "float[1,3,6,6] x",
    "c = Conv(x, w, b) m = ReduceMean<keepdims=0>(c, a) r = Reshape(m, s) "
    "p = ReduceProd<keepdims=0>(r, z) y = Gemm<transB=1>(p, v)",
    "float[8,3,3,3] w, float[8] b, float[5,2] v, "
    "int64[2] a = {2, 3}, int64[3] s = {1, 2, 4}, int64[1] z = {2}",
)


@pytest.mark.parametrize(
    ("narrow", "tolerance"),
    [
        pytest.param(lambda hub: hub, 1e-5, id="fp32"),
        pytest.param(halve_constants, 1e-4, id="fp16", marks=pytest.mark.full),
        pytest.param(
            lambda hub: quantize_weights(hub, per_channel=True),
            0.05,
            id="dynamic",
            marks=pytest.mark.full,
        ),
    ],
)
def test_the_converted_file_computes_what_the_hub_says(tmp_path, narrow, tolerance):
    hub, samples = narrow(HUB), samples_for(HUB, 8)
    file = tmp_path / "model.tflite"
    file.write_bytes(convert_hub(hub))
    expected = run_onnx(serialize(hub), samples)[0]
    found = run_tflite(file, samples, "xnnpack")[0]
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.full
def test_the_converters_complaint_is_one_line():
    hub = hub_of("float[1,3,6,6] x", "y = Atan(x)")
    with pytest.raises(ToolchainFailed) as caught:
        convert_hub(hub)
    assert caught.value.message.startswith("TensorFlow's converter failed (exit 1); it said: ")
    assert "\n" not in caught.value.message
