"""Networks for a Speck: hubs that fit, and the chip's networks made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from edgecompile.backends.spiking.network import SpikingNetwork
from edgecompile.backends.spiking.rates import outputs_of
from edgecompile.backends.spiking.speck.lower import chip_network
from edgecompile.recipe.target import Target
from tests.backends.spiking.networks import rates_of
from tests.hubs import hub_of, samples_for

REPOSITORY = Path(__file__).resolve().parents[4]

CHAIN = hub_of(
    "float[1,2,9,9] x",
    "c = Conv<pads=[1,1,0,0],strides=[1,1]>(x, w, b) r = Relu(c) "
    "p = AveragePool<kernel_shape=[2,2], strides=[2,2]>(r) "
    "d = Conv<pads=[1,1,1,1],strides=[2,2]>(p, v, e) s = Relu(d) f = Flatten(s) "
    "y = Gemm<transB=1>(f, m, g)",
    "float[4,2,3,3] w, float[4] b, float[6,4,3,3] v, float[6] e, float[5,24] m, float[5] g",
)
"""Both signs in the input, unequal padding, a stride, a pool, a Linear of an image."""

DEPTHWISE = hub_of(
    "float[1,3,8,8] x",
    "c = Conv<group=3,pads=[1,1,1,1]>(x, w, b) r = Relu(c) "
    "d = Conv<dilations=[2,2],pads=[2,2,2,2]>(r, v, e) s = Relu(d) p = GlobalAveragePool(s) "
    "f = Flatten(p) y = Gemm<transB=1>(f, m, g)",
    "float[3,1,3,3] w, float[3] b, float[4,3,3,3] v, float[4] e, float[5,4] m, float[5] g",
)
"""Groups, a dilation and a pool of 8 x 8, which become kernels."""

VECTOR = hub_of(
    "float[1,12] x",
    "a = Gemm<transB=1>(x, w, b) r = Relu(a) y = Gemm<transB=1>(r, v, e)",
    "float[8,12] w, float[8] b, float[3,8] v, float[3] e",
)
SINGLE = hub_of(
    "float[1,4] x", "y = Gemm<transB=1>(x, w, b)", "float[3,4] w, float[3] b", "float[1,3] y"
)
HUBS = {"chain": CHAIN, "depthwise": DEPTHWISE, "vector": VECTOR, "single": SINGLE}


def chip_of(hub) -> SpikingNetwork:
    rates = rates_of(hub)
    peak = float(np.abs(outputs_of(rates, samples_for(hub, 50))).max())
    return chip_network(rates, peak)


def speck(**limits) -> Target:
    """The built-in target speck2f, with other limits."""
    body = yaml.safe_load((REPOSITORY / "targets/spiking/speck2f.yaml").read_text())
    for name, value in limits.items():
        body["limits"][name]["value"] = value
    return Target(name="speck2f", **body)
