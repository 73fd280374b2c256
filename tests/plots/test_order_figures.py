"""Panels of the order parameter over both sizes: phase diagram, and scatter over seeds."""

import dataclasses

import numpy as np
import pytest
from matplotlib.collections import QuadMesh

from jaxphase import plots
from jaxphase.analysis import Interval
from jaxphase.errors import InputError

SIZES = np.geomspace(1e3, 1e6, 10)


def ends(bars, which=1):
    """Ends of the bars [points, 2] of an errorbar, without those of missing points."""
    return np.array([bar for bar in bars.lines[2][0].get_segments() if len(bar)])[..., which]


def test_the_phase_diagram_shows_means_on_labeled_log_axes(analyzed, shapes):
    ax = plots.phase_diagram(analyzed())
    _, colorbar = ax.figure.axes
    assert ax.get_xlabel() == "model size (parameters)" and ax.get_ylabel() == "data size (training images)"
    assert colorbar.get_ylabel() == "long name of ability (nats)"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    (mesh,) = (artist for artist in ax.collections if isinstance(artist, QuadMesh))
    np.testing.assert_allclose(mesh.get_array(), np.tile(shapes["ability"][1][:, 0], (2, 1)), rtol=1e-6)
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[0, 1:-1, 0], np.sqrt(SIZES[1:] * SIZES[:-1]))
    np.testing.assert_allclose(corners[:, 0, 1], [16, 256, 4096])


def test_the_boundary_drawn_is_the_one_found_with_its_intervals(analyzed):
    analysis = analyzed()
    ax = plots.phase_diagram(analysis)
    np.testing.assert_allclose(ax.containers[-1].lines[0].get_xydata(), [(10**4.5, 64), (10**4.5, 1024)])
    np.testing.assert_allclose(ends(ax.containers[-1], 0), [point.interval for point in analysis.boundary])
    assert not ax.texts
    open_end = dataclasses.replace(analysis.findings[0], interval=Interval(2e4, np.inf))
    ax = plots.phase_diagram(dataclasses.replace(analysis, findings=(open_end, *analysis.findings[1:])))
    np.testing.assert_allclose(ends(ax.containers[-1], 0)[0], (2e4, ax.get_xlim()[1]))


def test_a_phase_diagram_without_transition_says_so_and_of_one_group_is_none(analyzed):
    ax = plots.phase_diagram(analyzed(order_parameter="loss"))
    assert [text.get_text() for text in ax.texts] == ["no transition found"] and ax.containers == []
    with pytest.raises(InputError, match="two groups of curves"):
        plots.phase_diagram(analyzed(groups=(None,)))


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


def test_without_seeds_there_is_no_scatter(analyzed, sharpening):
    with pytest.raises(InputError, match="no variance over seeds to draw: train 4 seeds"):
        plots.susceptibility(analyzed())
    moment = sharpening.evidence.binder
    nothing = moment._replace(value=np.full((3, 12), np.nan))
    evidence = dataclasses.replace(sharpening.evidence, binder=nothing)
    with pytest.raises(InputError, match="no Binder cumulant about the mean to draw"):
        plots.binder(dataclasses.replace(sharpening, evidence=evidence))
