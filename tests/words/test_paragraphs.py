"""Paragraphs on findings made by hand: every number in them can be held against what was found."""

import dataclasses
import math
import re
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from jaxphase.analysis import Analysis, Break, Evidence, Finding, Interval, Slope, TransitionKind
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.errors import InputError
from jaxphase.scaling import Bimodality, Moment, Order
from jaxphase.words import paragraph, paragraphs

SIZES = np.geomspace(1e3, 1e6, 7)  # half a decade apart
BIC = {"constant": 90.0, "linear": 70.0, "power_law": 40.0, "broken_power_law": 43.5, "sigmoid": 60.0, "step": 64.0}
PARAMETERS = {
    CurveKind.SIGMOID: {"center": 4.7, "rate": 6.0, "low": 0.1, "high": 0.9},
    CurveKind.POWER_LAW: {"floor": 1.5, "amplitude": 2.0, "exponent": -0.5, "reference": 1e4},
}
SMOOTH = [kind for kind in CurveKind if kind.is_smooth]
MODEL_SIZE, DATA_SIZE = ({"name": name, "long_name": name.replace("_", " ")} for name in ("model_size", "data_size"))


def finding(kind=CurveKind.SIGMOID, group=None, **changes):
    """A crossover or a step at 50,000, or a smooth curve; changes take the place of fields."""
    jumps, power_law = kind.is_transition, kind == CurveKind.POWER_LAW
    fields = {
        "metric": "skill",
        "group": group,
        "kind": kind,
        "critical_size": 5e4 if jumps else math.nan,
        "interval": Interval(4e4, 6e4) if jumps else Interval(math.nan, math.nan),
        "width": 0.5 if jumps else math.nan,
        "bootstrap_se": 0.01 if jumps else math.nan,
        "delta_bic": 12.0 if jumps else -20.0,
        "bic": BIC | ({kind.name.lower(): 28.0} if jumps else {}),
        "straight_line_p": 0.0123,
        "straight_line_rejected": True,
        "exponent": -0.5 if power_law else math.nan,
        "exponent_se": 0.0374 if power_law else math.nan,
        "parameters": PARAMETERS.get(kind, {}),
        "slope": Slope(tuple(SIZES), (1.0,) * 7, (0.1,) * 7, SIZES[3], Interval(SIZES[2], SIZES[4])),
        "points": 21,
        "sizes": 7,
        "diverged": 0,
    }
    return Finding(**fields | changes)


def weighed(kind=TransitionKind.UNDECIDED, metric="skill", sharpening_interval=None):
    """Evidence of a kind; with an interval of the power with which the width shrinks, if one is given."""
    moment, bimodality, order = (of(*[np.nan] * len(of._fields)) for of in (Moment, Bimodality, Order))
    known = sharpening_interval is not None
    order = order._replace(sharpening_interval=np.array(sharpening_interval)) if known else None
    return Evidence(metric, kind, moment, moment, bimodality, order)


def write(*findings, evidence=None, order_parameter="skill", along=MODEL_SIZE):
    """The paragraph on the metric of the first finding."""
    groups = [np.nan if found.group is None else found.group for found in findings]
    second = DATA_SIZE if along is MODEL_SIZE else MODEL_SIZE
    coordinates = {
        "group": ("group", np.array(groups, float), second | {"units": "images"}),
        "x": ("x", SIZES, along | {"units": "weights"}),
    }
    values = np.zeros((len(groups), 7, 3))
    names = {"skill": {"long_name": "skill at chess", "units": "nats"}, "loss": {"long_name": "validation loss"}}
    data = xr.Dataset({name: (("group", "x", "seed"), values, words) for name, words in names.items()}, coordinates)
    return paragraph(Analysis(data, findings, order_parameter, evidence or weighed()), findings[0].metric)


@pytest.fixture
def two_reasons(monkeypatch):
    """Whatever the evidence, two reasons for it."""
    monkeypatch.setattr(paragraphs, "reasons", lambda _: ("one reason", "another"))


