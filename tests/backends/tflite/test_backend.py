"""The backend as the build calls it."""

from __future__ import annotations

import numpy as np

from edgecompile.backends.tflite.backend import TFLiteBackend
from edgecompile.backends.tflite.check import check_hub
from edgecompile.backends.tflite.options import TFLiteOptions
from edgecompile.graph.qdq import output_scales
from edgecompile.recipe.target import Target
from tests.formats.tflite.compare import by_onnx_runtime
from tests.hubs import hub_of, quickly_quantized, samples_for

IMAGE = "float[1,4,6,6] x"
IMAGE_TO_VECTOR = (
    "float[1,3,6,5] x",
    "f = Flatten(x) y = Gemm<transB=1>(f, w)",
    "float[4,90] w",
)


def test_a_float_model_is_left_to_tensorflows_converter_with_a_warning():
    hub = hub_of(IMAGE, "r = Softplus(x) y = Relu(r)")
    (finding,) = check_hub(hub, (), may_convert=True)
    assert (finding.level, finding.rule) == ("warning", "tflite-converter")
    assert (finding.node, finding.source) == ("softplus1", "model.py:1")


def test_the_backend_lowers_runs_and_reads_back(tmp_path):
    hub = hub_of(*IMAGE_TO_VECTOR)
    samples = samples_for(hub)
    hub = quickly_quantized(hub, samples)
    target = Target.model_validate(
        {"name": "phone", "title": "a phone", "backend": "tflite", "precisions": ["int8"],
         "options": {"io": "uint8"}}
    )  # fmt: skip
    backend = TFLiteBackend()
    assert backend.probe().available
    assert backend.check(hub, target, "int8") == []
    backend.lower(hub, target, tmp_path)
    file = tmp_path / backend.main_file
    assert backend.inspect(file).inputs[0].dtype == "uint8"
    (actual,) = backend.run(file, samples, TFLiteOptions(io="uint8").model_dump())
    assert np.abs(actual - by_onnx_runtime(hub, samples)[0]).max() <= output_scales(hub)[0] * 1.01
