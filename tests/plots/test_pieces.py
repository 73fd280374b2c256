"""Pieces of a curve that was cut: their levels, their bands, and the probabilities of breaks."""

import dataclasses

import numpy as np
import pytest

from jaxphase import plots
from jaxphase.detect import Segmentation
from jaxphase.errors import InputError


def upright(ax, style):
    """Places of vertical lines of a style."""
    lines = [line for line in ax.lines if line.get_linestyle() == style and len(line.get_xdata())]
    return [line.get_xdata()[0] for line in lines if line.get_xdata()[0] == line.get_xdata()[-1]]


def segmentation(places, points, probable=None, n_breaks=None):
    """One with these breaks, at most two."""
    rows = np.full((3, 2), np.nan)
    rows[len(places), : len(places)] = places
    nothing = np.full(3, np.nan)
    probable = np.full(points, np.nan) if probable is None else probable
    return Segmentation(nothing, rows, nothing, len(places) if n_breaks is None else n_breaks, probable, 0)


def test_pieces_have_the_levels_of_their_points_and_areas_the_probabilities():
    x = np.array([3.0, 1, 2, 5, 4, 6, 2, 7])
    y = np.where(x < 2.5, 1.0, np.where(x < 5.5, 4.0, 9.0)) + 0.1 * np.cos(x)
    probable = np.array([0.1, 0.2, 0.9, 0.8, 0.3, 0.05, 0.9, 0.0])
    ax = plots.segments(segmentation([2.5, 5.5], 8, probable), x, y)
    pieces = [line.get_xydata() for line in ax.lines if line.get_linewidth() == 1.6 and len(line.get_xdata())]
    np.testing.assert_allclose([piece[:, 0] for piece in pieces], [(1, 2.5), (2.5, 5.5), (5.5, 7)])
    levels = [y[[1, 2, 6]].mean(), y[[0, 3, 4]].mean(), y[[5, 7]].mean()]
    np.testing.assert_allclose([piece[:, 1] for piece in pieces], np.repeat(levels, 2).reshape(3, 2))
    assert upright(ax, ":") == [2.5, 5.5]
    area = ax.patches[0].get_data()
    np.testing.assert_allclose(4 * area.values, [0.2, 0.9, 0.1, 0.3, 0.8, 0.05])
    np.testing.assert_allclose(area.edges, np.arange(1, 8))
    bottom, top = ax.patches[0].get_transform().transform([(1, 0), (1, 1)])[:, 1]
    assert (bottom, top) == pytest.approx(ax.bbox.intervaly)
    assert ax.get_ylim()[0] > 0.5, "of the data, not of the probabilities"
    bands = [area.get_paths()[0].vertices[:, 1] for area in ax.collections]
    left = y - np.where(x < 2.5, levels[0], np.where(x < 5.5, levels[1], levels[2]))
    half = 2.5706 * np.sqrt(np.sum(left**2) / 5) / np.sqrt([3, 3, 2])  # Student's t with 8 - 3 degrees of freedom
    np.testing.assert_allclose(
        [(band.min(), band.max()) for band in bands], np.transpose([levels - half, levels + half]), rtol=1e-4
    )


def test_lines_are_drawn_for_linear_pieces_and_weights_count():
    x = np.arange(8.0)
    y = np.where(x < 4, 2 * x, 20 - x)
    y[2] += 50
    ax = plots.segments(segmentation([3.5], 8), x, y, cost="linear", weight=np.where(x == 2, 0, 1))
    pieces = [line.get_xydata() for line in ax.lines if line.get_linewidth() == 1.6 and len(line.get_xdata())]
    np.testing.assert_allclose(pieces, [[(0, 0), (3.5, 7)], [(3.5, 16.5), (7, 13)]], atol=1e-9)


def test_levels_are_weighted_means():
    y = np.array([1.0, 2, 4, 9, 9, 9])
    ax = plots.segments(segmentation([2.5], 6), np.arange(6), y, weight=np.array([1, 2, 5, 1, 1, 1]))
    levels = [line.get_ydata()[0] for line in ax.lines if line.get_linewidth() == 1.6 and len(line.get_xdata())]
    np.testing.assert_allclose(levels, [25 / 8, 9])


def test_one_curve_at_a_time_is_cut_and_one_that_was_judged():
    x = np.arange(8.0)
    with pytest.raises(InputError, match="not of one curve"):
        plots.segments(segmentation([3.5], 8), np.stack([x, x]), np.stack([x, x]))
    with pytest.raises(InputError, match=r"no answer \(status 0\)"):
        plots.segments(segmentation([], 8, n_breaks=-1), x, x)


def test_an_analysis_is_cut_in_sizes(analyzed):
    analysis = analyzed(["jump"])
    probable = np.tile(np.where(np.arange(10) == 4, 0.9, 0.01), 3)
    cut = [segmentation([4.5], 30, probable), segmentation([], 30, n_breaks=-1)]
    findings = [
        dataclasses.replace(found, detectors={"segment": one})
        for found, one in zip(analysis.findings, cut, strict=True)
    ]
    ax = plots.breaks(dataclasses.replace(analysis, findings=tuple(findings)), "jump")
    pieces = [line.get_xydata() for line in ax.lines if line.get_linewidth() == 1.6 and len(line.get_xdata())]
    np.testing.assert_allclose(pieces, [[(1e3, 0.2), (10**4.5, 0.2)], [(10**4.5, 0.7), (1e6, 0.7)]])
    assert len(ax.patches) == 1 and ax.patches[0].get_data().values.argmax() == 4
    with pytest.raises(InputError, match="has no segmentation"):
        plots.breaks(analysis, "jump")
