"""Panels of the order parameter: phase diagram, scatter over seeds, collapse; and of rows of anyone's own."""

import dataclasses

import numpy as np
import pytest
from matplotlib.collections import QuadMesh

from jaxphase import plots
from jaxphase.analysis.findings import Interval
from jaxphase.errors import InputError
from jaxphase.scaling import Crossings

SIZES = np.geomspace(1e3, 1e6, 10)


def ends(bars, which=1):
    """Ends of the bars [points, 2] of an errorbar, without those of missing points."""
    return np.array([bar for bar in bars.lines[2][0].get_segments() if len(bar)])[..., which]


def test_the_phase_diagram_shows_means_on_labelled_log_axes(analysed, shapes):
    ax = plots.phase_diagram(analysed())
    _, colorbar = ax.figure.axes
    assert ax.get_xlabel() == "model size (parameters)" and ax.get_ylabel() == "data size (training images)"
    assert colorbar.get_ylabel() == "long name of ability (nats)"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    (mesh,) = (artist for artist in ax.collections if isinstance(artist, QuadMesh))
    np.testing.assert_allclose(mesh.get_array(), np.tile(shapes["ability"][1][:, 0], (2, 1)), rtol=1e-6)
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[0, 1:-1, 0], np.sqrt(SIZES[1:] * SIZES[:-1]))
    np.testing.assert_allclose(corners[:, 0, 1], [16, 256, 4096])


def test_the_boundary_drawn_is_the_one_found_with_its_intervals(analysed):
    analysis = analysed()
    ax = plots.phase_diagram(analysis)
    np.testing.assert_allclose(ax.containers[-1].lines[0].get_xydata(), [(10**4.5, 64), (10**4.5, 1024)])
    np.testing.assert_allclose(ends(ax.containers[-1], 0), [point.interval for point in analysis.boundary])
    assert not ax.texts
    open_end = dataclasses.replace(analysis.findings[0], interval=Interval(2e4, np.inf))
    ax = plots.phase_diagram(dataclasses.replace(analysis, findings=(open_end, *analysis.findings[1:])))
    np.testing.assert_allclose(ends(ax.containers[-1], 0)[0], (2e4, ax.get_xlim()[1]))


def test_a_phase_diagram_without_transition_says_so_and_of_one_data_size_is_none(analysed):
    ax = plots.phase_diagram(analysed(order_parameter="loss"))
    assert [text.get_text() for text in ax.texts] == ["no transition found"] and ax.containers == []
    with pytest.raises(InputError, match="two data sizes"):
        plots.phase_diagram(analysed(data_sizes=(None,)))


@pytest.mark.parametrize("name", ["susceptibility", "binder"])
def test_the_scatter_over_seeds_is_drawn_with_its_intervals(name, sharpening):
    ax, moment = getattr(plots, name)(sharpening), getattr(sharpening.evidence, name)
    assert len(ax.containers) == 3
    for i, bars in enumerate(ax.containers):
        np.testing.assert_allclose(bars.lines[0].get_ydata(), moment.value[i])
        np.testing.assert_allclose(ends(bars), moment.interval[i], rtol=1e-5)
    assert ax.get_yscale() == ("log" if name == "susceptibility" else "linear")


@pytest.mark.parametrize("name", ["susceptibility", "binder"])
def test_an_end_that_is_not_finite_reaches_no_further_than_the_others(name, sharpening):
    moment = getattr(sharpening.evidence, name)
    interval = moment.interval.copy()
    interval[1, 3] = (0.01, np.inf)
    evidence = dataclasses.replace(sharpening.evidence, **{name: moment._replace(interval=interval)})
    ax = getattr(plots, name)(dataclasses.replace(sharpening, evidence=evidence))
    ax.figure.draw_without_rendering()
    assert np.nanmax(ends(ax.containers[1])) == pytest.approx(np.nanmax(interval[np.isfinite(interval)]))


def test_without_seeds_there_is_no_scatter(analysed, sharpening):
    with pytest.raises(InputError, match="no variance over seeds to draw: train 4 seeds"):
        plots.susceptibility(analysed())
    moment = sharpening.evidence.binder
    nothing = moment._replace(value=np.full((3, 12), np.nan))
    evidence = dataclasses.replace(sharpening.evidence, binder=nothing)
    with pytest.raises(InputError, match="no Binder cumulant about the mean to draw"):
        plots.binder(dataclasses.replace(sharpening, evidence=evidence))


def points(ax, count):
    assert len(ax.containers) == count
    return np.concatenate([np.array(bars.lines[0].get_xydata()) for bars in ax.containers])


def test_scaled_curves_fall_on_the_one_they_were_made_of(sharpening):
    ax = plots.collapse(sharpening)
    x, y = points(ax, 3).T
    np.testing.assert_allclose(y, 0.5 + 0.4 * np.tanh(x), atol=0.02)
    assert "N / 39,800" in ax.get_xlabel() and "(D / 64)^{0.50}" in ax.get_xlabel()
    assert ax.get_title(loc="left") == "ability, scaled with data size: transition"
    swapped = dataclasses.replace(sharpening, dataset=sharpening.dataset.copy())
    swapped.dataset["params"] = sharpening.dataset.params.assign_attrs(axis="data size")
    other = plots.collapse(swapped)
    assert "D / 39,800" in other.get_xlabel() and "(N / 64)^{0.50}" in other.get_xlabel()
    assert other.get_title(loc="left") == "ability, scaled with model size: transition"
    seeds = sharpening.dataset["ability"].values[0]
    np.testing.assert_allclose(np.ptp(ends(ax.containers[0]), axis=1), 2 * seeds.std(axis=1, ddof=1) / np.sqrt(8))
    without = dataclasses.replace(sharpening.evidence, collapse=None)
    with pytest.raises(InputError, match="three data sizes"):
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
        plots.scaled(found._replace(inverse_nu=np.nan, kind=3), size, control, value)


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
        drift_p=nan,
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
