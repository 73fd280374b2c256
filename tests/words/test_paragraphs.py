"""Paragraphs on findings made by hand: every number in them can be held against what was found."""

import dataclasses
import math
import re
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from jaxphase.analysis.findings import SMOOTH, Analysis, Break, Finding, Interval, Slope
from jaxphase.errors import InputError
from jaxphase.words.paragraphs import paragraph

SIZES = np.geomspace(1e3, 1e6, 7)  # half a decade apart
BIC = {"constant": 90.0, "linear": 70.0, "power_law": 40.0, "broken_power_law": 43.5, "sigmoid": 60.0, "step": 64.0}
PARAMETERS = {
    "sigmoid": {"center": 4.7, "rate": 6.0, "low": 0.1, "high": 0.9},
    "power_law": {"floor": 1.5, "amplitude": 2.0, "exponent": -0.5, "reference": 1e4},
}


def finding(kind="sigmoid", data_size=None, **changes):
    """A crossover or a step at 50,000, or a smooth curve; changes take the place of fields."""
    jumps = kind in ("sigmoid", "step")
    fields = {
        "metric": "skill",
        "data_size": data_size,
        "kind": kind,
        "verdict": kind,
        "remark": "",
        "critical_size": 5e4 if jumps else math.nan,
        "interval": Interval(4e4, 6e4) if jumps else Interval(math.nan, math.nan),
        "width": 0.5 if jumps else math.nan,
        "bootstrap_se": 0.01 if jumps else math.nan,
        "delta_bic": 12.0 if jumps else -20.0,
        "bic": BIC | ({kind: 28.0} if jumps else {}),
        "p_value": 0.0123,
        "significant": True,
        "exponent": -0.5 if kind == "power_law" else math.nan,
        "exponent_se": 0.0374 if kind == "power_law" else math.nan,
        "parameters": PARAMETERS.get(kind, {}),
        "slope": Slope(tuple(SIZES), (1.0,) * 7, (0.1,) * 7, SIZES[3], Interval(SIZES[2], SIZES[4])),
        "points": 21,
        "sizes": 7,
        "diverged": 0,
    }
    return Finding(**fields | changes)


def write(*findings, evidence=None, order_parameter="skill", axis="model size"):
    """The paragraph on the metric of the first finding."""
    coordinates = {"params": ("size", SIZES, {"long_name": "weights", "axis": axis})}
    if findings[0].data_size is not None:
        sizes = [found.data_size for found in findings]
        coordinates["data_size"] = ("data_size", sizes, {"long_name": "images"})
    values = np.zeros((7, 3))
    names = {"skill": {"long_name": "skill at chess", "units": "nats"}, "loss": {"long_name": "validation loss"}}
    data = xr.Dataset({name: (("size", "seed"), values, words) for name, words in names.items()}, coordinates)
    return paragraph(Analysis(data, findings, order_parameter, evidence), findings[0].metric)


def test_a_crossover_is_told_with_its_place_levels_and_width():
    text = write(finding())
    assert text.startswith(
        "Skill at chess has a crossover, a sigmoid in log size, from 0.1 to 0.9 (nats), centered at 50,000 weights "
        "(95 % interval 40,000 to 60,000), with 10 to 90 % of it within 0.50 decades (a factor of 3.16)."
    )
    falling = finding(parameters=PARAMETERS["sigmoid"] | {"rate": -6.0})
    assert "from 0.9 to 0.1 (nats)" in write(falling)


def test_the_best_alternative_is_named_with_its_odds():
    text = write(finding(delta_bic=12.0))
    assert "The best smooth curve, a power law, is rejected by ΔBIC 12.0 (odds of 400 to 1 against it)." in text
    assert math.exp(12.0 / 2) == pytest.approx(400, rel=0.02)
    assert "more than a million to 1" in write(finding(delta_bic=60.0))
    assert "a power law, is even ahead by ΔBIC 1.4 (odds of 2 to 1)" in write(finding(delta_bic=-1.4))


def test_no_transition_is_an_answer_of_its_own():
    text = write(finding("power_law"))
    assert text.startswith(
        "Skill at chess has no transition: it follows a power law of model size between 1,000 and 1e+06 weights, "
        "with exponent -0.500 ± 0.037 toward 1.5 (nats). A transition, at best a sigmoid, is rejected by ΔBIC 20.0 "
        "(odds of 22,000 to 1 against it); the next smooth curve, a broken power law, is behind by ΔBIC 3.5."
    )
    assert "A transition outside of 1,000 to 1e+06 weights would not be seen." in text
    ahead = write(finding("linear", bic=BIC | {"linear": 42.0}))
    assert "a power law is ahead of this by ΔBIC 2.0" in ahead
    assert "with an exponent that the data do not pin down." in write(finding("power_law", exponent_se=0.6))
    undecided = write(finding("power_law", delta_bic=3.0))
    assert "is ahead by ΔBIC 3.0 (odds of 4.5 to 1), but its two levels" in undecided


