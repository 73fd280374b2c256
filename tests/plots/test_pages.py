"""Whole pages, and what all figures have in common: whose Axes, whose style, which files."""

import dataclasses

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from jaxphase import plots
from jaxphase.analysis.findings import Analysis
from jaxphase.errors import InputError
from jaxphase.plots.style import few_labels

METRICS = ("ability", "falling", "jump", "loss", "line", "flat", "bent", "few")
PANELS = {
    "curve": lambda analysis, ax: plots.curve(analysis, "ability", ax),
    "derivative": lambda analysis, ax: plots.derivative(analysis, "ability", ax),
    "residuals": lambda analysis, ax: plots.residuals(analysis, "ability", ax),
    "phase_diagram": plots.phase_diagram,
    "susceptibility": plots.susceptibility,
    "binder": plots.binder,
    "collapse": plots.collapse,
}


@pytest.fixture(scope="module")
def page(analysed):
    return plots.curves(analysed())


@pytest.mark.parametrize("name", PANELS)
def test_an_axes_of_ones_own_is_drawn_in_and_nothing_else_is_touched(name, sharpening):
    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 20, "xtick.labelsize": 19}):
        figure = Figure()
        mine, other = figure.subplots(1, 2)
        assert PANELS[name](sharpening, mine) is mine
        figure.draw_without_rendering()
        assert figure.axes == [mine, other] and not figure.legends and mine.get_legend() is None
        assert {text.get_fontsize() for text in mine.get_xticklabels()} == {19}
        assert not other.lines and mine.has_data()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", PANELS)
def test_without_one_a_new_figure_is_made_in_our_style(name, sharpening):
    ax = PANELS[name](sharpening, None)
    ax.figure.draw_without_rendering()
    assert {text.get_fontsize() for text in ax.get_xticklabels()} == {8}
    assert len(ax.figure.legends) == 1 and ax.figure.axes[0] is ax
    assert PANELS[name](sharpening, None).figure is not ax.figure


def test_a_page_of_curves_has_a_block_for_each_metric(page):
    blocks = [ax for ax in page.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in blocks] == [f"long name of {name}" for name in METRICS]
    strips = [ax for ax in page.axes if not ax.get_title(loc="left")]
    assert [ax.get_ylabel() for ax in strips] == ["per decade"] * 8
    assert [ax.get_xlabel() for ax in strips] == [""] * 5 + ["model size (parameters)"] * 3
    assert not any(ax.get_xlabel() for ax in blocks)
    assert len({ax.get_xlim() for ax in page.axes}) == 1


def test_the_legends_of_a_page_say_everything_once(page):
    assert all(ax.get_legend() is None for ax in page.axes)
    above, below = ([text.get_text() for text in legend.get_texts()] for legend in page.legends)
    assert above == ["64 training images", "1,024 training images"]
    signs = ["mean ± standard error", "fit", "critical size", "95 % interval", "break of a power law"]
    signs += ["95 % band of the fit"]
    assert sorted(below) == sorted([*signs, "steepest"])


def test_metrics_can_be_chosen_and_an_unknown_one_is_refused(analysed):
    chosen = plots.curves(analysed(), ["loss"])
    assert [ax.get_title(loc="left") for ax in chosen.axes] == ["long name of loss", ""]
    with pytest.raises(InputError, match="metrics has 'skill': choose from ability, falling"):
        plots.curves(analysed(), ["skill"])


def test_one_data_size_taken_from_a_sweep_is_named_in_the_legend(analysed):
    whole = analysed(["loss"])
    one = Analysis(whole.dataset.isel(data_size=1), whole.findings[1:], "loss")
    assert [text.get_text() for text in plots.curves(one).legends[0].get_texts()] == ["1,024 training images"]


def test_a_page_keeps_its_style_when_it_is_drawn_later(page):
    page.draw_without_rendering()
    sizes = {text.get_fontsize() for ax in page.axes for text in (*ax.get_yticklabels(), *ax.get_xticklabels())}
    assert sizes == {8}


