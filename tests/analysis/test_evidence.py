import re

import numpy as np
import pytest
import xarray as xr

from jaxphase.analysis import Analysis, TransitionKind, transition_evidence
from jaxphase.analysis.evidence import _kind
from jaxphase.scaling import CollapseKind, OrderKind
from jaxphase.words import reasons

DATA_SIZES = np.array([64.0, 256.0, 1024.0, 4096.0])
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


def because(evidence, groups=DATA_SIZES, along="model size", second="data size"):
    """The reasons for a verdict on curves with these names of their axes."""
    x = ("x", PARAMS, {"long_name": along})
    data = xr.Dataset(coords={"x": x, "group": ("group", groups, {"long_name": second})})
    return reasons(Analysis(data, (), evidence.metric, evidence))


CASES = [
    (first_order, 0.35, TransitionKind.FIRST_ORDER),
    (continuous, 0.4, TransitionKind.CONTINUOUS),
    (continuous, 0.0, TransitionKind.CROSSOVER),
]


@pytest.mark.parametrize(("family", "power", "verdict"), CASES)
def test_each_kind_is_told_from_its_curves_and_scatter(family, power, verdict):
    rng, sharpness = np.random.default_rng(0), (DATA_SIZES[:, None] / 64.0) ** power
    found = [transition_evidence(PARAMS, family(rng, sharpness), DATA_SIZES) for _ in range(4)]
    assert [evidence.kind for evidence in found].count(verdict) >= 3
    evidence = found[0]
    assert evidence.susceptibility.value.shape == evidence.bimodality.p_value.shape == (4, 16)
    low, high = evidence.collapse.inverse_nu_interval
    assert low < power < high or abs(evidence.collapse.inverse_nu - power) < 0.1
    said = because(evidence, along="data size", second="model size")
    assert "the width of the change goes as model size to the power" in said[0] and len(said) == 4
    assert "variance over seeds goes as model size" in said[1]
    peaks = "have two peaks" if verdict == TransitionKind.FIRST_ORDER else "have one peak"
    assert f"their outcomes {peaks} (p = " in said[2] and "4 model sizes together)" in said[2]
    assert "data size" not in " ".join(said)


def test_an_onset_is_called_one_with_its_place_and_no_width_of_a_sigmoid():
    """A square root whose corner narrows as the data size to the power -1/2, at 10**4.6."""
    rng, width = np.random.default_rng(5), 0.6 * (DATA_SIZES[:, None] / 64.0) ** -0.5
    mean = 0.1 + 0.4 * np.sqrt((LOG + np.hypot(LOG, width)) / 2)
    evidence = transition_evidence(PARAMS, mean[..., None] + 0.02 * rng.standard_normal((4, 16, 32)), DATA_SIZES)
    narrows, place = because(evidence)[:2]
    words = "the curves rise from a corner, whose width goes as data size to the power "
    power, low, high = map(float, re.fullmatch(re.escape(words) + r"(\S+) \[(\S+), (\S+)\]", narrows).groups())
    assert low < power < high and power == pytest.approx(-0.5, abs=0.1) and high - low < 0.5
    found = re.fullmatch(r"at data size 4,096 the corner is at model size (\S+) \[(\S+), (\S+)\]", place).groups()
    center, low, high = (float(number.replace(",", "")) for number in found)
    assert low < 10**4.6 < high and low < center < high < 1.3 * low
    assert not any("the width of the change" in reason for reason in because(evidence))


def test_what_does_not_change_is_none_and_two_data_sizes_are_undecided():
    values = continuous(np.random.default_rng(1), np.ones((4, 1)))
    nothing = transition_evidence(PARAMS, values, DATA_SIZES, changes=False)
    assert nothing.kind == TransitionKind.NONE and because(nothing)[0] == "no curve has a crossover or a step"
    assert nothing.order is not None and nothing.collapse is not None
    one = transition_evidence(PARAMS, values[:1], DATA_SIZES[:1], changes=False)
    assert one.kind == TransitionKind.NONE and one.order is None and one.collapse is None
    two = transition_evidence(PARAMS, values[:2], DATA_SIZES[:2])
    assert two.kind == TransitionKind.UNDECIDED and "2 data sizes" in because(two, DATA_SIZES[:2])[0]


def test_widths_and_a_collapse_that_disagree_are_undecided():
    values = continuous(np.random.default_rng(1), np.ones((4, 1)))
    evidence = transition_evidence(PARAMS, values, DATA_SIZES)
    cases = {
        (OrderKind.CROSSOVER, CollapseKind.CROSSOVER): TransitionKind.CROSSOVER,
        (OrderKind.CROSSOVER, CollapseKind.NO_COLLAPSE): TransitionKind.CROSSOVER,
        (OrderKind.CROSSOVER, CollapseKind.TRANSITION): TransitionKind.UNDECIDED,
        (OrderKind.CONTINUOUS, CollapseKind.TRANSITION): TransitionKind.CONTINUOUS,
        (OrderKind.CONTINUOUS, CollapseKind.NO_COLLAPSE): TransitionKind.UNDECIDED,
        (OrderKind.FIRST_ORDER, CollapseKind.CROSSOVER): TransitionKind.UNDECIDED,
        (OrderKind.UNDECIDED, CollapseKind.TRANSITION): TransitionKind.UNDECIDED,
    }
    assert evidence.order is not None and evidence.collapse is not None
    for (called, fell), kind in cases.items():
        assert _kind(evidence.order._replace(kind=called), evidence.collapse._replace(kind=fell)) == kind


def test_the_reasons_name_the_axes_that_the_curves_have():
    values, names = (
        continuous(np.random.default_rng(0), np.ones((4, 1))),
        {"along": "data size", "second": "model size"},
    )
    two = because(transition_evidence(PARAMS, values[:2], DATA_SIZES[:2]), DATA_SIZES[:2], **names)
    assert two == ("there are 2 model sizes, and it takes 3 to see whether the change sharpens",)
    values[2:] = np.nan
    unresolved = because(transition_evidence(PARAMS, values, DATA_SIZES), **names)
    assert unresolved[0] == "the data sizes resolve the width of the change at fewer than three model sizes"


@pytest.mark.parametrize("data_sizes", [1, 4])
def test_one_run_a_size_has_no_scatter(data_sizes):
    values = continuous(np.random.default_rng(3), np.ones((4, 1)))[:data_sizes, :, :1]
    evidence = transition_evidence(PARAMS, values, DATA_SIZES[:data_sizes])
    assert np.isnan(evidence.susceptibility.value).all() and (evidence.bimodality.status == 3).all()
    assert evidence.kind in (TransitionKind.UNDECIDED, TransitionKind.CROSSOVER)
    assert "nan" not in " ".join(because(evidence, DATA_SIZES[:data_sizes]))


def test_missing_models_are_left_out():
    values = continuous(np.random.default_rng(2), (DATA_SIZES[:, None] / 64.0) ** 0.4)
    values[:, 3] = np.nan
    values[1, 5, 2:] = np.nan
    evidence = transition_evidence(PARAMS, values, DATA_SIZES)
    assert evidence.kind == TransitionKind.CONTINUOUS
    assert (
        np.isnan(evidence.susceptibility.value[:, 3]).all() and np.isfinite(evidence.susceptibility.value[:, 4]).all()
    )
