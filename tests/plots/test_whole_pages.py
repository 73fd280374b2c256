"""Whole pages: which there are, what is on them, and the legends that their panels share."""

import dataclasses

import numpy as np
import pytest

from jaxphase import plots
from jaxphase.errors import InputError
from jaxphase.scaling import CollapseKind

METRICS = ("ability", "falling", "jump", "loss", "line", "flat", "bent", "few")


@pytest.fixture(scope="module")
def page(analyzed):
    return plots.curves(analyzed())


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


def test_metrics_can_be_chosen_and_an_unknown_one_is_refused(analyzed):
    chosen = plots.curves(analyzed(), ["loss"])
    assert [ax.get_title(loc="left") for ax in chosen.axes] == ["long name of loss", ""]
    with pytest.raises(InputError, match="metrics has 'skill': choose from ability, falling"):
        plots.curves(analyzed(), ["skill"])


def test_one_group_alone_is_named_in_the_legend(analyzed):
    whole = analyzed(["loss"])
    one = dataclasses.replace(whole, dataset=whole.dataset.isel(group=[1]), findings=whole.findings[1:])
    assert [text.get_text() for text in plots.curves(one).legends[0].get_texts()] == ["1,024 training images"]


def test_a_page_keeps_its_style_when_it_is_drawn_later(page):
    page.draw_without_rendering()
    sizes = {text.get_fontsize() for ax in page.axes for text in (*ax.get_yticklabels(), *ax.get_xticklabels())}
    assert sizes == {8}


def test_an_analysis_has_the_pages_that_it_has_something_for(analyzed, sharpening):
    assert list(plots.pages(analyzed(groups=(None,)))) == ["curves", "residuals"]
    assert list(plots.pages(analyzed())) == ["curves", "residuals", "phase_diagram"]
    found = plots.pages(sharpening)
    assert list(found) == ["curves", "residuals", "phase_diagram", "fluctuations", "collapse"]
    mean, variance, binder = found["fluctuations"].axes
    assert variance.get_title(loc="left") == "transition (continuous)"
    assert [len(ax.containers) for ax in (mean, variance, binder)] == [3, 3, 3]
    measured, scaled = found["collapse"].axes
    assert len(scaled.containers) == 3 and scaled.get_title(loc="left") == "transition"
    reach = measured.patches[-1]  # the critical size of the collapse, over those of the curves
    assert (reach.get_x(), reach.get_x() + reach.get_width()) == pytest.approx((10**4.55, 10**4.65))
    crossover = sharpening.evidence.collapse._replace(kind=CollapseKind.CROSSOVER)
    evidence = dataclasses.replace(sharpening.evidence, collapse=crossover)
    other = plots.pages(dataclasses.replace(sharpening, evidence=evidence))["collapse"].axes[0]
    assert len(other.patches) == len(measured.patches) - 1


def test_what_has_no_values_does_not_keep_the_rest_from_being_drawn(analyzed, sharpening):
    analysis = analyzed(["ability", "loss", "flat"])
    analysis.dataset["ability"][:] = np.nan
    found = plots.pages(analysis)
    assert [ax.get_title(loc="left") for ax in found["residuals"].axes] == ["long name of loss", "long name of flat"]
    found["phase_diagram"].draw_without_rendering()
    analysis.dataset["loss"][:] = analysis.dataset["flat"][:] = np.nan
    with pytest.raises(InputError, match="metric is 'ability', which has no values to draw"):
        plots.pages(analysis)
    alike = sharpening.evidence.binder._replace(value=np.full((3, 12), np.nan))
    evidence = dataclasses.replace(sharpening.evidence, binder=alike)
    assert "fluctuations" not in plots.pages(dataclasses.replace(sharpening, evidence=evidence))


def test_learning_curves_are_a_page_of_a_dataset_with_steps(analyzed):
    analysis = analyzed(["loss", "flat"], order_parameter="loss")
    data = analysis.dataset.rename(x="size", group="data_size").expand_dims(step=[1, 10, 100])
    data = data.assign_coords(params=data["size"])
    assert "learning_curves" not in plots.pages(analysis, data.isel(step=[0, 1]))
    assert "learning_curves" not in plots.pages(analysis, data.isel(step=0))
    learning = plots.pages(analysis, data)["learning_curves"]
    assert [ax.get_title(loc="left") for ax in learning.axes] == ["long name of loss", "long name of flat"]
