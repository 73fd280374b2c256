"""Panels of one metric: what is drawn is what was measured and found."""

import dataclasses

import numpy as np
import pytest

from jaxphase import plots
from jaxphase.analysis import Interval, Slope
from jaxphase.detect import CurveKind
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
def test_a_curve_is_drawn_with_its_name_unit_verdicts_and_marks(metric, analyzed, shapes):
    kind = shapes[metric][0]
    ax = plots.curve(analyzed(), metric)
    assert ax.get_title(loc="left") == f"long name of {metric}" and ax.get_ylabel() == "nats"
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "model size (parameters)"
    assert ax.get_xlim() == pytest.approx((1e3 / 1000**0.04, 1e6 * 1000**0.04))
    said = {
        CurveKind.SIGMOID: "crossover at 31,600 [20,000–50,000]",
        CurveKind.STEP: "step between 20,000 and 50,000 parameters",
        CurveKind.POWER_LAW: "no transition (power law)",
        CurveKind.LINEAR: "no transition (linear in log size)",
        CurveKind.CONSTANT: "no transition (constant)",
        CurveKind.BROKEN_POWER_LAW: "no transition (broken power law)",
        CurveKind.TOO_FEW_POINTS: "too few points",
    }[kind]
    assert [text.get_text() for text in ax.texts] == [said, said]
    transition, broken = 2 * kind.is_transition, 2 * (kind == CurveKind.BROKEN_POWER_LAW)
    assert spans(ax) == pytest.approx([2e4, 5e4] * transition + [6e4, 2e5] * broken)
    assert upright(ax, "--") == pytest.approx([10**4.5] * transition)
    assert upright(ax, ":") == pytest.approx([1e5] * broken)
    names = ["64 training images", "1,024 training images", "mean ± standard error", "fit"]
    names += ["95 % band of the fit"]
    names += ["critical size"] * bool(transition) + ["break of a power law"] * bool(broken)
    assert legend(ax) == names + ["95 % interval"] * bool(transition + broken)


def test_means_and_their_standard_errors_are_those_of_the_seeds(analyzed, shapes):
    first, second = means(plots.curve(analyzed(), "ability"))
    np.testing.assert_allclose(first[1], shapes["ability"][1][:, 0], rtol=1e-6)
    np.testing.assert_allclose(second[2], 2 * 0.01 / np.sqrt(3), rtol=1e-6)
    np.testing.assert_allclose(first[2][4], 2 * 0.01, rtol=1e-6)  # of the two seeds that are left


@pytest.mark.parametrize("metric", METRICS[:-1])
def test_the_fit_drawn_passes_through_the_curve_it_was_fitted_to(metric, analyzed, shapes):
    analysis = analyzed([metric])
    fit = plots.fitted(analysis, analysis.findings[0], np.asarray(analysis.dataset.x))
    np.testing.assert_allclose(fit, shapes[metric][1][:, 0], rtol=1e-3, atol=1e-3)
    solid = [line for line in plots.curve(analysis, metric).lines if len(line.get_xdata()) == 200]
    nearest = np.interp(np.log(4e5), np.log(solid[0].get_xdata()), solid[0].get_ydata())
    assert nearest == pytest.approx(plots.fitted(analysis, analysis.findings[0], np.array([4e5]))[0], rel=1e-3)


def test_no_fit_is_drawn_where_there_are_too_few_points(analyzed):
    analysis = analyzed(["few"])
    assert np.isnan(plots.fitted(analysis, analysis.findings[0], np.asarray(analysis.dataset.x))).all()
    assert not plots.residuals(analysis, "few").containers


def test_an_interval_without_end_is_drawn_to_the_end_of_the_axis(analyzed):
    analysis = analyzed(["ability"], (None,))
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


def test_a_slope_is_drawn_with_its_band_and_its_steepest_point(analyzed):
    ax = plots.derivative(analyzed(), "ability")
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


def test_residuals_are_what_the_fit_leaves(analyzed):
    analysis = analyzed(["ability"])
    analysis.dataset["ability"][1, 7] += 0.2
    first, second = means(plots.residuals(analysis, "ability"))
    np.testing.assert_allclose(first[1], 0, atol=1e-9)
    np.testing.assert_allclose(second[1], 0.2 * (np.arange(10) == 7), atol=1e-9)
    np.testing.assert_allclose(second[2], 2 * 0.01 / np.sqrt(3), rtol=1e-6)


@pytest.mark.parametrize("draw", [plots.curve, plots.derivative, plots.residuals, plots.breaks])
def test_a_metric_that_is_not_there_is_refused(draw, analyzed):
    with pytest.raises(InputError, match="'skill': choose from ability, falling"):
        draw(analyzed(), "skill")
    empty = analyzed()
    empty.dataset["loss"][:] = np.nan
    with pytest.raises(InputError, match="metric is 'loss', which has no values to draw"):
        draw(empty, "loss")


def test_curves_along_data_size_are_named_so(analyzed):
    analysis = analyzed(["loss"])
    data = analysis.dataset
    data.x.attrs, data.group.attrs = data.group.attrs, data.x.attrs
    for draw in (plots.curve, plots.derivative, plots.residuals):
        ax = draw(analysis, "loss")
        assert ax.get_xlabel() == "data size (training images)" and "64 parameters" in legend(ax)
    ax = plots.phase_diagram(dataclasses.replace(analysis, order_parameter="loss"))
    assert ax.get_ylabel() == "model size (parameters)"