def test_the_breaks_of_a_power_law_are_placed():
    bend = Break(1e5, Interval(6e4, math.inf), -0.1, -0.7)
    text = write(finding("broken_power_law", breaks=(bend,)))
    assert "from -0.1 to -0.7 at 100,000 weights (95 % interval 60,000 to no bound)" in text
    assert "a place that the data do not pin down" in write(finding("broken_power_law"))


def test_a_step_is_as_wide_as_its_gap_at_most():
    text = write(finding("step"))
    assert "has a step between neighboring sizes, at 50,000 weights (95 % interval 40,000 to 60,000), at most " in text
    assert "0.50 decades (a factor of 3.16) wide" in text


def test_too_few_points_are_counted():
    text = write(finding("too few points", points=1, sizes=1, delta_bic=math.nan, p_value=math.nan))
    assert text == (
        "Skill at chess cannot be judged, having 1 point at 1 size. "
        "What could change this: at least seven points at five sizes."
    )


def test_of_several_data_sizes_the_least_sure_is_quoted():
    text = write(finding(data_size=64, delta_bic=30.0), finding(data_size=1024, delta_bic=9.0))
    assert "for 64 and 1,024 images" in text
    assert (
        "For 1,024 images, where the evidence is least, the best smooth curve, a power law, is rejected by ΔBIC 9.0"
        in text
    )
    smooth = write(finding("power_law", 64, delta_bic=-30.0), finding("power_law", 1024, delta_bic=-9.0))
    assert (
        "For 1,024 images, where the evidence is least, a transition, at best a sigmoid, is rejected by ΔBIC 9"
        in smooth
    )
    both = write(finding(data_size=64), finding("constant", 1024))
    assert re.search(r"has a crossover.*for 64 images\..*has no transition.*for 1,024 images\.", both)
    assert "where the evidence is least" not in both


def test_the_test_of_a_straight_line_counts_what_it_rejected():
    assert "is rejected (p = 0.012; false discovery rate 5 %)" in write(finding())
    text = write(finding(data_size=64, p_value=1e-4), finding(data_size=256, p_value=0.4, significant=False))
    assert "is rejected at 1 of 2 data sizes (p < 0.001 to 0.400;" in text


@pytest.mark.parametrize(
    ("mirage", "words"),
    [
        ("in the metric", "The jump is in the metric: validation loss of the same models drifts through that place"),
        ("in the model", "The jump is in the models: validation loss of the same models jumps there too"),
        ("undecided", "Validation loss of the same models cannot tell whether"),
    ],
)
def test_a_thresholded_metric_is_held_against_its_partner(mirage, words):
    test = {"mirage_test": SimpleNamespace(probability=np.float32(0.25))}
    text = write(finding(partner="loss", mirage=mirage, detectors=test))
    assert words in text
    assert "(probability = 0.250 that most of its change is a jump)" in text
    assert ("more seeds, for the test of the metric" in text) == (mirage == "undecided")
    assert "was not tested" in write(finding())
    assert "no jump that the metric alone could make" in write(finding("linear", partner="loss"))


def test_what_data_sizes_say_is_told_of_the_order_parameter_alone():
    def weighed(verdict, order=None, **changes):
        evidence = SimpleNamespace(metric="skill", verdict=verdict, reasons=("one reason", "another"), order=order)
        return write(*(finding(data_size=size, **changes) for size in (64, 256, 1024)), evidence=evidence)

    assert "Across data sizes this is a transition (continuous): one reason; another." in weighed(
        "transition (continuous)"
    )
    assert "does not sharpen as a phase transition would: one reason" in weighed("crossover")
    assert "Whether this is a phase transition is undecided: one reason; another." in weighed("undecided")
    wide, narrow = (SimpleNamespace(sharpening_interval=(-0.3, high)) for high in (0.84, 0.4))
    yet = "data sizes further apart, as its width may yet go as data size to the power -0.84"
    assert yet in weighed("crossover", wide)
    assert "may yet go" not in weighed("crossover", narrow) + weighed("undecided", wide)
    assert "three data sizes" not in weighed("crossover") and "at least 3 data sizes" not in weighed("crossover")
    metric_alone = weighed("transition (continuous)", mirage="in the metric", partner="loss")
    assert "it is the metric that sharpens and not the models: one reason" in metric_alone
    assert "the metric that sharpens" not in weighed("transition (continuous)", mirage="in the model", partner="loss")
    other = SimpleNamespace(metric="loss", verdict="crossover", reasons=("one reason",), order=None)
    text = write(*(finding(data_size=size) for size in (64, 256)), evidence=other, order_parameter="loss")
    assert "weighed for the order parameter alone, validation loss." in text and "one reason" not in text
    assert "at least 3 data sizes (2 so far)" in text


