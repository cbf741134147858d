"""Executing files: ours with every border, a stranger's, and the wrong one."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompile.errors import ContractError, ToolchainFailed, UserError
from edgecompile.formats.tflite.flatbuffer import ModelWriter, make_options
from edgecompile.formats.tflite.lower import lower_hub
from edgecompile.formats.tflite.run import run_tflite
from edgecompile.graph.qdq import output_scales
from tests.formats.tflite.compare import by_litert, by_onnx_runtime, inspection
from tests.hubs import hub_of, quickly_quantized, samples_for

NETS = {
    "image to image": ("float[1,3,6,5] x", "y = Conv<pads=[1,1,1,1]>(x, w)", "float[2,3,3,3] w"),
    "image to vector": (
        "float[1,3,6,5] x", "f = Flatten(x) y = Gemm<transB=1>(f, w)", "float[4,90] w"),
    "sequence": ("float[1,6,5] x", "y = MatMul(x, w)", "float[5,3] w"),
    "vector to image": (
        "float[1,6] x", "g = MatMul(x, w) y = Reshape(g, s)",
        "float[6,24] w, int64[4] s = {1, 2, 3, 4}"),
    "the input is also an output": (
        "float[1,3,6,5] x", "y = Relu(x) z = Transpose<perm=[0,1,3,2]>(x)", ""),
}  # fmt: skip


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin", "reference"])
@pytest.mark.parametrize("border", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("net", NETS)
def test_every_border_gives_the_same_outputs(net, border, kernels):
    outputs = "float[] y, float[] z" if "z = " in NETS[net][1] else "float[] y"
    hub = hub_of(*NETS[net], outputs)
    samples = samples_for(hub)
    hub = quickly_quantized(hub, samples)
    facts = inspection(hub, border)
    assert {t.dtype for t in (*facts.inputs, *facts.outputs)} == {border}
    expected = by_onnx_runtime(hub, samples)
    actual = by_litert(hub, samples, kernels, border)
    for scale, one, other in zip(output_scales(hub), expected, actual, strict=True):
        assert scale is not None
        assert np.abs(np.rint((one - other) / scale)).max() <= 1


def test_a_uint8_border_says_the_same_numbers_128_higher():
    hub = quickly_quantized(hub_of("float[1,8] x", "y = Neg(x)"), np.ones((2, 8), np.float32))
    inside, outside = inspection(hub, "int8"), inspection(hub, "uint8")
    for one, other in ((inside.inputs, outside.inputs), (inside.outputs, outside.outputs)):
        assert one[0].scale == other[0].scale
        assert one[0].zero_point[0] + 128 == other[0].zero_point[0]


def test_the_signature_names_the_models_tensors(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    hub = hub_of("float[1,3,4,4] picture", "scores = GlobalAveragePool(picture)", "",
                 "float[] scores")  # fmt: skip
    signature = Interpreter(model_content=lower_hub(hub, "int8")).get_signature_list()
    assert signature == {"serving_default": {"inputs": ["picture"], "outputs": ["scores"]}}


def test_lowering_twice_gives_the_same_bytes():
    hub = quickly_quantized(hub_of(*NETS["image to vector"]), samples_for(hub_of(*NETS["image to vector"])))  # fmt: skip # noqa: E501
    assert lower_hub(hub, "int8") == lower_hub(hub, "int8")


def stranger(shape, *, inputs: int = 1) -> bytes:
    """A file of another maker: float, in the layout that `shape` says."""
    writer = ModelWriter()
    sources = [writer.tensor(f"in{i}", shape, np.float32) for i in range(inputs)]
    result = writer.tensor("out", shape, np.float32)
    writer.operator("ADD", 1, [sources[0], sources[-1]], [result], make_options("AddOptions"))
    return writer.finish({f"in{i}": s for i, s in enumerate(sources)}, {"out": result})


def run(tmp_path, content, samples):
    file = tmp_path / "theirs.tflite"
    file.write_bytes(content)
    return run_tflite(file, samples, "xnnpack")


@pytest.mark.parametrize("shape", [(1, 3, 5, 7), (1, 5, 7, 3)], ids=["NCHW", "NHWC"])
def test_a_strangers_file_is_fed_in_its_own_layout_and_answers_in_the_models(tmp_path, shape):
    samples = np.random.default_rng(0).normal(size=(4, 3, 5, 7)).astype(np.float32)
    (doubled,) = run(tmp_path, stranger(shape), samples)
    assert np.array_equal(doubled, 2 * samples)


def test_samples_of_another_shape_are_a_message(tmp_path):
    with pytest.raises(UserError) as caught:
        run(tmp_path, stranger((1, 3, 5, 7)), np.zeros((2, 3, 5, 8), np.float32))
    assert caught.value.message == (
        "theirs.tflite takes an input of shape [1, 3, 5, 7], the samples have [1, 3, 5, 8]"
    )


def test_a_file_of_two_inputs_is_a_message(tmp_path):
    with pytest.raises(UserError) as caught:
        run(tmp_path, stranger((1, 4), inputs=2), np.zeros((2, 4), np.float32))
    assert caught.value.message == "theirs.tflite takes 2 tensors; one is supported"


def test_a_file_that_litert_refuses_is_a_toolchain_that_failed(tmp_path):
    with pytest.raises(ToolchainFailed, match=r"LiteRT refuses theirs\.tflite"):
        run(tmp_path, stranger((1, 4))[:200], np.zeros((2, 4), np.float32))


def test_what_check_refuses_lower_does_not_write():
    hub = hub_of("float[1,4] x", "y = Erf(x)")
    with pytest.raises(ContractError, match="Erf is not written to TFLite"):
        lower_hub(hub, "int8")