def test_a_crossover_is_told_with_its_place_levels_and_width():
    text = write(finding())
    assert text.startswith(
        "Skill at chess has a crossover, a sigmoid in log size, from 0.1 to 0.9 (nats), centered at 50,000 weights "
        "(95 % interval 40,000 to 60,000), with 10 to 90 % of it within 0.50 decades (a factor of 3.16)."
    )
    falling = finding(parameters=PARAMETERS[CurveKind.SIGMOID] | {"rate": -6.0})
    assert "from 0.9 to 0.1 (nats)" in write(falling)


def test_the_best_alternative_is_named_with_its_odds():
    text = write(finding(delta_bic=12.0))
    assert "The best smooth curve, a power law, is rejected by ΔBIC 12.0 (odds of 400 to 1 against it)." in text
    assert math.exp(12.0 / 2) == pytest.approx(400, rel=0.02)
    assert "more than a million to 1" in write(finding(delta_bic=60.0))
    assert "a power law, is ahead by ΔBIC 1.4 (odds of 2 to 1), but by less than a bent" in write(
        finding(delta_bic=-1.4)
    )


def test_no_transition_is_an_answer_of_its_own():
    text = write(finding(CurveKind.POWER_LAW))
    assert text.startswith(
        "Skill at chess has no transition: it follows a power law of model size between 1,000 and 1e+06 weights, "
        "with exponent -0.500 ± 0.037 toward 1.5 (nats). A transition, at best a sigmoid, is rejected by ΔBIC 20.0 "
        "(odds of 22,000 to 1 against it); the next smooth curve, a broken power law, is behind by ΔBIC 3.5."
    )
    assert "A transition outside of 1,000 to 1e+06 weights would not be seen." in text
    ahead = write(finding(CurveKind.LINEAR, bic=BIC | {"linear": 42.0}))
    assert "a power law is ahead by ΔBIC 2.0, too little for its extra parameters" in ahead
    assert "with an exponent that the data do not pin down." in write(finding(CurveKind.POWER_LAW, exponent_se=0.6))
    undecided = write(finding(CurveKind.POWER_LAW, delta_bic=3.0))
    assert "is ahead by ΔBIC 3.0 (odds of 4.5 to 1), but one of its two levels lies outside" in undecided


def test_the_breaks_of_a_power_law_are_placed():
    bend = Break(1e5, Interval(6e4, math.inf), -0.1, -0.7)
    text = write(finding(CurveKind.BROKEN_POWER_LAW, breaks=(bend,)))
    assert "from -0.1 to -0.7 at 100,000 weights (95 % interval 60,000 to no bound)" in text
    assert "at a size that the data do not pin down" in write(finding(CurveKind.BROKEN_POWER_LAW))


def test_a_step_is_as_wide_as_its_gap_at_most():
    text = write(finding(CurveKind.STEP))
    assert "has a step between neighboring sizes, at 50,000 weights (95 % interval 40,000 to 60,000), at most " in text
    assert "0.50 decades (a factor of 3.16) wide" in text


def test_too_few_points_are_counted():
    text = write(finding(CurveKind.TOO_FEW_POINTS, points=1, sizes=1, delta_bic=math.nan, straight_line_p=math.nan))
    assert text == (
        "Skill at chess cannot be judged, with 1 point at 1 size. "
        "What could change this: at least seven points at five sizes."
    )


def test_of_several_data_sizes_the_least_sure_is_quoted():
    text = write(finding(group=64, delta_bic=30.0), finding(group=1024, delta_bic=9.0))
    assert "for 64 and 1,024 images" in text
    assert (
        "For 1,024 images, where the evidence is weakest, the best smooth curve, a power law, is rejected by ΔBIC 9.0"
        in text
    )
    smooth = write(
        finding(CurveKind.POWER_LAW, 64, delta_bic=-30.0), finding(CurveKind.POWER_LAW, 1024, delta_bic=-9.0)
    )
    assert (
        "For 1,024 images, where the evidence is weakest, a transition, at best a sigmoid, is rejected by ΔBIC 9"
        in smooth
    )
    both = write(finding(group=64), finding(CurveKind.CONSTANT, 1024))
    assert re.search(r"has a crossover.*for 64 images\..*has no transition.*for 1,024 images\.", both)
    assert "where the evidence is weakest" not in both


