"""Findings made by hand, so that what is drawn can be held against what was found."""

import math

import numpy as np
import pytest
import xarray as xr

from jaxphase.analysis import Analysis, Break, Evidence, Finding, Interval, Slope, TransitionKind
from jaxphase.detect import CurveKind
from jaxphase.scaling import Bimodality, Collapse, CollapseKind, Moment

SIZES = np.geomspace(1e3, 1e6, 10)
X = np.log10(SIZES)[:, None]
SHAPES = {
    "ability": (
        CurveKind.SIGMOID,
        0.1 + 0.8 / (1 + np.exp(-6 * (X - 4.5))),
        {"center": 4.5, "rate": 6, "low": 0.1, "high": 0.9},
    ),
    "falling": (
        CurveKind.SIGMOID,
        0.9 - 0.8 / (1 + np.exp(-6 * (X - 4.5))),
        {"center": 4.5, "rate": -6, "low": 0.1, "high": 0.9},
    ),
    "jump": (CurveKind.STEP, np.where(X < 4.5, 0.2, 0.7), {}),
    "loss": (
        CurveKind.POWER_LAW,
        1 + 2 * 10 ** (-0.5 * (X - 4)),
        {"floor": 1, "amplitude": 2, "exponent": -0.5, "reference": 1e4},
    ),
    "line": (CurveKind.LINEAR, 0.3 * X, {}),
    "flat": (CurveKind.CONSTANT, 0.4 + 0 * X, {}),
    "bent": (
        CurveKind.BROKEN_POWER_LAW,
        0.2 + 3 * 10 ** (-0.1 * (X - 4)) * (1 + 10 ** ((X - 5) / 0.3)) ** (-0.6 * 0.3),
        {"a": 0.2, "b": 3, "c": [0.1, 0.6], "d": [10], "f": [0.3], "reference": 1e4},
    ),
    "few": (CurveKind.TOO_FEW_POINTS, np.where(X < 4, 1.0, np.nan), {}),
}


def finding(metric, group, kind, parameters):
    critical, low, high = (10**4.5, 2e4, 5e4) if kind.is_transition else (math.nan,) * 3
    names = ("width", "bootstrap_se", "delta_bic", "straight_line_p", "exponent", "exponent_se")
    return Finding(
        metric=metric,
        group=group,
        kind=kind,
        critical_size=critical,
        interval=Interval(low, high),
        bic={},
        straight_line_rejected=False,
        parameters=parameters,
        slope=Slope(tuple(SIZES), (0.1, *(0.5,) * 8, 0.1), (0.05,) * 10, SIZES[4], Interval(SIZES[2], SIZES[6])),
        breaks=(Break(1e5, Interval(6e4, 2e5), -0.1, -0.7),) if kind == CurveKind.BROKEN_POWER_LAW else (),
        points=30,
        sizes=10,
        diverged=0,
        **dict.fromkeys(names, math.nan),
    )


def sized(sizes, groups, units=("parameters", "training images")):
    """The coordinates of curves over model size, one for each data size."""
    names = ("model_size", "data_size")
    words = [
        {"name": name, "long_name": name.replace("_", " "), "units": unit}
        for name, unit in zip(names, units, strict=True)
    ]
    return {"x": ("x", sizes, words[0]), "group": ("group", np.array(groups, float), words[1])}


def without_evidence(metric):
    """The evidence of curves with too few seeds and groups to weigh."""
    nothing = (of(*[np.nan] * len(of._fields)) for of in (Moment, Moment, Bimodality))
    return Evidence(metric, TransitionKind.UNDECIDED, *nothing)


def analyzed_by_hand(metrics=tuple(SHAPES), groups=(64, 1024), order_parameter="ability"):
    """Three seeds about each shape by -0.01, 0 and 0.01; one of them is missing at one size."""
    variables, findings = {}, []
    for metric in metrics:
        kind, shape, parameters = SHAPES[metric]
        values = np.tile(shape + np.array([-0.01, 0, 0.01]), (len(groups), 1, 1))
        values[0, 4, 1] = np.nan
        attributes = {"long_name": f"long name of {metric}", "units": "nats"}
        variables[metric] = (("group", "x", "seed"), values, attributes)
        findings += [finding(metric, size, kind, parameters) for size in groups]
    data = xr.Dataset(variables, sized(SIZES, groups))
    return Analysis(data, tuple(findings), order_parameter, without_evidence(order_parameter))


@pytest.fixture(scope="session")
def analyzed():
    return analyzed_by_hand


@pytest.fixture(scope="session")
def shapes():
    """The kind, values [10, 1] and parameters of each metric."""
    return SHAPES


@pytest.fixture(scope="session")
def sharpening():
    """Curves f((log10(size) - 4.6) * sqrt(data size / 64)) with f(x) = 0.5 + 0.4 tanh(x), and their evidence."""
    rng, groups, sizes = np.random.default_rng(0), np.array([64, 256, 1024]), np.geomspace(1e3, 1e6, 12)
    x = (np.log10(sizes) - 4.6) * np.sqrt(groups[:, None] / 64)
    values = (0.5 + 0.4 * np.tanh(x))[..., None] + 0.01 * rng.normal(size=(3, 12, 8))
    data = xr.Dataset({"ability": (("group", "x", "seed"), values)}, sized(sizes, groups, ("params", "data_size")))
    findings = tuple(finding("ability", size, *SHAPES["ability"][::2]) for size in groups.tolist())
    moments = []
    for center in (0.1, 0.3):
        value = center + 0.05 * rng.random((3, 12))
        moments.append(Moment(value, None, np.stack([0.8 * value, 1.5 * value], -1), np.zeros((3, 12), int)))
    nothing = dict.fromkeys(Collapse._fields, math.nan)
    known = {
        "kind": CollapseKind.TRANSITION,
        "critical": 4.6,
        "inverse_nu": 0.5,
        "critical_interval": np.array([4.55, 4.65]),
    }
    found = Collapse(**nothing | known | {"exponent": np.array([0.0])})
    bimodality = Bimodality(*[np.full((3, 12), np.nan)] * len(Bimodality._fields))
    evidence = Evidence("ability", TransitionKind.CONTINUOUS, *moments, bimodality, None, found)
    return Analysis(data, findings, "ability", evidence)
