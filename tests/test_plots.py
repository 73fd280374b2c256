"""Figures of findings made by hand, so that what is drawn can be held against what was found."""

import dataclasses
import math

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import QuadMesh
from matplotlib.image import imread

from jaxphase import plots
from jaxphase.errors import InputError
from jaxphase.evidence import weigh
from jaxphase.findings import Analysis, Break, Finding, Interval, Slope

SIZES = np.geomspace(1e3, 1e6, 10)
X = np.log10(SIZES)[:, None]
SHAPES = {
    "ability": (
        "sigmoid",
        0.1 + 0.8 / (1 + np.exp(-6 * (X - 4.5))),
        {"center": 4.5, "rate": 6, "low": 0.1, "high": 0.9},
    ),
    "falling": (
        "sigmoid",
        0.9 - 0.8 / (1 + np.exp(-6 * (X - 4.5))),
        {"center": 4.5, "rate": -6, "low": 0.1, "high": 0.9},
    ),
    "jump": ("step", np.where(X < 4.5, 0.2, 0.7), {}),
    "loss": (
        "power_law",
        1 + 2 * 10 ** (-0.5 * (X - 4)),
        {"floor": 1, "amplitude": 2, "exponent": -0.5, "reference": 1e4},
    ),
    "line": ("linear", 0.3 * X, {}),
    "flat": ("constant", 0.4 + 0 * X, {}),
    "bent": (
        "broken_power_law",
        0.2 + 3 * 10 ** (-0.1 * (X - 4)) * (1 + 10 ** ((X - 5) / 0.3)) ** (-0.6 * 0.3),
        {"a": 0.2, "b": 3, "c": [0.1, 0.6], "d": [10], "f": [0.3], "reference": 1e4},
    ),
    "few": ("too few points", np.where(X < 4, 1.0, np.nan), {}),
}


def finding(metric, data_size, kind, parameters):
    has_transition = kind in ("sigmoid", "step")
    critical, low, high = (10**4.5, 2e4, 5e4) if has_transition else (math.nan,) * 3
    number = dict.fromkeys(("width", "bootstrap_se", "delta_bic", "p_value", "exponent", "exponent_se"), math.nan)
    return Finding(
        metric=metric,
        data_size=data_size,
        kind=kind,
        verdict=f"judged {kind}",
        remark="",
        critical_size=critical,
        interval=Interval(low, high),
        bic={},
        significant=False,
        parameters=parameters,
        slope=Slope(tuple(SIZES), (0.1, *(0.5,) * 8, 0.1), (0.05,) * 10, SIZES[4], Interval(SIZES[2], SIZES[6])),
        breaks=(Break(1e5, Interval(6e4, 2e5), -0.1, -0.7),) if kind == "broken_power_law" else (),
        points=30,
        sizes=10,
        diverged=0,
        **number,
    )


def analysed(metrics=tuple(SHAPES), data_sizes=(64, 1024), order_parameter="ability"):
    """Three seeds about each shape by -0.01, 0 and 0.01; one of them is missing at one size."""
    variables, findings = {}, []
    for metric in metrics:
        kind, shape, parameters = SHAPES[metric]
        values = np.tile(shape + np.array([-0.01, 0, 0.01]), (len(data_sizes), 1, 1))
        values[0, 4, 1] = np.nan
        attributes = {"long_name": f"long name of {metric}", "units": "nats"}
        variables[metric] = (("data_size", "size", "seed"), values, attributes)
        findings += [finding(metric, size, kind, parameters) for size in data_sizes]
    coordinates = {"params": ("size", SIZES, {"long_name": "parameters"})}
    data = xr.Dataset(variables, coordinates)
    if data_sizes == (None,):
        return Analysis(data.isel(data_size=0), tuple(findings), order_parameter)
    data = data.assign_coords(data_size=("data_size", list(data_sizes), {"long_name": "training images"}))
    return Analysis(data, tuple(findings), order_parameter)


@pytest.fixture(scope="module")
def figure():
    return plots.curves(analysed())


@pytest.fixture(scope="module")
def sharpening():
    """An analysis of curves that sharpen with the data size, with its evidence."""
    rng, data_sizes, params = np.random.default_rng(0), np.array([64, 256, 1024]), np.geomspace(1e3, 1e6, 12)
    x = (np.log10(params) - 4.6) * np.sqrt(data_sizes[:, None] / 64)
    values = (0.5 + 0.4 * np.tanh(x))[..., None] + (0.02 + 0.08 / np.cosh(x))[..., None] * rng.normal(size=(3, 12, 8))
    data = xr.Dataset(
        {"ability": (("data_size", "size", "seed"), values)},
        {"params": ("size", params), "data_size": ("data_size", data_sizes)},
    )
    findings = tuple(finding("ability", size, *SHAPES["ability"][::2]) for size in data_sizes.tolist())
    return Analysis(data, findings, "ability", weigh("ability", values, data_sizes, params, changes=True))


