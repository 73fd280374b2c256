import re

import numpy as np
import pytest

from jaxphase.analysis.evidence import VERDICTS, _verdict, weigh
from jaxphase.scaling import COLLAPSE_KINDS, ORDERS

DATA_SIZES = np.array([64, 256, 1024, 4096])
PARAMS = np.geomspace(1e3, 1e6, 16)
LOG = np.log10(PARAMS) - 4.6


def first_order(rng, sharpness):
    """Models end in one of two states, with odds that turn over a range of sizes."""
    state = rng.random((4, 16, 32)) < (1 / (1 + np.exp(-4 * LOG * sharpness)))[..., None]
    return np.where(state, 0.9, 0.1) + 0.03 * rng.standard_normal(state.shape)


def continuous(rng, sharpness):
    """Models scatter about one curve, most where it is steep, and less with more data."""
    x = 1.5 * LOG * sharpness
    spread = 0.02 + 0.1 / np.sqrt(sharpness) / np.cosh(x)
    return (0.5 + 0.4 * np.tanh(x))[..., None] + spread[..., None] * rng.standard_normal((4, 16, 32))


CASES = [
    (first_order, 0.35, "transition (first order)"),
    (continuous, 0.4, "transition (continuous)"),
    (continuous, 0.0, "crossover"),
]


@pytest.mark.parametrize(("family", "power", "verdict"), CASES)
def test_each_kind_is_told_from_its_curves_and_scatter(family, power, verdict):
    rng, sharpness = np.random.default_rng(0), (DATA_SIZES[:, None] / 64.0) ** power
    words = "data size", "model size"  # as of curves along data size
    found = [weigh("ability", family(rng, sharpness), DATA_SIZES, PARAMS, True, words) for _ in range(4)]
    assert [evidence.verdict for evidence in found].count(verdict) >= 3
    evidence = found[0]
    assert evidence.susceptibility.value.shape == evidence.bimodality.p_value.shape == (4, 16)
    low, high = evidence.collapse.inverse_nu_interval
    assert low < power < high or abs(evidence.collapse.inverse_nu - power) < 0.1
    assert "the width goes as model size to the power" in evidence.reasons[0] and len(evidence.reasons) == 4
    assert "variance over seeds goes as model size" in evidence.reasons[1]
    heaps = "fall into two heaps" if "first order" in verdict else "have one peak"
    assert f"they {heaps} (p = " in evidence.reasons[2] and "4 model sizes together)" in evidence.reasons[2]
    assert "data size" not in " ".join(evidence.reasons)


def test_an_onset_is_called_one_with_its_place_and_no_width_of_a_sigmoid():
    """A square root whose corner narrows as the data size to the power -1/2, at 10**4.6."""
    rng, width = np.random.default_rng(5), 0.6 * (DATA_SIZES[:, None] / 64.0) ** -0.5
    mean = 0.1 + 0.4 * np.sqrt((LOG + np.hypot(LOG, width)) / 2)
    evidence = weigh("ability", mean[..., None] + 0.02 * rng.standard_normal((4, 16, 32)), DATA_SIZES, PARAMS, True)
    narrows, place = evidence.reasons[:2]
    words = "the curves set in at a corner, whose width goes as data size to the power "
    power, low, high = map(float, re.fullmatch(re.escape(words) + r"(\S+) \[(\S+), (\S+)\]", narrows).groups())
    assert low < power < high and power == pytest.approx(-0.5, abs=0.1) and high - low < 0.5
    found = re.fullmatch(r"at data size 4,096 they set in at model size (\S+) \[(\S+), (\S+)\]", place).groups()
    center, low, high = (float(number.replace(",", "")) for number in found)
    assert low < 10**4.6 < high and low < center < high < 1.3 * low
    assert not any("the width" in reason for reason in evidence.reasons)


def test_what_does_not_change_is_none_and_two_data_sizes_are_undecided():
    values = continuous(np.random.default_rng(1), np.ones((4, 1)))
    nothing = weigh("ability", values, DATA_SIZES, PARAMS, changes=False)
    assert nothing.verdict == "none" and nothing.reasons[0] == "no curve has a crossover or a step"
    assert nothing.order is not None and nothing.collapse is not None
    one = weigh("ability", values[:1], DATA_SIZES[:1], PARAMS, changes=False)
    assert one.verdict == "none" and one.order is None and one.collapse is None
    two = weigh("ability", values[:2], DATA_SIZES[:2], PARAMS, changes=True)
    assert two.verdict == "undecided" and "2 data sizes" in two.reasons[0]
    assert {nothing.verdict, two.verdict} <= set(VERDICTS)


def test_widths_and_a_collapse_that_disagree_are_undecided():
    values = continuous(np.random.default_rng(1), np.ones((4, 1)))
    evidence = weigh("ability", values, DATA_SIZES, PARAMS, changes=True)
    cases = {
        ("crossover", "crossover"): "crossover",
        ("crossover", "no collapse"): "crossover",
        ("crossover", "transition"): "undecided",
        ("continuous", "transition"): "transition (continuous)",
        ("continuous", "no collapse"): "undecided",
        ("first order", "crossover"): "undecided",
        ("undecided", "transition"): "undecided",
    }
    for (called, fell), verdict in cases.items():
        order = evidence.order._replace(kind=ORDERS.index(called))
        collapse = evidence.collapse._replace(kind=COLLAPSE_KINDS.index(fell))
        assert _verdict(order, collapse) == verdict


def test_the_reasons_name_the_axes_that_the_curves_have():
    values, words = continuous(np.random.default_rng(0), np.ones((4, 1))), ("data size", "model size")
    two = weigh("ability", values[:2], DATA_SIZES[:2], PARAMS, True, words).reasons
    assert two == ("2 model sizes: whether the change sharpens takes 3",)
    values[2:] = np.nan
    unresolved = weigh("ability", values, DATA_SIZES, PARAMS, True, words).reasons
    assert unresolved[0] == "fewer than three model sizes have a width that the data sizes resolve"


@pytest.mark.parametrize("data_sizes", [1, 4])
def test_one_run_a_size_has_no_scatter(data_sizes):
    values = continuous(np.random.default_rng(3), np.ones((4, 1)))[:data_sizes, :, :1]
    evidence = weigh("ability", values, DATA_SIZES[:data_sizes], PARAMS, changes=True)
    assert np.isnan(evidence.susceptibility.value).all() and (evidence.bimodality.status == 3).all()
    assert evidence.verdict in ("undecided", "crossover") and "nan" not in " ".join(evidence.reasons)


def test_missing_models_are_left_out():
    values = continuous(np.random.default_rng(2), (DATA_SIZES[:, None] / 64.0) ** 0.4)
    values[:, 3] = np.nan
    values[1, 5, 2:] = np.nan
    evidence = weigh("ability", values, DATA_SIZES, PARAMS, changes=True)
    assert evidence.verdict == "transition (continuous)"
    assert (
        np.isnan(evidence.susceptibility.value[:, 3]).all() and np.isfinite(evidence.susceptibility.value[:, 4]).all()
    )
