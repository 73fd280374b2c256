"""Panels of one metric: what is drawn is what was measured and found."""

import dataclasses

import numpy as np
import pytest

from jaxphase import plots
from jaxphase.analysis.findings import Interval, Slope
from jaxphase.detect import Segmentation
from jaxphase.errors import InputError

METRICS = ("ability", "falling", "jump", "loss", "line", "flat", "bent", "few")


def spans(ax):
    return [edge for patch in ax.patches for edge in (patch.get_x(), patch.get_x() + patch.get_width())]


def upright(ax, style):
    """Places of vertical lines of a style."""
    lines = [line for line in ax.lines if line.get_linestyle() == style and len(line.get_xdata())]
    return [line.get_xdata()[0] for line in lines if line.get_xdata()[0] == line.get_xdata()[-1]]


def legend(ax):
    return [text.get_text() for one in ax.figure.legends for text in one.get_texts()]


def means(ax):
    """The line of each errorbar and the lengths of its bars."""
    found = []
    for bars in ax.containers:
        line, _, (stems,) = bars.lines
        found.append((*line.get_data(), np.ptp(np.array(stems.get_segments())[..., 1], axis=1)))
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_a_curve_is_drawn_with_its_name_unit_verdicts_and_marks(metric, analysed, shapes):
    kind = shapes[metric][0]
    ax = plots.curve(analysed(), metric)
    assert ax.get_title(loc="left") == f"long name of {metric}" and ax.get_ylabel() == "nats"
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "model size (parameters)"
    assert ax.get_xlim() == pytest.approx((1e3 / 1000**0.04, 1e6 * 1000**0.04))
    said = "crossover at 31,600 [20,000, 50,000]" if kind == "sigmoid" else f"judged {kind}"
    assert [text.get_text() for text in ax.texts] == [said, said]
    transition, broken = 2 * (kind in ("sigmoid", "step")), 2 * (kind == "broken_power_law")
    assert spans(ax) == pytest.approx([2e4, 5e4] * transition + [6e4, 2e5] * broken)
    assert upright(ax, "--") == pytest.approx([10**4.5] * transition)
    assert upright(ax, ":") == pytest.approx([1e5] * broken)
    names = ["64 training images", "1,024 training images", "mean ± standard error", "fit"]
    names += ["95 % band of the fit"]
    names += ["critical size"] * bool(transition) + ["break of a power law"] * bool(broken)
    assert legend(ax) == names + ["95 % interval"] * bool(transition + broken)


def test_means_and_their_standard_errors_are_those_of_the_seeds(analysed, shapes):
    first, second = means(plots.curve(analysed(), "ability"))
    np.testing.assert_allclose(first[1], shapes["ability"][1][:, 0], rtol=1e-6)
    np.testing.assert_allclose(second[2], 2 * 0.01 / np.sqrt(3), rtol=1e-6)
    np.testing.assert_allclose(first[2][4], 2 * 0.01, rtol=1e-6)  # of the two seeds that are left


@pytest.mark.parametrize("metric", METRICS[:-1])
def test_the_fit_drawn_passes_through_the_curve_it_was_fitted_to(metric, analysed, shapes):
    analysis = analysed([metric])
    fit = plots.fitted(analysis, analysis.findings[0], np.asarray(analysis.dataset.params))
    np.testing.assert_allclose(fit, shapes[metric][1][:, 0], rtol=1e-3, atol=1e-3)
    solid = [line for line in plots.curve(analysis, metric).lines if len(line.get_xdata()) == 200]
    nearest = np.interp(np.log(4e5), np.log(solid[0].get_xdata()), solid[0].get_ydata())
    assert nearest == pytest.approx(plots.fitted(analysis, analysis.findings[0], np.array([4e5]))[0], rel=1e-3)


def test_no_fit_is_drawn_where_there_are_too_few_points(analysed):
    analysis = analysed(["few"])
    assert np.isnan(plots.fitted(analysis, analysis.findings[0], np.asarray(analysis.dataset.params))).all()
    assert not plots.residuals(analysis, "few").containers