def panels(figure):
    """The axes of the metrics, without the strips of their slopes."""
    return [axes for axes in figure.axes if axes.get_title(loc="left")]


def strips(figure):
    return [axes for axes in figure.axes if not axes.get_title(loc="left")]


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_every_metric_has_one_panel_with_title_unit_and_verdicts(figure):
    assert [axes.get_title(loc="left") for axes in panels(figure)] == [f"long name of {name}" for name in SHAPES]
    assert {axes.get_ylabel() for axes in panels(figure)} == {"nats"}
    assert {axes.get_xscale() for axes in figure.axes} == {"log"}
    for axes, (kind, *_) in zip(panels(figure), SHAPES.values(), strict=True):
        said = "crossover at 31,600 [20,000, 50,000]" if kind == "sigmoid" else f"judged {kind}"
        assert words(axes) == [said, said]


def test_below_every_panel_is_the_slope_with_its_band_and_steepest_point(figure):
    assert len(strips(figure)) == len(SHAPES)
    for axes in strips(figure):
        assert axes.get_ylabel() == "per decade"
        _, slope, steepest, *_ = axes.lines
        np.testing.assert_allclose(slope.get_ydata(), [0.1, *[0.5] * 8, 0.1])
        assert (steepest.get_marker(), steepest.get_ydata()[0]) == ("^", 0.5)
        assert steepest.get_xdata()[0] == pytest.approx(SIZES[4])
        heights = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((0.1 - 0.098, 0.5 + 0.098))


def test_the_lowest_strips_name_the_model_size(figure):
    assert [axes.get_xlabel() for axes in strips(figure)] == [""] * 5 + ["model size (parameters)"] * 3
    assert not any(axes.get_xlabel() for axes in panels(figure))


def test_the_intervals_critical_sizes_and_breaks_drawn_are_those_found(figure):
    for axes, (kind, *_) in zip(panels(figure), SHAPES.values(), strict=True):
        bands = [edge for patch in axes.patches for edge in (patch.get_x(), patch.get_x() + patch.get_width())]
        lines = {
            style: [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == style]
            for style in ("--", ":")
        }
        transition, broken = 2 * (kind in ("sigmoid", "step")), 2 * (kind == "broken_power_law")
        assert bands == pytest.approx([2e4, 5e4] * transition + [6e4, 2e5] * broken)
        assert lines["--"] == pytest.approx([10**4.5] * transition)
        assert lines[":"] == pytest.approx([1e5] * broken)


def test_the_legend_is_drawn_once_and_names_the_data_sizes(figure):
    assert all(axes.get_legend() is None for axes in figure.axes)
    labels = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert labels[:2] == ["64 training images", "1,024 training images"]
    assert labels[-4:] == ["critical size", "break of a power law", "95 % interval", "steepest"]


@pytest.mark.parametrize("metric", [name for name in SHAPES if name != "few"])
def test_the_fit_drawn_passes_through_the_curve_it_was_fitted_to(metric):
    analysis = analysed([metric])
    fit = plots.predict(analysis, analysis.findings[0], SIZES)
    np.testing.assert_allclose(fit, SHAPES[metric][1][:, 0], rtol=1e-3, atol=1e-3)


def test_no_fit_is_drawn_where_there_are_too_few_points():
    analysis = analysed(["few"])
    assert np.isnan(plots.predict(analysis, analysis.findings[0], SIZES)).all()


def test_means_and_their_standard_errors_are_those_of_the_seeds(figure):
    bars = figure.axes[0].containers
    assert len(bars) == 2
    line, _, (stems,) = bars[1].lines
    np.testing.assert_allclose(line.get_ydata(), SHAPES["ability"][1][:, 0], rtol=1e-6)
    heights = [high - low for (_, low), (_, high) in stems.get_segments()]
    np.testing.assert_allclose(heights, 2 * 0.01 / np.sqrt(3), rtol=1e-6)


def test_metrics_can_be_chosen_and_an_unknown_one_is_refused():
    chosen = plots.curves(analysed(), ["loss"])
    assert [axes.get_title(loc="left") for axes in panels(chosen)] == ["long name of loss"]
    with pytest.raises(InputError, match="'skill': choose from ability, falling"):
        plots.curves(analysed(), ["skill"])


