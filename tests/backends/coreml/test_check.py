"""What `check` says of a model and a device."""

from __future__ import annotations

import pytest

from edgecompile.backends.coreml.check import check_hub
from edgecompile.backends.coreml.options import CoreMLOptions
from edgecompile.recipe.load import load_target
from edgecompile.recipe.target import Target
from tests.hubs import hub_of

DEVICES = ("iphone-13", "iphone-15-pro", "iphone-16", "ipad-m4", "mac-m3-max")


def found(hub, precision="fp16", device="iphone-15-pro", **options):
    target: Target = load_target(device)
    chosen = CoreMLOptions.model_validate({**target.options, **options})
    return {f.rule: f for f in check_hub(hub, chosen, target, precision)}


PLAIN = hub_of("float[1,3,8,8] x", "y = Conv(x, w)", "float[8,3,3,3] w")


@pytest.mark.parametrize("device", DEVICES)
def test_no_device_claims_that_placement_was_verified(device):
    finding = found(PLAIN, device=device)["coreml-unverified"]
    assert finding.level == "warning"
    assert "validate_on_mac.py" in (finding.remedy or "")


def test_a_plain_network_has_no_other_finding():
    assert set(found(PLAIN)) == {"coreml-unverified"}


def test_an_operator_without_a_form_names_its_line():
    finding = found(hub_of("float[1,4] x", "y = Atan(x)"))["coreml-operator"]
    assert (finding.level, finding.module, finding.source) == ("error", "net.atan1", "model.py:1")


def test_six_axes_are_an_error_and_five_advice():
    six = "int64[6] s = {1, 2, 2, 2, 2, 2}"
    assert found(hub_of("float[1,32] x", "y = Reshape(x, s)", six))["coreml-rank"].level == "error"
    five = "int64[5] s = {1, 2, 2, 2, 4}"
    assert found(hub_of("float[1,32] x", "y = Reshape(x, s)", five))["ane-rank"].level == "note"


def test_int8_warns_on_chips_that_are_not_known_to_gain_by_it():
    assert "ane-int8-compute" in found(PLAIN, "int8", "iphone-13")
    assert "ane-int8-compute" not in found(PLAIN, "int8", "iphone-15-pro")


def test_a_deployment_older_than_the_precision_is_an_error():
    finding = found(PLAIN, "w4", deployment="iOS17")["coreml-deployment"]
    assert (finding.level, "iOS18" in finding.message) == ("error", True)


def test_float32_is_not_for_the_neural_engine_unless_nobody_wants_it():
    assert found(PLAIN, "fp32")["ane-float32"].level == "warning"
    assert "ane-float32" not in found(PLAIN, "fp32", compute_units="cpuOnly")


def test_a_constant_beyond_float16_is_an_error_in_float16_only():
    hub = hub_of("float[1,2] x", "y = Mul(x, c)", "float[1,2] c = {1.0, 100000.0}")
    assert found(hub)["coreml-half-range"].level == "error"
    assert "coreml-half-range" not in found(hub, arithmetic="float32")


def test_a_scale_with_few_bits_in_float16_is_a_warning():
    hub = hub_of(
        "float[1,4] x",
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
        "float s = {0.00001}, int8 z = {0}",
    )
    assert found(hub, "int8")["coreml-scale"].level == "warning"


def test_a_wide_kernel_is_advice():
    hub = hub_of("float[1,3,32,32] x", "y = Conv(x, w)", "float[4,3,15,15] w")
    assert "M1" in (found(hub)["ane-kernel"].reference or "")


def test_every_finding_says_how_certain_its_rule_is():
    hub = hub_of("float[1,32] x", "y = Reshape(x, s)", "int64[5] s = {1, 2, 2, 2, 4}")
    for finding in found(hub, "int8", "iphone-13").values():
        assert (finding.reference or "").startswith(("documented by Apple", "measured by others"))
