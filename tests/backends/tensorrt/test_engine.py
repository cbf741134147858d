"""Engines by NVIDIA's own compiler: what became int8 in them, and that they are reproducible."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.backends.tensorrt.engine import Engine, Refusal, compile_lowered, read_engine
from edgecompile.backends.tensorrt.engine_backend import TensorRTEngineBackend
from edgecompile.backends.tensorrt.lowering import lower_to_onnx
from edgecompile.backends.tensorrt.options import LoweringOptions
from edgecompile.backends.tensorrt.remarks import engine_remarks
from edgecompile.compress.scheme import QuantScheme
from edgecompile.errors import UserError
from tests.conftest import tree
from tests.hubs import hub_of, quickly_quantized, samples_for

ADA = "8.9"
TINY = hub_of(
    "float[1,4,8,8] x",
    "a = Conv<pads = [1,1,1,1]>(x, w, b) r = Relu(a) m = ReduceMean<keepdims = 0>(r, i)"
    "y = Gemm<transB = 1>(m, v)",
    "float[8,4,3,3] w, float[8] b, int64[2] i = {2,3}, float[5,8] v",
)


def quantized(hub: ir.Model) -> ir.Model:
    return quickly_quantized(hub, samples_for(hub), QuantScheme("symmetric"))


def compiled(hub: ir.Model, folder: Path, **options: str) -> Engine:
    folder.mkdir(exist_ok=True)
    lowered = lower_to_onnx(hub, LoweringOptions.model_validate(options))
    engine = compile_lowered(lowered, ADA, folder)
    assert isinstance(engine, Engine), engine
    return engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    compiled(quantized(TINY), folder)
    return folder


def test_every_quantized_product_is_int8_in_the_engine(folder):
    engine = read_engine(folder / "model.engine")
    assert engine.int8 == ("conv1", "gemm4")
    assert engine.not_int8 == ()
    assert engine.float_type == "float16"


def test_the_same_hub_gives_the_same_bytes(folder, tmp_path):
    compiled(quantized(TINY), tmp_path / "again")
    assert tree(tmp_path / "again") == tree(folder)


def test_what_stays_in_float_is_told(tmp_path):
    hub = quantized(
        hub_of(
            "float[1,4,8,8] x",
            "a = Conv(x, w, b) y = ConvTranspose<strides = [2,2]>(a, v)",
            "float[4,4,1,1] w, float[4] b, float[4,4,2,2] v",
        )
    )
    (warning,) = [f for f in engine_remarks(hub, compiled(hub, tmp_path)) if f.level == "warning"]
    assert warning.node == "convtranspose2"
    assert (warning.module, warning.source) == ("net.convtranspose2", "model.py:2")


def test_sparse_kernels_may_be_used_for_weights_pruned_2_of_4(tmp_path):
    hub = hub_of("float[1,32,8,8] x", "y = Conv(x, w)", "float[32,32,1,1] w")
    weight = hub.graph.initializers["w"]
    sparse = np.array(weight.const_value.numpy())
    sparse.reshape(32, 8, 4)[:, :, ::2] = 0
    weight.const_value = ir.tensor(sparse, name="w")
    assert compiled(quantized(hub), tmp_path).int8 == ("conv1",)


def test_a_refused_model_is_an_answer_and_no_crash(tmp_path):
    lowered = lower_to_onnx(hub_of("float[4,4] x", "y = Det(x)"), LoweringOptions())
    refusal = compile_lowered(lowered, ADA, tmp_path)
    assert isinstance(refusal, Refusal)
    assert refusal.op_type == "Det"
    assert not (tmp_path / "model.engine").exists()


def test_an_engine_is_inspected_by_its_layers(folder):
    facts = TensorRTEngineBackend().inspect(folder / "model.engine")
    assert "compute capability 8.9" in facts.format
    assert [(t.name, t.shape, t.dtype) for t in facts.inputs] == [("x", (1, 4, 8, 8), "float")]
    assert [(t.name, t.shape) for t in facts.outputs] == [("y", (1, 5))]
    assert any(operator.name == "correlation" for operator in facts.operators)


def test_an_engine_without_its_own_files_beside_it_is_refused(folder, tmp_path):
    backend, samples = TensorRTEngineBackend(), samples_for(TINY)
    for name in ("model.engine", "model.onnx", "layers.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    outputs = backend.run(tmp_path / "model.engine", samples, {}).outputs
    assert outputs[0].shape == (12, 5)
    (tmp_path / "model.onnx").write_bytes(b"another model")
    with pytest.raises(UserError, match="it was compiled from"):
        backend.run(tmp_path / "model.engine", samples, {})
    layers = json.loads((tmp_path / "layers.json").read_text())
    (tmp_path / "layers.json").write_text(json.dumps({**layers, "engine_sha256": "0"}))
    with pytest.raises(UserError, match="tells of another engine"):
        backend.inspect(tmp_path / "model.engine")