def test_the_phase_diagram_shows_means_on_labelled_log_axes():
    figure = plots.phase_diagram(analysed())
    axes, colorbar = figure.axes
    assert axes.get_xlabel() == "model size (parameters)"
    assert axes.get_ylabel() == "data size (training images)"
    assert colorbar.get_ylabel() == "long name of ability (nats)"
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    (mesh,) = (artist for artist in axes.collections if isinstance(artist, QuadMesh))
    np.testing.assert_allclose(mesh.get_array(), np.tile(SHAPES["ability"][1][:, 0], (2, 1)), rtol=1e-6)
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[0, 1:-1, 0], np.sqrt(SIZES[1:] * SIZES[:-1]))
    np.testing.assert_allclose(corners[:, 0, 1], [16, 256, 4096])


def test_the_boundary_drawn_is_the_one_found_with_its_intervals():
    analysis = analysed()
    axes = plots.phase_diagram(analysis).axes[0]
    line, _, (bars,) = axes.containers[-1].lines
    np.testing.assert_allclose(line.get_xydata(), [(10**4.5, 64), (10**4.5, 1024)])
    drawn = [(start[0], stop[0]) for start, stop in bars.get_segments()]
    np.testing.assert_allclose(drawn, [point.interval for point in analysis.boundary])
    assert words(axes) == []


def test_a_phase_diagram_without_transition_says_so():
    axes = plots.phase_diagram(analysed(order_parameter="loss")).axes[0]
    assert words(axes) == ["no transition found"]
    assert axes.containers == []


def test_curves_of_one_data_size_are_drawn_in_one_figure_only(tmp_path):
    analysis = analysed(data_sizes=(None,))
    plots.write_figures(analysis, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.pdf", "curves.png"]
    with pytest.raises(InputError, match="two data sizes"):
        plots.phase_diagram(analysis)


def test_a_figure_keeps_its_style_when_it_is_drawn_later(figure):
    figure.draw_without_rendering()
    sizes = {text.get_fontsize() for axes in figure.axes for text in (*axes.get_yticklabels(), *axes.get_xticklabels())}
    assert sizes == {8}


def test_one_data_size_taken_from_a_sweep_is_named_in_the_legend():
    whole = analysed(["loss"])
    one = Analysis(whole.dataset.isel(data_size=1), whole.findings[1:], "loss")
    labels = [text.get_text() for legend in plots.curves(one).legends for text in legend.get_texts()]
    assert labels == ["1,024 training images", "mean ± standard error", "fit", "95 % interval", "steepest"]


def test_fluctuations_are_drawn_with_their_intervals(sharpening):
    figure = plots.fluctuations(sharpening)
    mean, variance, binder = figure.axes
    assert "transition (continuous)" in mean.get_title(loc="left")
    for panel, moment in ((variance, sharpening.evidence.susceptibility), (binder, sharpening.evidence.binder)):
        for i, bars in enumerate(panel.containers):
            (low, high) = np.array(bars.lines[2][0].get_segments())[..., 1].T
            np.testing.assert_allclose(np.stack([low, high], -1), moment.interval[i], rtol=1e-5)
    assert len(variance.containers) == 3 and variance.get_yscale() == "log"


def test_scaled_curves_fall_on_one(sharpening):
    _, scaled = plots.collapse(sharpening).axes
    points = np.concatenate([np.array(bars.lines[0].get_xydata()) for bars in scaled.containers])
    assert len(scaled.containers) == 3
    expected = 0.5 + 0.4 * np.tanh(points[:, 0])
    assert np.abs(points[:, 1] - expected).max() < 0.12
    with pytest.raises(InputError, match="three data sizes"):
        plots.collapse(
            dataclasses.replace(sharpening, evidence=dataclasses.replace(sharpening.evidence, collapse=None))
        )


def test_figures_of_the_evidence_are_written(sharpening, tmp_path):
    plots.write_figures(sharpening, tmp_path)
    names = ["collapse.png", "curves.png", "fluctuations.png", "phase_diagram.png"]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == names


def test_figures_are_written_as_png_and_leave_no_state_behind(tmp_path):
    before = dict(mpl.rcParams)
    plots.write_figures(analysed(), tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["curves.png", "phase_diagram.png"]
    assert b"/FontFile2" in (tmp_path / "curves.pdf").read_bytes()  # a TrueType font, embedded
    for path in tmp_path.glob("*.png"):
        pixels = imread(path)
        assert pixels.shape[1] > 1200
        assert pixels[..., :3].std() > 0.1, "not a blank page"
    assert dict(mpl.rcParams) == before
