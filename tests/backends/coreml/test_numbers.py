"""The package holds the hub's numbers: stored forms of weights, passes that would change them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgecompile.backends.coreml.interpreter.run import run_program
from edgecompile.backends.coreml.program import read_program
from edgecompile.compress.narrow import halve_constants, quantize_weights
from edgecompile.compress.palettize import palettize_weights
from edgecompile.compress.scheme import QuantScheme
from edgecompile.evaluate.agreement import compare
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import Array, serialize
from tests.backends.coreml.many import Order, convert_many
from tests.hubs import hub_of, quickly_quantized, samples_for

IMAGE = "float[1,8,6,6] x"
BODY = "c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) f = Flatten(r) y = MatMul(f, m)"
CONSTANTS = "float[32,8,3,3] w, float[32] b, float[1152,10] m"

CANONICALIZATION = "common::int_op_canonicalization"

UNEQUAL_SCALES = """
    q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)
    r = Reshape(d, shape)
    p = QuantizeLinear(r, t, z) y = DequantizeLinear(p, t, z)
"""
SCALES = "float s = {0.1}, float t = {0.02}, int8 z = {0}, int64[1] shape = {4}"


def network() -> ir.Model:
    return hub_of(IMAGE, BODY, CONSTANTS)


def sparse_network() -> ir.Model:
    """Three of four weights are 0."""
    hub = network()
    for name in ("w", "m"):
        value = hub.graph.initializers[name]
        array = np.array(value.const_value.numpy())
        array[np.abs(array) < np.quantile(np.abs(array), 0.75)] = 0
        value.const_value = ir.tensor(array, name=name)
    return hub


def integer(hub: ir.Model) -> ir.Model:
    return quickly_quantized(hub, samples_for(hub), QuantScheme("symmetric"))


FORMS = {
    # name: (hub, deployment, the constexpr operators that it must have)
    "w8 iOS17": (
        quantize_weights(network(), per_channel=True),
        "iOS17",
        {"constexpr_affine_dequantize"},
    ),
    "w8 per tensor iOS17": (
        quantize_weights(network(), per_channel=False),
        "iOS17",
        {"constexpr_affine_dequantize"},
    ),
    "w8 iOS18": (
        quantize_weights(network(), per_channel=True),
        "iOS18",
        {"constexpr_blockwise_shift_scale"},
    ),
    "w4 iOS18": (
        quantize_weights(network(), per_channel=True, bits=4),
        "iOS18",
        {"constexpr_blockwise_shift_scale"},
    ),
    "lut4 iOS17": (
        palettize_weights(network(), 4, per_channel=False),
        "iOS17",
        {"constexpr_lut_to_dense"},
    ),
    "lut6 iOS18": (
        palettize_weights(network(), 6, per_channel=True),
        "iOS18",
        {"constexpr_lut_to_dense"},
    ),
    "lut8 iOS18": (
        palettize_weights(network(), 8, per_channel=True),
        "iOS18",
        {"constexpr_lut_to_dense"},
    ),
    "int8 iOS17": (integer(network()), "iOS17", {"constexpr_affine_dequantize"}),
    "int8 iOS18": (integer(network()), "iOS18", {"constexpr_blockwise_shift_scale"}),
    "sparse fp16 iOS17": (
        halve_constants(sparse_network()),
        "iOS17",
        {"constexpr_sparse_to_dense"},
    ),
    "sparse fp16 iOS18": (
        halve_constants(sparse_network()),
        "iOS18",
        {"constexpr_sparse_to_dense"},
    ),
    "sparse int8 iOS18": (
        integer(sparse_network()),
        "iOS18",
        {"constexpr_sparse_blockwise_shift_scale", "constexpr_sparse_to_dense"},
    ),
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    orders = {}
    for name, (hub, deployment, _) in FORMS.items():
        orders[name] = Order(hub, half=False, deployment=deployment)
        orders[f"half {name}"] = Order(hub, half=True, deployment=deployment)
    unequal = hub_of("float[1,4] x", UNEQUAL_SCALES, SCALES)
    orders["ours"] = Order(unequal)
    orders["default"] = Order(unequal, keep=(CANONICALIZATION,))
    product_and_sum = hub_of(
        IMAGE, "p = Mul(x, s) y = Add(p, b)", "float[1,8,1,1] s, float[1,8,1,1] b"
    )
    orders["product and sum"] = Order(product_and_sum, half=True)
    return convert_many(orders, tmp_path_factory.mktemp("packages"))


def run(package: Path, samples: Array) -> Array:
    (outputs,) = run_program(read_program(package), samples)
    return outputs


@pytest.mark.parametrize("name", FORMS)
def test_weights_are_stored_small_and_are_the_hubs(name, packages):
    hub, _, wanted = FORMS[name]
    program = read_program(packages[name])
    found = {o.kind for o in program.operations if o.kind.startswith("constexpr_")}
    assert found == wanted
    samples = samples_for(hub)
    (expected,) = run_onnx(serialize(hub), samples)
    outputs = run(packages[name], samples)
    if name.startswith(("int8", "sparse int8")):
        assert np.mean(outputs == expected) > 0.99
    else:
        assert compare([expected], [outputs]).sqnr_db > 110


@pytest.mark.parametrize("name", FORMS)
def test_in_float16_the_outputs_are_near_the_hubs(name, packages):
    hub, _, _ = FORMS[name]
    samples = samples_for(hub)
    (expected,) = run_onnx(serialize(hub), samples)
    least = 30 if "int8" in name else 60
    assert compare([expected], [run(packages[f"half {name}"], samples)]).sqnr_db > least


def test_sparse_and_palettized_weights_take_less_room(packages):
    def weights(name: str) -> int:
        return read_program(packages[f"half {name}"]).weight_bytes

    assert weights("lut4 iOS17") < 0.6 * weights("w8 iOS17")
    assert weights("w4 iOS18") < 0.6 * weights("w8 iOS18")
    assert weights("sparse int8 iOS18") < 0.6 * weights("int8 iOS18")


SAMPLE = np.array([[0.5, 1.0, -1.0, 2.0]], np.float32)


def test_a_reshape_between_unequal_scales_keeps_both(packages):
    hub = hub_of("float[1,4] x", UNEQUAL_SCALES, SCALES)
    found = run_program_whole(packages["ours"])
    np.testing.assert_array_equal(found, run_whole(hub))


def test_coremltools_own_pipeline_computes_it_wrongly(packages):
    """If this fails, coremltools has been mended, and the pass can stay in."""
    hub = hub_of("float[1,4] x", UNEQUAL_SCALES, SCALES)
    assert np.abs(run_program_whole(packages["default"]) - run_whole(hub)).max() > 0.1


def test_a_product_and_a_sum_are_written_in_float16(packages):
    kinds = [o.kind for o in read_program(packages["product and sum"]).operations]
    assert kinds == ["mul", "add"]


def run_whole(hub: ir.Model) -> Array:
    """The output without a batch axis."""
    import onnxruntime

    session = onnxruntime.InferenceSession(serialize(hub))
    result: Array = session.run(None, {"x": SAMPLE})[0]
    return result


def run_program_whole(package: Path) -> Array:
    import torch

    from edgecompile.backends.coreml.interpreter.run import compile_program

    (found,) = compile_program(read_program(package))({"x": torch.from_numpy(SAMPLE)}).values()
    return found.numpy()
