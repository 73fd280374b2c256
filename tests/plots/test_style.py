"""What all figures have in common: whose Axes, whose style, which labels of axes, which files."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from jaxphase import plots
from jaxphase.plots.style import few_labels

PANELS = {
    "curve": lambda analysis, ax: plots.curve(analysis, "ability", ax=ax),
    "derivative": lambda analysis, ax: plots.derivative(analysis, "ability", ax=ax),
    "residuals": lambda analysis, ax: plots.residuals(analysis, "ability", ax=ax),
    "phase_diagram": lambda analysis, ax: plots.phase_diagram(analysis, ax=ax),
    "susceptibility": lambda analysis, ax: plots.susceptibility(analysis, ax=ax),
    "binder": lambda analysis, ax: plots.binder(analysis, ax=ax),
    "collapse": lambda analysis, ax: plots.collapse(analysis, ax=ax),
}


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


def test_figures_are_written_as_png_and_pdf_and_leave_no_state_behind(analyzed, tmp_path):
    before = dict(mpl.rcParams)
    plots.write_figures(analyzed(["ability", "loss"]), tmp_path)
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