def test_an_analysis_has_the_pages_that_it_has_something_for(analysed, sharpening):
    assert list(plots.pages(analysed(data_sizes=(None,)))) == ["curves", "residuals"]
    assert list(plots.pages(analysed())) == ["curves", "residuals", "phase_diagram"]
    found = plots.pages(sharpening)
    assert list(found) == ["curves", "residuals", "phase_diagram", "fluctuations", "collapse"]
    mean, variance, binder = found["fluctuations"].axes
    assert variance.get_title(loc="left") == "transition (continuous)"
    assert [len(ax.containers) for ax in (mean, variance, binder)] == [3, 3, 3]
    measured, scaled = found["collapse"].axes
    assert len(scaled.containers) == 3 and scaled.get_title(loc="left") == "transition"
    reach = measured.patches[-1]  # the critical size of the collapse, over those of the curves
    assert (reach.get_x(), reach.get_x() + reach.get_width()) == pytest.approx((10**4.55, 10**4.65))
    crossover = sharpening.evidence.collapse._replace(kind=1)
    evidence = dataclasses.replace(sharpening.evidence, collapse=crossover)
    other = plots.pages(dataclasses.replace(sharpening, evidence=evidence))["collapse"].axes[0]
    assert len(other.patches) == len(measured.patches) - 1


def test_what_has_no_values_does_not_keep_the_rest_from_being_drawn(analysed, sharpening):
    analysis = analysed(["ability", "loss", "flat"])
    analysis.dataset["ability"][:] = np.nan
    found = plots.pages(analysis)
    assert [ax.get_title(loc="left") for ax in found["residuals"].axes] == ["long name of loss", "long name of flat"]
    found["phase_diagram"].draw_without_rendering()
    analysis.dataset["loss"][:] = analysis.dataset["flat"][:] = np.nan
    with pytest.raises(InputError, match="without the values of ability"):
        plots.pages(analysis)
    alike = sharpening.evidence.binder._replace(value=np.full((3, 12), np.nan))
    evidence = dataclasses.replace(sharpening.evidence, binder=alike)
    assert "fluctuations" not in plots.pages(dataclasses.replace(sharpening, evidence=evidence))


def test_learning_curves_are_a_page_of_a_dataset_with_steps(analysed):
    data = analysed(["loss", "flat"]).dataset.expand_dims(step=[1, 10, 100])
    analysis = analysed(["loss", "flat"], order_parameter="loss")
    assert "learning_curves" not in plots.pages(analysis, data.isel(step=[0, 1]))
    assert "learning_curves" not in plots.pages(analysis, data.isel(step=0))
    learning = plots.pages(analysis, data)["learning_curves"]
    assert [ax.get_title(loc="left") for ax in learning.axes] == ["long name of loss", "long name of flat"]


@pytest.mark.parametrize(("low", "high"), [(1e3, 1e6), (1.2e3, 9.5e3), (1500, 60_000), (2e4, 4.5e4), (1e4, 1.3e4)])
def test_an_axis_of_sizes_has_a_few_labels_whatever_its_range(low, high):
    ax = Figure().subplots()
    ax.set(xscale="log", xlim=(low, high))
    few_labels(ax.xaxis, low, high)
    ax.figure.draw_without_rendering()
    labels = [tick.label1.get_text() for tick in ax.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert 2 <= len([label for label in labels if label]) <= 6


def test_small_numbers_are_written_out_and_large_ones_in_powers():
    steps = (10, 600, ["10", "30", "100", "300"])
    sizes = (1e4, 5e5, ["10^{4}", r"3\times10^{4}"]), (2e4, 4.5e4, ["20,000", "30,000", "40,000"])
    for low, high, wanted in (steps, *sizes):
        ax = Figure().subplots()
        ax.set(xscale="log", xlim=(low, high))
        few_labels(ax.xaxis, low, high)
        ax.figure.draw_without_rendering()
        ticks = [tick for tick in ax.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
        assert all(word in tick.label1.get_text() for word, tick in zip(wanted, ticks, strict=False))


def test_figures_are_written_as_png_and_pdf_and_leave_no_state_behind(analysed, tmp_path):
    before = dict(mpl.rcParams)
    plots.write_figures(analysed(["ability", "loss"]), tmp_path)
    names = ["curves.png", "phase_diagram.png", "residuals.png"]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == names
    assert sorted(path.name for path in tmp_path.glob("*.pdf")) == [name.replace("png", "pdf") for name in names]
    assert b"/FontFile2" in (tmp_path / "curves.pdf").read_bytes()  # a TrueType font, embedded
    for path in tmp_path.glob("*.png"):
        pixels = imread(path)
        assert pixels.shape[1] > 1000
        assert pixels[..., :3].std() > 0.05, "not a blank page"
    assert dict(mpl.rcParams) == before
    assert np.isfinite(pixels).all()