def test_an_interval_without_end_is_drawn_to_the_end_of_the_axis(analysed):
    analysis = analysed(["ability"], (None,))
    (found,) = analysis.findings
    slope = Slope(*found.slope[:4], Interval(0.0, np.inf))
    for interval, ends in (((2e4, np.inf), (2e4, None)), ((0.0, np.inf), (None, None)), ((np.nan, np.nan), ())):
        wide = dataclasses.replace(found, interval=Interval(*interval), slope=slope)
        ax = plots.curve(dataclasses.replace(analysis, findings=(wide,)), "ability")
        wanted = [limit if end is None else end for end, limit in zip(ends, ax.get_xlim(), strict=False)]
        assert spans(ax) == pytest.approx(wanted)
        ax.figure.draw_without_rendering()
    bars = plots.derivative(dataclasses.replace(analysis, findings=(wide,)), "ability").containers[0].lines[2][0]
    np.testing.assert_allclose(np.array(bars.get_segments())[0, :, 0], (1e3, 1e6))
    endless = dataclasses.replace(wide, critical_size=np.inf)
    assert upright(plots.curve(dataclasses.replace(analysis, findings=(endless,)), "ability"), "--") == []


def test_a_slope_is_drawn_with_its_band_and_its_steepest_point(analysed):
    ax = plots.derivative(analysed(), "ability")
    assert ax.get_ylabel() == "nats per decade"
    slopes = [line for line in ax.lines if len(line.get_xdata()) == 10]
    assert len(slopes) == 2
    np.testing.assert_allclose(slopes[0].get_ydata(), [0.1, *[0.5] * 8, 0.1])
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.1 - 0.098, 0.5 + 0.098))
    steepest, _, (bars,) = ax.containers[0].lines
    sizes = np.geomspace(1e3, 1e6, 10)
    assert (steepest.get_marker(), *steepest.get_xydata()[0]) == ("^", pytest.approx(sizes[4]), 0.5)
    np.testing.assert_allclose(np.array(bars.get_segments())[0, :, 0], sizes[[2, 6]])
    assert legend(ax)[:2] == ["64 training images", "1,024 training images"]


def test_residuals_are_what_the_fit_leaves(analysed):
    analysis = analysed(["ability"])
    analysis.dataset["ability"][1, 7] += 0.2
    first, second = means(plots.residuals(analysis, "ability"))
    np.testing.assert_allclose(first[1], 0, atol=1e-9)
    np.testing.assert_allclose(second[1], 0.2 * (np.arange(10) == 7), atol=1e-9)
    np.testing.assert_allclose(second[2], 2 * 0.01 / np.sqrt(3), rtol=1e-6)


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


def test_an_analysis_is_cut_in_sizes(analysed):
    analysis = analysed(["jump"])
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


@pytest.mark.parametrize("draw", [plots.curve, plots.derivative, plots.residuals, plots.breaks])
def test_a_metric_that_is_not_there_is_refused(draw, analysed):
    with pytest.raises(InputError, match="'skill': choose from ability, falling"):
        draw(analysed(), "skill")
    empty = analysed()
    empty.dataset["loss"][:] = np.nan
    with pytest.raises(InputError, match="without the values of loss"):
        draw(empty, "loss")


def test_curves_along_data_size_are_named_so(analysed):
    analysis = analysed(["loss"])
    analysis.dataset.params.attrs |= {"axis": "data size", "long_name": "training images"}
    analysis.dataset.data_size.attrs |= {"axis": "model size", "long_name": "parameters"}
    for draw in (plots.curve, plots.derivative, plots.residuals):
        ax = draw(analysis, "loss")
        assert ax.get_xlabel() == "data size (training images)" and "64 parameters" in legend(ax)
    ax = plots.phase_diagram(analysis.__class__(analysis.dataset, analysis.findings, "loss"))
    assert ax.get_ylabel() == "model size (parameters)"
