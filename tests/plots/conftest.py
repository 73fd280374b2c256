"""Findings made by hand, so that what is drawn can be held against what was found."""

import math

import numpy as np
import pytest
import xarray as xr

from jaxphase.analysis.evidence import Evidence
from jaxphase.analysis.findings import Analysis, Break, Finding, Interval, Slope
from jaxphase.scaling import Collapse, Moment

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


def analysed_by_hand(metrics=tuple(SHAPES), data_sizes=(64, 1024), order_parameter="ability"):
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


@pytest.fixture(scope="session")
def analysed():
    return analysed_by_hand


@pytest.fixture(scope="session")
def shapes():
    """The kind, values [10, 1] and parameters of each metric."""
    return SHAPES


@pytest.fixture(scope="session")
def sharpening():
    """Curves f((log10(size) - 4.6) * sqrt(data size / 64)) with f(x) = 0.5 + 0.4 tanh(x), and their evidence."""
    rng, data_sizes, params = np.random.default_rng(0), np.array([64, 256, 1024]), np.geomspace(1e3, 1e6, 12)
    x = (np.log10(params) - 4.6) * np.sqrt(data_sizes[:, None] / 64)
    values = (0.5 + 0.4 * np.tanh(x))[..., None] + 0.01 * rng.normal(size=(3, 12, 8))
    data = xr.Dataset(
        {"ability": (("data_size", "size", "seed"), values)},
        {"params": ("size", params), "data_size": ("data_size", data_sizes)},
    )
    findings = tuple(finding("ability", size, *SHAPES["ability"][::2]) for size in data_sizes.tolist())
    moments = []
    for center in (0.1, 0.3):
        value = center + 0.05 * rng.random((3, 12))
        moments.append(Moment(value, None, np.stack([0.8 * value, 1.5 * value], -1), np.zeros((3, 12), int)))
    nothing = dict.fromkeys(Collapse._fields, math.nan)
    known = {"kind": 0, "critical": 4.6, "inverse_nu": 0.5, "critical_interval": np.array([4.55, 4.65])}
    found = Collapse(**nothing | known | {"exponent": np.array([0.0])})
    evidence = Evidence("ability", "transition (continuous)", ("it sharpens",), *moments, None, None, found)
    return Analysis(data, findings, "ability", evidence)
