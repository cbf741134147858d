"""The roofline is a bound from below, by whichever peak takes longer."""

import pytest

from edgecompile.backends.roofline import roofline
from edgecompile.errors import UserError
from edgecompile.recipe.target import Fact


def facts(**figures):
    units = {"compute": "TOPS", "bandwidth": "GB/s", "power": "W"}
    return {n: Fact(value=v, unit=units[n], source=f"{n}.pdf") for n, v in figures.items()}


def test_arithmetic_bounds_a_model_with_few_weights():
    (latency,) = roofline(10**9, 1000, facts(compute=2.0, bandwidth=10.0))
    assert (latency.low, latency.high, latency.unit) == (pytest.approx(1.0), None, "ms")


def test_bandwidth_bounds_a_model_with_many_weights():
    (latency,) = roofline(1000, 10**7, facts(compute=2.0, bandwidth=10.0))
    assert latency.low == pytest.approx(1.0)
    assert latency.sources == ("compute.pdf", "bandwidth.pdf")


def test_energy_is_power_for_that_long():
    _, energy = roofline(10**9, 0, facts(compute=2.0, power=3.0))
    assert (energy.low, energy.unit) == (pytest.approx(3.0), "mJ")


def test_without_a_published_peak_nothing_is_estimated():
    assert roofline(10**9, 10**6, facts(power=3.0)) == []


def test_a_fact_in_another_unit_is_refused():
    wrong = {"compute": Fact(value=2000.0, unit="GOPS", source="x")}
    with pytest.raises(UserError, match="TOPS"):
        roofline(1, 1, wrong)
