"""What does not fit is told: which layer, which limit, by how much, what would make it fit."""

from __future__ import annotations

import pytest

from edgecompile.backends.spiking.speck.backend import SpeckBackend
from edgecompile.errors import UserError
from tests.backends.spiking.networks import RESIDUAL
from tests.backends.spiking.speck.chains import CHAIN, DEPTHWISE, HUBS, speck
from tests.hubs import hub_of


def findings(hub, **limits):
    return SpeckBackend().check(hub, speck(**limits), "spiking")


def errors(hub, **limits):
    return [f for f in findings(hub, **limits) if f.level == "error"]


def layers(count, width=4):
    """A chain of Linear layers, the last with four outputs."""
    body, constants = "", []
    for index in range(count):
        last = index == count - 1
        name, source = ("y" if last else f"r{index}"), (f"s{index}" if index else "x")
        body += f"{name} = Gemm<transB=1>({source}, w{index}, b{index}) "
        body += "" if last else f"s{index + 1} = Relu({name}) "
        outputs = 4 if last else width
        constants += [f"float[{outputs},{width}] w{index}", f"float[{outputs}] b{index}"]
    return hub_of(f"float[1,{width}] x", body, ", ".join(constants))


def conv(shape, features, kernel, attributes="", more=""):
    """A convolution, a ReLU and a Linear of the average."""
    channels = shape[0]
    size = ",".join(str(n) for n in (1, *shape))
    return hub_of(
        f"float[{size}] x",
        f"c = Conv<{attributes or 'group=1'}>(x, w, b) r = Relu(c) {more}",
        f"float[{features},{channels},{kernel[0]},{kernel[1]}] w, float[{features}] b, "
        f"float[3,{features}] m, float[3] g",
    )


AVERAGE = "p = GlobalAveragePool(r) f = Flatten(p) y = Gemm<transB=1>(f, m, g)"


@pytest.mark.parametrize("name", HUBS)
def test_what_fits_has_no_error_and_says_that_no_chip_confirmed_it(name):
    rules = [f.rule for f in findings(HUBS[name])]
    assert "speck-unverified" in rules
    assert errors(HUBS[name]) == []


@pytest.mark.parametrize(
    ("hub", "limits", "rule", "message", "remedy"),
    [
        (
            conv((2, 140, 140), 2, (3, 3), "strides=[4,4]", AVERAGE),
            {},
            "speck-input-size",
            "the input of relu2 is 140 x 140, at most 128 x 128 fit: 12 too large",
            "smaller input",
        ),
        (
            conv((2, 128, 128), 2, (3, 3), "pads=[1,1,1,1]", AVERAGE),
            {},
            "speck-output-size",
            "the output of relu2 is 128 x 128, at most 64 x 64 fit: 64 too large",
            "larger stride",
        ),
        (
            conv((2, 40, 40), 2, (17, 17), "", AVERAGE),
            {},
            "speck-kernel-size",
            "is 17 x 17, at most 16 x 16 fit: 1 too large",
            "smaller kernel",
        ),
        (
            conv((2, 20, 20), 2, (3, 5), "", AVERAGE),
            {},
            "speck-kernel-size",
            "is 3 x 5, and kernels are square",
            "square kernel",
        ),
        (
            conv((2, 20, 20), 2, (3, 3), "strides=[3,3]", AVERAGE),
            {},
            "speck-strides",
            "a stride of 3; there are 1, 2, 4, 8",
            "another stride",
        ),
        (
            conv((2, 20, 20), 2, (3, 3), "pads=[8,8,8,8]", AVERAGE),
            {},
            "speck-padding",
            "pads by 8, at most 7 are possible: 1 too many",
            "less padding",
        ),
        (
            conv((2, 8, 8), 1030, (1, 1), "", AVERAGE),
            {},
            "speck-features",
            "2 input and 1030 output features, at most 1024 fit: 6 too many",
            "stages.prune",
        ),
        (
            conv(
                (1, 9, 9),
                2,
                (1, 1),
                "",
                "p = AveragePool<kernel_shape=[2,2], strides=[2,2]>(r) "
                "q = GlobalAveragePool(p) f = Flatten(q) y = Gemm<transB=1>(f, m, g)",
            ),
            {},
            "speck-pools",
            "windows of 4 x 4 do not fill the 9 x 9",
            "a size that the pool divides",
        ),
        (
            conv((64, 8, 8), 128, (3, 3), "pads=[1,1,1,1]", AVERAGE),
            {},
            "speck-memory",
            "takes 128 Ki words of kernel and 8 Ki words of neuron memory, which no core has "
            "(kernel/neuron Ki: 64/16, 32/32, 16/64, 16/16): 2 times the largest kernel memory",
            "at most 64 of its 128 output channels or at most 32 of its 64 input channels",
        ),
        (
            conv((1, 64, 64), 20, (3, 3), "pads=[1,1,1,1]", AVERAGE),
            {},
            "speck-memory",
            "1.25 times the largest neuron memory",
            "at most 16 of its 20 output channels",
        ),
        (
            RESIDUAL,
            {},
            "speck-addition",
            "adds 2 maps (relu2 and relu2), and a core has one",
            "without residual additions",
        ),
        (
            RESIDUAL,
            {"destinations": 1},
            "speck-fan-out",
            "go to 2 layers, and a core has 1 destinations: 1 too many",
            "fewer layers",
        ),
    ],
)
def test_each_limit_is_told_with_the_layer_and_by_how_much(hub, limits, rule, message, remedy):
    found = next(f for f in errors(hub, **limits) if f.rule == rule and message in f.message)
    assert remedy in (found.remedy or "")
    assert found.reference
    assert found.source is not None
    assert found.source.startswith("model.py:")


def test_more_layers_than_cores_are_told_with_the_first_that_is_left_over():
    assert errors(layers(9)) == []
    (error,) = errors(layers(11))
    assert "11 layers with weights and the chip 9 cores, one for each: 2 too many" in error.message
    assert error.source == "model.py:19"


def test_layers_that_want_the_same_cores_are_told_together():
    # 64 Ki of kernel fit two cores, and there are three such layers.
    (error,) = errors(layers(4, 256))
    assert error.rule == "speck-mapping"
    assert "3 layers need one of the cores 5, 6, 1 too many" in error.message


def test_a_depthwise_convolution_is_stored_with_zeros_and_this_is_told():
    (warning,) = [f for f in findings(DEPTHWISE) if f.level == "warning"]
    assert "stored and computed with zeros between its 3 groups" in warning.message
    assert warning.source == "model.py:1"
    assert not [f for f in findings(CHAIN) if f.level == "warning"]


def test_a_target_without_a_limit_is_the_users_error():
    target = speck()
    del target.limits["neuron_memory"]
    with pytest.raises(UserError, match="needs the limit neuron_memory"):
        SpeckBackend().check(CHAIN, target, "spiking")
    with pytest.raises(UserError, match="9 cores have a kernel_memory and 2 a neuron_memory"):
        findings(CHAIN, neuron_memory="16,16")