def test_the_test_of_a_straight_line_counts_what_it_rejected():
    assert "is rejected (p = 0.012; false discovery rate 5 %)" in write(finding())
    text = write(
        finding(group=64, straight_line_p=1e-4), finding(group=256, straight_line_p=0.4, straight_line_rejected=False)
    )
    assert "is rejected at 1 of 2 data sizes (p < 0.001 to 0.400;" in text


@pytest.mark.parametrize(
    ("mirage", "words"),
    [
        (
            MirageKind.IN_THE_METRIC,
            "The jump is in the metric: validation loss of the same models drifts through that size",
        ),
        (MirageKind.IN_THE_MODEL, "The jump is in the models: validation loss of the same models jumps there too"),
        (MirageKind.UNDECIDED, "Validation loss of the same models cannot tell whether"),
    ],
)
def test_a_thresholded_metric_is_held_against_its_partner(mirage, words):
    test = {"mirage_test": SimpleNamespace(probability=np.float32(0.25))}
    text = write(finding(partner="loss", mirage=mirage, detectors=test))
    assert words in text
    assert "(probability = 0.250 that most of its change is a jump)" in text
    assert ("more seeds, to tell whether the metric makes the jump" in text) == (mirage == MirageKind.UNDECIDED)
    assert "was not tested" in write(finding())
    assert "There is no jump that the metric alone could have made, so validation loss was not asked." in write(
        finding(CurveKind.LINEAR, partner="loss")
    )


def test_what_groups_say_is_told_of_the_order_parameter_alone(two_reasons):
    def said(kind, sharpening_interval=None, **changes):
        evidence = weighed(kind, sharpening_interval=sharpening_interval)
        return write(*(finding(group=size, **changes) for size in (64, 256, 1024)), evidence=evidence)

    continuous, crossover, undecided = (
        TransitionKind.CONTINUOUS,
        TransitionKind.CROSSOVER,
        TransitionKind.UNDECIDED,
    )
    assert "Across data sizes this is a transition (continuous): one reason; another." in said(continuous)
    first_order = said(TransitionKind.FIRST_ORDER)
    assert "Across data sizes this is a transition (first order): one reason; another." in first_order
    assert "this is a crossover, which does not sharpen as a phase transition would: one reason" in said(crossover)
    assert "Whether this is a phase transition is undecided: one reason; another." in said(undecided)
    assert "one reason" not in said(TransitionKind.NONE)
    wide, narrow = (-0.3, 0.84), (-0.3, 0.4)
    yet = "data sizes further apart: the width may still shrink as data size to the power -0.84"
    assert yet in said(crossover, wide)
    assert "may still shrink" not in said(crossover, narrow) + said(undecided, wide)
    assert "three data sizes" not in said(crossover) and "at least 3 data sizes" not in said(crossover)
    metric_alone = said(continuous, mirage=MirageKind.IN_THE_METRIC, partner="loss")
    assert "as the jump is in the metric, the metric sharpens and not the models: one reason" in metric_alone
    in_models = said(continuous, mirage=MirageKind.IN_THE_MODEL, partner="loss")
    assert "the metric sharpens" not in in_models
    other = weighed(crossover, metric="loss")
    text = write(*(finding(group=size) for size in (64, 256)), evidence=other, order_parameter="loss")
    assert "was asked for the order parameter alone, validation loss." in text and "one reason" not in text
    assert "at least 3 data sizes (2 so far)" in text


def test_what_limits_the_interval_is_told():
    by_seeds = write(finding(bootstrap_se=0.04))
    share = 100 * 2 * 1.96 * 0.04 / math.log10(1.5)
    assert f"more seeds, whose scatter makes {share:.0f} % of the interval of 0.18 decades" in by_seeds
    by_sizes = write(finding(bootstrap_se=0.01))
    explained = "as the scatter of seeds explains less than half of the interval of 0.18 decades"
    assert f"sizes between 31,622.8 and 100,000, {explained}" in by_sizes
    assert "interval" not in write(finding(width=0.8)).split("What could change this")[1], "small beside the width"
    assert "as its interval has no end" in write(finding(interval=Interval(4e4, math.inf)))
    assert "more seeds, as their scatter is unknown" in write(finding(bootstrap_se=math.nan))


