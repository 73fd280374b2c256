"""Curves of several sizes as measured and as scaled, of an analysis and of rows of anyone's own."""

import dataclasses

import numpy as np
import pytest

from jaxphase import plots
from jaxphase.errors import InputError
from jaxphase.scaling import CollapseKind, Crossings


def ends(bars, which=1):
    """Ends of the bars [points, 2] of an errorbar, without those of missing points."""
    return np.array([bar for bar in bars.lines[2][0].get_segments() if len(bar)])[..., which]


def points(ax, count):
    assert len(ax.containers) == count
    return np.concatenate([np.array(bars.lines[0].get_xydata()) for bars in ax.containers])


def test_scaled_curves_fall_on_the_one_they_were_made_of(sharpening):
    ax = plots.collapse(sharpening)
    x, y = points(ax, 3).T
    np.testing.assert_allclose(y, 0.5 + 0.4 * np.tanh(x), atol=0.02)
    assert "N / 39,800" in ax.get_xlabel() and "(D / 64)^{0.50}" in ax.get_xlabel()
    assert ax.get_title(loc="left") == "ability, scaled with data size: transition"
    data = sharpening.dataset
    swapped = data.assign_coords(x=data.x.assign_attrs(data.group.attrs), group=data.group.assign_attrs(data.x.attrs))
    swapped = dataclasses.replace(sharpening, dataset=swapped)
    other = plots.collapse(swapped)
    assert "D / 39,800" in other.get_xlabel() and "(N / 64)^{0.50}" in other.get_xlabel()
    assert other.get_title(loc="left") == "ability, scaled with model size: transition"
    seeds = sharpening.dataset["ability"].values[0]
    np.testing.assert_allclose(np.ptp(ends(ax.containers[0]), axis=1), 2 * seeds.std(axis=1, ddof=1) / np.sqrt(8))
    without = dataclasses.replace(sharpening.evidence, collapse=None)
    with pytest.raises(InputError, match="three groups"):
        plots.collapse(dataclasses.replace(sharpening, evidence=without))


def test_rows_of_anyones_own_are_scaled_by_what_was_found(sharpening):
    rng = np.random.default_rng(0)
    size, control = np.repeat([8.0, 16.0, 32.0], 20), rng.uniform(2, 3, 60)
    value = (size / 8) ** -0.125 * np.tanh((control - 2.3) * size / 8)
    found = sharpening.evidence.collapse._replace(critical=2.3, inverse_nu=1.0, exponent=np.array([9.9, -0.125]))
    value[5] = np.nan
    ax = plots.scaled(found, size, control, value, observable=1)
    x, y = points(ax, 3).T
    assert len(x) == 59
    np.testing.assert_allclose(y, np.tanh(x), atol=1e-12)
    error = plots.scaled(found, size, control, value, 0.01 * size, observable=1).containers[2]
    np.testing.assert_allclose(np.ptp(ends(error), axis=1), 2 * 0.32 * 4**0.125)
    with pytest.raises(ValueError, match=r"one shape \[points\], got \(60,\), \(59,\)"):
        plots.scaled(found, size, control[1:], value)
    with pytest.raises(InputError, match="no collapse to draw"):
        plots.scaled(found._replace(inverse_nu=np.nan, kind=CollapseKind.NOT_ENOUGH_DATA), size, control, value)


def test_crossings_are_marked_with_their_mean():
    size = np.repeat([8.0, 16.0, 32.0], 5)
    control = np.tile([2.0, 1.0, 3.0, 4.0, 5.0], 3)
    value = size * (control - 2.9)
    nan = np.nan
    found = Crossings(
        size=np.array([11.3, 22.6]),
        control=np.array([2.8, nan]),
        control_se=np.array([0.1, nan]),
        value=np.array([0.5, nan]),
        value_se=np.array([0.2, nan]),
        inverse_nu=np.array([1.0, nan]),
        inverse_nu_se=np.array([0.1, nan]),
        critical=2.9,
        critical_se=0.05,
        drift=nan,
        drift_p_value=nan,
    )
    ax = plots.crossings(found, size, control, value)
    *curves, marks = ax.containers
    assert len(curves) == 3
    np.testing.assert_array_equal(curves[1].lines[0].get_xdata(), [1, 2, 3, 4, 5])
    np.testing.assert_allclose(curves[1].lines[0].get_ydata(), 16 * (np.arange(1, 6) - 2.9))
    across, along = (bars.get_segments()[0] for bars in marks.lines[2])
    np.testing.assert_allclose(across, [(2.6, 0.5), (3.0, 0.5)])
    np.testing.assert_allclose(along, [(2.8, 0.1), (2.8, 0.9)])
    (band,) = ax.patches
    assert (band.get_x(), band.get_width()) == pytest.approx((2.9 - 0.098, 0.196))