def test_what_limits_the_interval_is_told():
    by_seeds = write(finding(bootstrap_se=0.04))
    share = 100 * 2 * 1.96 * 0.04 / math.log10(1.5)
    assert f"more seeds, whose scatter is {share:.0f} % of the interval of 0.18 decades" in by_seeds
    by_sizes = write(finding(bootstrap_se=0.01))
    assert "sizes between 31,622.8 and 100,000, as the interval of 0.18 decades" in by_sizes
    assert "interval" not in write(finding(width=0.8)).split("What could change this")[1], "small beside the width"
    assert "as its interval has no end" in write(finding(interval=Interval(4e4, math.inf)))
    assert "nothing is known of their scatter" in write(finding(bootstrap_se=math.nan))


def test_what_was_not_measured_is_told():
    assert "models above 1e+06, where it ends" in write(finding(critical_size=9e5))
    assert "models below 1,000, where it begins" in write(finding(critical_size=1.1e3))
    edge = Slope(tuple(SIZES), (1.0,) * 7, (0.1,) * 7, 1e6, Interval(1e5, 1e6))
    assert "larger models, as the curve is steepest at the largest, 1e+06 weights" in write(
        finding("power_law", slope=edge)
    )
    assert "steepest" not in write(finding("linear", slope=edge))
    assert "about 2.0 times as many models" in write(finding("power_law", delta_bic=-3.0))
    assert "about 1.1 times as many models" in write(finding("power_law", delta_bic=-5.9))
    assert "as many models" not in write(finding("power_law", delta_bic=-7.0))
    assert "the outcome of 2 diverged models, left out here" in write(finding(diverged=2))


def test_curves_along_data_are_told_as_such():
    """No sentence speaks of models that were small or large, nor of data sizes where these are the sizes."""
    edge = Slope(tuple(SIZES), (1.0,) * 7, (0.1,) * 7, 1e6, Interval(1e5, 1e6))
    evidence = SimpleNamespace(metric="skill", verdict="crossover", reasons=("one reason",), order=None)
    along = {"axis": "data size"}
    for kind in SMOOTH:
        text = write(finding(kind, slope=edge), **along)
        assert ("of data size" in text or "on data size" in text) == (kind != "broken_power_law")
        assert "model size" not in text
    assert "larger data sets, as the curve is steepest at the largest" in write(
        finding("power_law", slope=edge), **along
    )
    assert "data sets above 1e+06, where it ends" in write(finding(critical_size=9e5), **along)
    pair = [finding(data_size=size) for size in (64, 256)]
    text = write(*pair, **along)
    assert "at least 3 model sizes (2 so far)" in text and "at 2 of 2 model sizes" in text and "data size" not in text
    assert "Across model sizes this is a crossover" in write(*pair, evidence=evidence, **along)
    other = SimpleNamespace(metric="loss", verdict="crossover", reasons=("one reason",), order=None)
    assert "Whether it sharpens with model size" in write(*pair, evidence=other, order_parameter="loss", **along)


def test_an_unknown_metric_is_refused():
    data = xr.Dataset({"skill": (("size", "seed"), np.zeros((7, 1)))}, {"params": ("size", SIZES)})
    with pytest.raises(InputError, match="metric is 'wit': choose from skill"):
        paragraph(Analysis(data, (finding(),), "skill"), "wit")


def test_no_missing_number_is_ever_written():
    """Whichever number is missing, a sentence is left out or says so."""
    nothing = Interval(math.nan, math.nan)
    missing = [
        {name: math.nan} for name in ("width", "bootstrap_se", "delta_bic", "p_value", "exponent", "exponent_se")
    ]
    missing += [{"interval": nothing}, {"slope": None}, {"bic": {}}, {"bic": BIC | {"power_law": math.nan}}]
    missing += [{"interval": Interval(0.0, math.inf)}, {"delta_bic": math.inf}]
    missing += [{"parameters": {"rate": math.nan, "low": math.nan, "high": math.nan, "floor": math.nan}}]
    for kind, changes in product((*SMOOTH, "sigmoid", "step", "too few points"), missing):
        text = write(finding(kind, **changes))
        assert not re.search(r"\b(nan|inf|None)\b", text), text
        assert text == write(dataclasses.replace(finding(kind, **changes))), "the same numbers give the same words"