def test_what_was_not_measured_is_told():
    assert "models above 1e+06, where the change ends" in write(finding(critical_size=9e5))
    assert "models below 1,000, where the change begins" in write(finding(critical_size=1.1e3))
    edge = Slope(tuple(SIZES), (1.0,) * 7, (0.1,) * 7, 1e6, Interval(1e5, 1e6))
    assert "larger models, as the curve is steepest at the largest, 1e+06 weights" in write(
        finding(CurveKind.POWER_LAW, slope=edge)
    )
    assert "steepest" not in write(finding(CurveKind.LINEAR, slope=edge))
    assert "about 2.0 times as many models" in write(finding(CurveKind.POWER_LAW, delta_bic=-3.0))
    assert "about 1.1 times as many models" in write(finding(CurveKind.POWER_LAW, delta_bic=-5.9))
    assert "as many models" not in write(finding(CurveKind.POWER_LAW, delta_bic=-7.0))
    assert "the outcome of 2 diverged models, left out here" in write(finding(diverged=2))


def test_curves_along_data_are_told_as_such(two_reasons):
    """No sentence speaks of models that were small or large, nor of data sizes where these are the sizes."""
    edge = Slope(tuple(SIZES), (1.0,) * 7, (0.1,) * 7, 1e6, Interval(1e5, 1e6))
    along = {"along": DATA_SIZE}
    for kind in SMOOTH:
        text = write(finding(kind, slope=edge), **along)
        assert ("of data size" in text or "on data size" in text) == (kind != CurveKind.BROKEN_POWER_LAW)
        assert "model size" not in text
    assert "larger data sets, as the curve is steepest at the largest" in write(
        finding(CurveKind.POWER_LAW, slope=edge), **along
    )
    assert "data sets above 1e+06, where the change ends" in write(finding(critical_size=9e5), **along)
    pair = [finding(group=size) for size in (64, 256)]
    text = write(*pair, **along)
    assert "at least 3 model sizes (2 so far)" in text and "at 2 of 2 model sizes" in text and "data size" not in text
    crossover = weighed(TransitionKind.CROSSOVER)
    assert "Across model sizes this is a crossover" in write(*pair, evidence=crossover, **along)
    other = weighed(TransitionKind.CROSSOVER, metric="loss")
    text = write(*pair, evidence=other, order_parameter="loss", **along)
    assert "Whether the change sharpens with model size" in text


def test_an_unknown_metric_is_refused():
    data = xr.Dataset({"skill": (("group", "x", "seed"), np.zeros((1, 7, 1)))}, {"x": SIZES, "group": [np.nan]})
    with pytest.raises(InputError, match="metric is 'wit': choose from skill"):
        paragraph(Analysis(data, (finding(),), "skill", weighed()), "wit")


def test_no_missing_number_is_ever_written():
    """Whichever number is missing, a sentence is left out or says so."""
    nothing = Interval(math.nan, math.nan)
    missing = [
        {name: math.nan}
        for name in ("width", "bootstrap_se", "delta_bic", "straight_line_p", "exponent", "exponent_se")
    ]
    missing += [{"interval": nothing}, {"slope": None}, {"bic": {}}, {"bic": BIC | {"power_law": math.nan}}]
    missing += [{"interval": Interval(0.0, math.inf)}, {"delta_bic": math.inf}]
    missing += [{"parameters": {"rate": math.nan, "low": math.nan, "high": math.nan, "floor": math.nan}}]
    for kind, changes in product(CurveKind, missing):
        text = write(finding(kind, **changes))
        assert not re.search(r"\b(nan|inf|None)\b", text), text
        assert text == write(dataclasses.replace(finding(kind, **changes))), "the same numbers give the same words"
