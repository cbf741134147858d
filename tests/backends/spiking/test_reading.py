"""A hub becomes populations and connections that compute the same, or is refused by node."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompile.backends.spiking.decide import require_network
from edgecompile.backends.spiking.rates import outputs_of
from edgecompile.backends.spiking.reading import read_network
from edgecompile.backends.spiking.writing import write_hub
from edgecompile.errors import TargetCannotRun
from edgecompile.evaluate.session import run_onnx
from edgecompile.graph.hub import serialize
from tests.backends.spiking.networks import PLAIN, RESIDUAL, rates_of
from tests.hubs import hub_of, samples_for

POOLED = hub_of(
    "float[1,3,12,12] x",
    "c = Conv(x, w, b) r = Relu(c) p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(r) "
    "d = Conv(p, v) s = Relu(d) m = GlobalAveragePool(s) y = Flatten(m)",
    "float[4,3,3,3] w, float[4] b, float[5,4,3,3] v",
)
VECTORS = hub_of(
    "float[1,10] x",
    "a = MatMul(x, w) b = Add(a, c) r = Relu(b) d = Gemm<transB=1>(r, v, e) z = Add(d, r) "
    "s = Relu(z) y = Gemm<transB=1>(s, m, g)",
    "float[10,6] w, float[6] c, float[6,6] v, float[6] e, float[3,6] m, float[3] g",
)
CONCATENATED = hub_of(
    "float[1,3,8,8] x",
    "a = Conv(x, w, b) r = Relu(a) c = Conv(x, v) s = Relu(c) k = Concat<axis=1>(r, s) "
    "d = Conv(k, u) t = Relu(d) l = Concat<axis=1>(k, r) m = Relu(l) "
    "p = AveragePool<kernel_shape=[2,2], strides=[2,2]>(m) q = Flatten(p) "
    "g = Gemm<transB=1>(q, n) h = Flatten(t) i = Gemm<transB=1>(h, o) y = Add(g, i)",
    "float[4,3,3,3] w, float[4] b, float[2,3,3,3] v, float[5,6,3,3] u, float[3,90] n, "
    "float[3,80] o",
)
CROPPED = hub_of(
    "float[1,3,9,8] x",
    "c = Conv(x, w, b) r = Relu(c) s = Slice(r, start, end, axes) p = GlobalAveragePool(s) "
    "f = Flatten(p) y = Gemm<transB=1>(f, m)",
    "float[4,3,3,3] w, float[4] b, float[5,4] m, int64[1] start = {0}, int64[1] end = {6}, "
    "int64[1] axes = {2}",
)


@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL, POOLED, VECTORS, CONCATENATED, CROPPED])
def test_the_network_computes_what_the_hub_does(hub):
    samples = samples_for(hub, 20)
    network = require_network(hub)
    np.testing.assert_allclose(
        outputs_of(network, samples), run_onnx(serialize(hub), samples)[0], atol=1e-5
    )


@pytest.mark.parametrize("hub", [PLAIN, RESIDUAL, VECTORS])
def test_a_written_network_is_read_as_it_was(hub):
    network = rates_of(hub)
    written = write_hub(network)
    again = require_network(written)
    samples = samples_for(hub, 20, spread=2.0)
    expected = outputs_of(network, samples)
    np.testing.assert_allclose(outputs_of(again, samples), expected, atol=1e-5)
    np.testing.assert_allclose(run_onnx(serialize(written), samples)[0], expected, atol=1e-5)
    assert again.input_scale == network.input_scale
    assert [layer.shape for layer in again.layers] == [layer.shape for layer in network.layers]
    assert serialize(write_hub(network)) == serialize(written)


@pytest.mark.parametrize(
    ("body", "constants", "wrong"),
    [
        ("y = Softmax(x)", "", "Softmax"),
        ("r = Relu(x) s = Sigmoid(r) y = Mul(r, s)", "", "Sigmoid"),
        ("c = Conv(x, w) y = Conv(c, v)", "float[4,3,3,3] w, float[4,4,3,3] v", "without a ReLU"),
        ("a = Relu(x) b = Relu(a) y = Mul(a, b)", "", "product of two activations"),
        ("a = Relu(x) b = Relu(a) y = Concat<axis=2>(a, b)", "", "another axis than the channels"),
        ("c = Conv(x, w) y = Concat<axis=1>(c, c)", "float[4,3,3,3] w", "Concat behind a map"),
        (
            "r = Relu(x) y = AveragePool<kernel_shape=[3,3], strides=[2,2]>(r)",
            "",
            "windows overlap",
        ),
    ],
)
def test_what_has_no_form_is_a_finding_with_the_place_in_the_model(body, constants, wrong):
    hub = hub_of("float[1,3,8,8] x", body, constants)
    network, findings = read_network(hub)
    assert network is None
    assert wrong in findings[0].message
    assert findings[0].source is not None
    assert findings[0].source.startswith("model.py:")
    with pytest.raises(TargetCannotRun, match=r"model\.py:"):
        require_network(hub)
