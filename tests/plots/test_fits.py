"""The band of a fit, against textbooks and against an independent least-squares program."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.stats import linregress, t

from jaxphase import plots
from jaxphase.detect import CurveKind, fit_sigmoid
from jaxphase.plots.fits import confidence_band, fit_band

SIZES = np.repeat(np.geomspace(1e4, 1e7, 12), 3)
DENSE = np.geomspace(1e4, 1e7, 7)
REFERENCE = 3e5


def sigmoid(size, center, rate, low, high):
    return low + (high - low) / (1 + np.exp(-rate * (np.log10(size) - center)))


def power_law(size, floor, amplitude, exponent):
    return floor + amplitude * (size / REFERENCE) ** exponent


def broken_power_law(size, a, log_b, c0, c1, log_d, f):
    x = size / REFERENCE
    return a + np.exp(log_b) * x**-c0 * (1 + (x / np.exp(log_d)) ** (1 / f)) ** (-c1 * f)


LAWS = {
    CurveKind.SIGMOID: (sigmoid, (5.4, -4.0, 0.1, 0.9)),
    CurveKind.POWER_LAW: (power_law, (0.3, 0.5, -0.4)),
    CurveKind.BROKEN_POWER_LAW: (broken_power_law, (0.2, 0.0, 0.1, 0.6, 0.5, 0.4)),
}


def named(kind, *p):
    """The parameters as a finding has them."""
    if kind == CurveKind.SIGMOID:
        return dict(zip(("center", "rate", "low", "high"), p, strict=True))
    if kind == CurveKind.POWER_LAW:
        return {"floor": p[0], "amplitude": p[1], "exponent": p[2], "reference": REFERENCE}
    return {"a": p[0], "b": np.exp(p[1]), "c": p[2:4], "d": [np.exp(p[4])], "f": [p[5]], "reference": REFERENCE}


@pytest.mark.parametrize("kind", LAWS)
def test_a_band_is_that_of_the_covariance_that_another_program_gives(kind):
    law, truth = LAWS[kind]
    y = law(SIZES, *truth) + 0.002 * np.random.default_rng(0).standard_normal(36)
    best, covariance = curve_fit(law, SIZES, y, p0=truth, xtol=1e-12, ftol=1e-12)
    steps = 1e-5 * np.diag(np.maximum(np.abs(best), 0.1))
    gradient = [(law(DENSE, *(best + step)) - law(DENSE, *(best - step))) / (2 * step.max()) for step in steps]
    half = t.ppf(0.975, 36 - len(best)) * np.sqrt(np.einsum("pm,pq,qm->m", gradient, covariance, gradient))
    value, low, high = confidence_band(kind, named(kind, *best), SIZES, y, DENSE)
    np.testing.assert_allclose(value, law(DENSE, *best), rtol=1e-9)
    np.testing.assert_allclose(high - value, half, rtol=2e-3)
    np.testing.assert_allclose(value - low, half, rtol=2e-3)


def test_bands_of_levels_and_lines_are_those_of_textbooks():
    x, y = np.log10(SIZES), np.random.default_rng(1).standard_normal(36) + np.log10(SIZES)
    value, low, high = confidence_band(CurveKind.CONSTANT, {}, SIZES, y, DENSE)
    ends = t.interval(0.95, 35, y.mean(), y.std(ddof=1) / 6)
    np.testing.assert_allclose([value, low, high], np.outer([y.mean(), *ends], np.ones(7)))
    line = linregress(x, y)
    value, low, high = confidence_band(CurveKind.LINEAR, {}, SIZES, y, DENSE)
    np.testing.assert_allclose(value, line.intercept + line.slope * np.log10(DENSE))
    error = np.hypot(line.stderr * (np.log10(DENSE) - x.mean()), line.stderr * x.std())
    np.testing.assert_allclose(high - low, 2 * t.ppf(0.975, 34) * error)
    lost = {"floor": np.nan, "amplitude": np.nan, "exponent": np.nan, "reference": REFERENCE}
    np.testing.assert_allclose(confidence_band(CurveKind.POWER_LAW, lost, SIZES, y, DENSE), (value, low, high))

    _, low, high = confidence_band(CurveKind.STEP, {"critical_size": 2e4}, SIZES, y, DENSE)
    first = SIZES < 2e4
    squares = sum(np.square(part - part.mean()).sum() for part in (y[first], y[~first]))
    error = np.sqrt(squares / 34) / np.sqrt([first.sum(), (~first).sum()])
    np.testing.assert_allclose((high - low)[[0, -1]], 2 * t.ppf(0.975, 34) * error)
    _, inside, above = confidence_band(CurveKind.STEP, {"critical_size": 2e4}, SIZES, y, np.array([1.9e4, 3.4e4]))
    np.testing.assert_allclose(inside, low[[0, 0]])
    np.testing.assert_allclose(above, high[[-1, -1]])


def test_the_band_of_a_sigmoid_holds_it_in_95_of_100():
    rng, x = np.random.default_rng(2), np.log10(SIZES)
    center, rate = rng.uniform(4.8, 6.2, (300, 1)), np.exp(rng.uniform(np.log(2), np.log(10), (300, 1)))
    truth = sigmoid(DENSE, center, rate, 0.1, 0.9)
    y = sigmoid(SIZES, center, rate, 0.1, 0.9) + 0.02 * rng.standard_normal((300, 36))
    fits = fit_sigmoid(x, y)
    fields = [np.asarray(getattr(fits, name), float) for name in ("center", "rate", "low", "high")]
    found = zip(np.stack(fields, axis=1), y, strict=True)
    bands = [
        confidence_band(CurveKind.SIGMOID, named(CurveKind.SIGMOID, *fit), SIZES, points, DENSE)
        for fit, points in found
    ]
    _, low, high = np.stack(bands, axis=1)
    assert 0.93 <= np.mean((low <= truth) & (truth <= high)) <= 0.97


def test_a_bend_that_no_point_sees_is_held():
    truth = (0.2, 0.0, 0.1, 0.6, 0.5, 0.02)
    y = broken_power_law(SIZES, *truth) + 0.002 * np.random.default_rng(3).standard_normal(36)
    _, low, high = confidence_band(
        CurveKind.BROKEN_POWER_LAW, named(CurveKind.BROKEN_POWER_LAW, *truth), SIZES, y, np.geomspace(1e4, 1e7, 200)
    )
    assert np.all(high - low < 0.02)


def test_no_band_without_a_point_for_the_noise_and_nothing_without_a_kind():
    value, low, high = confidence_band(CurveKind.LINEAR, {}, SIZES[[0, -1]], np.array([1.0, 2.0]), DENSE[[0, -1]])
    np.testing.assert_allclose(value, [1, 2])
    assert np.isnan(low).all() and np.isnan(high).all()
    assert np.isnan(confidence_band(CurveKind.TOO_FEW_POINTS, {}, SIZES[:2], np.ones(2), DENSE)).all()


def outlines(ax):
    return [area.get_paths()[0].vertices for area in ax.collections if area.get_zorder() == 1]


def test_the_band_is_drawn_as_far_as_the_panel_goes(analyzed):
    analysis = analyzed(["ability"])
    first, _ = outlines(plots.curve(analysis, "ability"))
    band = fit_band(analysis, analysis.findings[0], first[:200, 0])
    np.testing.assert_allclose(first[:200, 1], band.low)
    np.testing.assert_allclose(first[200:400, 1], band.high[::-1])
    assert np.all(band.high - band.low < 0.04)
    # Of three points a line has a wide band, as t is 12.7 with one degree of freedom: the axis is that of the points.
    analysis.dataset["ability"][:, [1, 2, 3, 5, 6, 7, 8]] = np.nan
    analysis.dataset["ability"][:, :, 1:] = np.nan
    found = dataclasses.replace(analysis.findings[0], kind=CurveKind.LINEAR, parameters={})
    ax = plots.curve(dataclasses.replace(analysis, findings=(found,)), "ability")
    assert np.ptp(outlines(ax)[0][:, 1]) > 3 * np.ptp(ax.get_ylim())
