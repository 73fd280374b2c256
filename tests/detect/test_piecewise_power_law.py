import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import kstest, t

from jaxphase.detect import fit_piecewise_power_law
from jaxphase.detect.piecewise_power_law import fit_broken_line

pytestmark = pytest.mark.usefixtures("optimized")
DECADES = np.linspace(0, 3, 40)


def fit(x, y, weight=1.0, detector=fit_broken_line):
    """The detector in one compiled shape for all tests: filled up with missing points and with copies of a curve."""
    x, y, weight = np.broadcast_arrays(x, np.atleast_2d(y), weight)
    count, n = y.shape
    lanes, points = np.append(np.arange(count), np.zeros(2000 - count, int)), ((0, 0), (0, 40 - n))
    x, y, weight = (np.pad(a[lanes], points, constant_values=filler) for a, filler in ((x, 1), (y, 1), (weight, 0)))
    return jax.tree.map(lambda field: np.asarray(field[:count]), detector(x, y, weight=weight))


fit_law = functools.partial(fit, detector=fit_piecewise_power_law)


def broken(x, start, *changes):
    """A line of slope `start` that changes by the second of each pair at the first."""
    return start * x + sum(change * np.maximum(x - place, 0) for place, change in changes)


def with_noise(line, count, noise, seed=0):
    return line + noise * np.random.default_rng(seed).standard_normal((count, len(line)))


def residual_sum(x, y, weight, breaks):
    """Weighted sum of squares about the best line with these breaks."""
    columns = np.stack([np.ones_like(x), x, *(np.maximum(x - place, 0) for place in breaks)], axis=1)
    root = np.sqrt(weight)
    best = np.linalg.lstsq(root[:, None] * columns, root * y, rcond=1e-12)[0]
    return np.sum(weight * (y - columns @ best) ** 2)


def sums_of_squares(result, n):
    """What bic says about the fits with 0, 1 and 2 breaks."""
    k = np.arange(3)
    return n * np.exp((np.asarray(result.bic) - (2 + 2 * k) * np.log(n)) / n)


def shares_held(result, breaks, exponents):
    """How often the intervals of curves with so many breaks hold the truth, for each break and each exponent."""
    k = len(breaks)
    intervals = np.concatenate([result.break_interval[:, :k], result.exponent_interval[:, : k + 1]], axis=1)
    truth = np.append(breaks, exponents)
    held = (intervals[..., 0] <= truth) & (truth <= intervals[..., 1])
    return np.mean(held[result.n_breaks == k], axis=0)


def assert_same(result, expected, rtol=0.0, skip=()):
    for name in expected._fields:
        if name not in skip:
            a, b = getattr(result, name), getattr(expected, name)
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.nanmax(np.abs(b), initial=0), err_msg=name)


@pytest.fixture(scope="module")
def oracle():
    """Curves on x of their own, a third with repeated ones and half with weights, and the answer in float64."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 3, (120, 20)), axis=1)
    x[::3] = np.round(x[::3] * 4) / 4
    weight = np.where(np.arange(120)[:, None] % 2, 1, rng.uniform(0.2, 3, (120, 20)))
    first, second = rng.uniform(0.3, 2.7, (2, 120, 1))
    y = x - 1.5 * np.maximum(x - first, 0) + np.arange(120)[:, None] % 4 * np.maximum(x - second, 0)
    y += rng.choice([0.01, 0.1, 1], (120, 1)) * rng.standard_normal((120, 20))
    with jax.enable_x64(True):
        result = fit_broken_line(x, y, weight=weight, draws=199)
    return x, y, weight / weight.mean(axis=1, keepdims=True), jax.tree.map(np.asarray, result)


@pytest.fixture(scope="module")
def curves():
    """With no break, one, two and an outlier at the start; two seeds of each x."""
    x = np.repeat(DECADES[::2], 2)
    lines = [broken(x, -0.6), broken(x, -0.6, (1.4, 1)), broken(x, 0.6, (1, -1), (2, 1.5)), 1.0 * (x == 0)]
    y = np.stack(lines) + with_noise(np.zeros(40), 4, 0.05, seed=3)
    return x, y, fit(x, y)


def test_the_example_of_piecewise_regression_is_reproduced():
    # README of piecewise-regression 1.5.0. Its standard errors are those that the derivatives of the answer give.
    np.random.seed(0)  # noqa: NPY002
    x = np.linspace(0, 20, 200)
    y = broken(x, -4, (7, 2)) + 100 + np.random.normal(size=200)  # noqa: NPY002

    def estimates(y):
        result = fit_broken_line(x, y, max_breaks=1)
        return jnp.stack([result.amplitude, *result.exponents, result.breaks[0]]), result

    with jax.enable_x64(True):
        slopes, result = jax.jit(jax.vmap(jax.jacrev(estimates, has_aux=True)))(y[None])
    result = jax.tree.map(lambda field: field[0], result)
    assert (result.n_breaks, result.status) == (1, 0)
    np.testing.assert_allclose(result.breaks, [6.48706], atol=1e-5)
    np.testing.assert_allclose(result.amplitude, 100.726, atol=5e-4)
    np.testing.assert_allclose(result.exponents, [-4.21998, -2.03084], atol=1e-5)
    np.testing.assert_allclose(result.sse, 193.264373, atol=1e-6)
    np.testing.assert_allclose(result.bic, [421.09, 14.342], atol=5e-3)
    level, before, after, place = np.asarray(slopes[0])
    errors = np.linalg.norm([level, before, after - before, place], axis=1) * np.sqrt(float(result.sse) / 196)
    np.testing.assert_allclose(errors, [0.24352, 0.06532, 0.06887, 0.13705], atol=1e-5)
    np.testing.assert_allclose(np.ptp(result.break_interval), 2 * t.ppf(0.975, 196) * 0.13705, rtol=0.04)


def test_five_points_are_enough_for_one_break():
    # pwlf's own test goes from 6 to 6.0705297, a local optimum; its global search finds what this does.
    x, y = np.array([4.0, 5, 6, 7, 8]), np.array([11, 13, 16, 28.92, 42.81])
    result = fit(x, y)
    assert result.n_breaks == 1
    np.testing.assert_allclose(result.breaks[0], [5.92649423, np.nan], rtol=1e-6)
    np.testing.assert_allclose(result.sse, 0.15681667, rtol=1e-4)
    assert residual_sum(x, y, np.ones(5), [6.0705297]) > 0.1666


def test_no_other_break_is_better(oracle):
    x, y, weight, result = oracle
    found = sums_of_squares(result, 20)[:, 1]
    for xi, yi, wi, sse in zip(x, y, weight, found, strict=True):
        low, high = np.unique(xi)[[1, -2]]
        grid = np.linspace(low, high, 200)
        sums = [residual_sum(xi, yi, wi, [place]) for place in grid]
        for i in np.argsort(sums)[:3]:
            bounds = grid[max(i - 1, 0)], grid[min(i + 1, 199)]
            local = minimize_scalar(lambda place: residual_sum(xi, yi, wi, [place]), bounds=bounds)  # noqa: B023
            assert sse <= min(local.fun, *sums) * (1 + 1e-6)
    one = result.n_breaks == 1
    attained = [residual_sum(*curve) for curve in zip(x[one], y[one], weight[one], result.breaks[one, :1], strict=True)]
    np.testing.assert_allclose(attained, result.sse[one], rtol=1e-9)
    assert np.sum(one) > 20


def test_no_other_pair_of_breaks_is_better(oracle):
    x, y, weight, result = oracle
    found = sums_of_squares(result, 20)[:, 2]
    for xi, yi, wi, sse in zip(x[:12], y[:12], weight[:12], found[:12], strict=True):
        low, high = np.unique(xi)[[1, -2]]
        grid = np.unique(np.append(np.linspace(low, high, 30), xi[(xi >= low) & (xi <= high)]))
        pairs = [(a, b) for i, a in enumerate(grid) for b in grid[i + 1 :]]
        sums = np.array([residual_sum(xi, yi, wi, pair) for pair in pairs])
        for i in np.argsort(sums)[:3]:
            clipped = lambda pair: residual_sum(xi, yi, wi, np.clip(pair, low, high))  # noqa: B023, E731
            local = minimize(clipped, pairs[i], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12})
            assert sse <= min(local.fun, sums.min()) * (1 + 1e-6)
    two = result.n_breaks == 2
    attained = [residual_sum(*curve) for curve in zip(x[two], y[two], weight[two], result.breaks[two], strict=True)]
    np.testing.assert_allclose(attained, result.sse[two], rtol=1e-9)
    assert np.sum(two) > 20


def test_intervals_of_two_breaks_end_at_the_other(oracle):
    *_, result = oracle
    first, second = result.breaks[result.n_breaks == 2].T
    interval = result.break_interval[result.n_breaks == 2]
    assert np.all(interval[:, 0, 1] <= second)
    assert np.all(interval[:, 1, 0] >= first)


def test_intervals_are_the_ends_of_the_profile(oracle):
    # The ends are interpolated: measured on 39 curves, to 1.2 % of the interval.
    x, y, weight, result = oracle
    for i in np.flatnonzero(result.n_breaks == 1):
        sse = functools.partial(residual_sum, x[i], y[i], weight[i])
        (low, high), best, noise = np.unique(x[i])[[1, -2]], result.breaks[i, 0], result.sse[i] / 16
        near = best + np.linspace(-1, 1, 301) * np.ptp(result.break_interval[i, 0])
        places = np.clip(np.concatenate([np.linspace(low, high, 301), near, [best]]), low, high)
        bound = noise * t.ppf(0.975, 16) ** 2 * (1 + 8 * noise / (sse([]) - result.sse[i]))
        kept = places[np.array([sse([place]) for place in places]) - result.sse[i] <= bound]
        expected = [x[i, 0] if kept.min() == low else kept.min(), x[i, -1] if kept.max() == high else kept.max()]
        np.testing.assert_allclose(result.break_interval[i, 0], expected, atol=0.03 * np.ptp(expected))


@pytest.mark.parametrize("n", [8, 10, 15, 30])
def test_p_values_of_noise_are_uniform(n):
    # Measured on 10,000 curves, and for n = 100: 4.6 to 5.6 % below 0.05, with an error of 0.3 %.
    x = np.sort(np.random.default_rng(n).uniform(0, 3, n))
    result = fit(x, with_noise(-0.7 * x, 2000, 0.1, seed=1))
    assert kstest(result.p_value, "uniform").pvalue > 1e-3
    assert 0.035 < np.mean(result.p_value <= 0.05) < 0.065
    np.testing.assert_array_equal(result.n_breaks > 0, result.p_value <= 0.05)
    assert np.mean(result.n_breaks == 2) < 0.025


@pytest.mark.parametrize(("n", "place"), [(10, 1.5), (20, 1.5), (40, 0.5), (40, 1.5)])
def test_of_curves_with_one_break_one_in_twenty_has_two(n, place):
    # Measured on 5,000 curves for F from 10 to 10,000 and n from 8 to 100: 1.5 to 5.1 %.
    x = np.linspace(0, 3, n)
    result = fit(x, with_noise(broken(x, -0.6, (place, 1)), 2000, 0.015 * n**0.5))
    assert np.mean(result.n_breaks > 0) > 0.99
    assert 0.015 < np.mean(result.n_breaks == 2) < 0.065


@pytest.mark.parametrize(("noise", "power"), [(0.02, 1), (0.05, 1), (0.08, 0.99), (0.15, 0.68)])
def test_intervals_hold_one_break_and_its_exponents(noise, power):
    # Measured on 4,000 curves: 94.9 to 95.2 % for the break, 94.9 to 96.2 % for the exponents.
    result = fit(DECADES, with_noise(broken(DECADES, -0.6, (1.5, 0.35)), 2000, noise, seed=1))
    assert np.mean(result.n_breaks > 0) >= power
    shares = shares_held(result, [1.5], [-0.6, -0.25])
    assert np.all((shares > 0.93) & (shares < 0.975))


@pytest.mark.parametrize("changes", [(0.5, -0.5), (-1.0, 1.5)])
def test_intervals_hold_two_breaks_and_their_exponents(changes):
    # Measured on 2,000 curves: 94.3 to 95.4 % for the breaks, 94.4 to 96.2 % for the exponents.
    line = broken(DECADES, -0.6, (1, changes[0]), (2, changes[1]))
    result = fit(DECADES, with_noise(line, 2000, 0.03, seed=1))
    assert np.all(result.n_breaks == 2)
    shares = shares_held(result, [1, 2], np.cumsum([-0.6, *changes]))
    assert np.all((shares > 0.93) & (shares < 0.975))


def test_laws_without_noise_are_recovered():
    x, places = np.geomspace(1, 1e3, 40), ([], [3.4], [2.1, 4.9], [])
    changes = [], [(3.4, -0.5)], [(2.1, -0.5), (4.9, 0.9)]
    y = [np.exp(broken(np.log(x), -0.3, *change)) for change in changes]
    result = fit_law(x, 2 * np.vstack([*y, np.ones(40)]))
    np.testing.assert_array_equal(result.n_breaks, [0, 1, 2, 0])
    np.testing.assert_array_equal(result.status, 0)
    np.testing.assert_allclose(result.amplitude, 2, rtol=1e-5)
    # A line without any break leaves only rounding, of which nothing can be said.
    np.testing.assert_array_equal(result.p_value == 1, [True, False, False, True])
    result = result._replace(break_interval=np.log(result.break_interval))
    for i, exponents in enumerate(([-0.3], [-0.3, -0.8], [-0.3, -0.8, 0.1], [0])):
        np.testing.assert_allclose(np.log(result.breaks[i, : len(places[i])]), places[i], atol=1e-5)
        np.testing.assert_allclose(result.exponents[i, : len(exponents)], exponents, atol=2e-6)
        assert np.all(shares_held(jax.tree.map(lambda field: field[[i]], result), places[i], exponents) == 1)  # noqa: B023
        assert np.all(np.isnan(result.breaks[i, len(places[i]) :]))
        assert np.all(np.isnan(result.exponents[i, len(exponents) :]))
    assert np.nanmax(np.ptp(result.break_interval, axis=-1)) < 2e-4
    assert np.nanmax(np.ptp(result.exponent_interval, axis=-1)) < 2e-4
    straight = fit_law(x, x ** np.random.default_rng(0).uniform(-1, 1, (500, 1)))
    assert np.all(straight.n_breaks == 0)


def test_a_jump_is_two_breaks_at_its_points():
    jump = -1.0 * (DECADES > 1.5)
    result = fit(DECADES, jump)
    assert (result.n_breaks, result.status) == (2, 2)
    np.testing.assert_allclose(result.breaks[0], DECADES[19:21], rtol=1e-5)
    np.testing.assert_allclose(result.exponents[0], [0, -13, 0], atol=1e-3)
    noisy = fit(DECADES, with_noise(jump, 1, 0.02))
    assert noisy.n_breaks == 2
    np.testing.assert_allclose(noisy.exponents[0, ::2], 0, atol=0.05)


def test_a_break_at_the_end_may_be_an_outlier(curves):
    *_, result = curves
    assert (result.n_breaks[3], result.status[3], result.break_interval[3, 0, 0]) == (1, 1, 0)


def test_the_curves_of_the_tests_below_are_of_all_kinds(curves):
    *_, result = curves
    np.testing.assert_array_equal(result.n_breaks, [0, 1, 2, 1])
    np.testing.assert_array_equal(result.status, [0, 0, 0, 1])


def test_order_of_points_changes_nothing(curves):
    x, y, expected = curves
    order = np.random.default_rng(0).permutation(40)
    assert_same(fit(x[order], y[:, order]), expected)


def test_missing_points_are_not_there(curves):
    x, y, _ = curves
    holes, lies, weight = y.copy(), y.copy(), np.ones(40)
    holes[:, [3, 30]], lies[:, [3, 30]], weight[[3, 30]] = np.nan, 100, 0
    missing = fit(x, holes)
    assert_same(fit(x, lies, weight), missing)
    assert_same(fit(np.delete(x, [3, 30]), np.delete(y, [3, 30], axis=1)), missing)


def test_a_weight_counts_as_repeated_points(curves):
    x, y, _ = curves
    x, y, twice = x[::2], y[:, ::2], np.arange(20) % 2 == 1
    weighted = fit(x, y, 1 + twice)
    repeated = fit(np.append(x, x[twice]), np.hstack([y, y[:, twice]]))
    np.testing.assert_allclose(1.5 * sums_of_squares(weighted, 20), sums_of_squares(repeated, 30), rtol=1e-3)


def test_units_change_no_decision(curves):
    x, y, _ = curves
    expected, scaled = fit_law(10**x, 10**y), fit_law(1e6 * 10**x, 1e-3 * 10**y)
    moved = scaled._replace(
        amplitude=scaled.amplitude * 1e3 * 1e6 ** expected.exponents[:, 0],
        breaks=scaled.breaks / 1e6,
        break_interval=scaled.break_interval / 1e6,
    )
    assert_same(moved, expected, rtol=1e-3)
    np.testing.assert_array_equal(scaled.n_breaks, expected.n_breaks)
    np.testing.assert_array_equal(scaled.status, expected.status)


def test_a_law_is_the_exponential_of_a_line(curves):
    x, y, line = curves
    law = fit_law(np.exp(x), np.exp(y))
    names = "amplitude", "breaks", "break_interval"
    logs = law._replace(**{name: np.log(getattr(law, name)) for name in names})
    assert_same(logs, line, rtol=1e-4)
    for bad in (0, -1, np.inf):
        spoiled, missing = (np.where(np.arange(40) == 7, value, np.exp(y)) for value in (bad, np.nan))
        assert_same(fit_law(np.exp(x), spoiled), fit_law(np.exp(x), missing))


def test_upside_down_is_the_same(curves):
    x, y, expected = curves
    down = fit(x, -y)
    upright = down._replace(
        amplitude=-down.amplitude,
        exponents=-down.exponents,
        exponent_interval=-down.exponent_interval[..., ::-1],
    )
    assert_same(upright, expected, rtol=1e-4)


def test_back_to_front_is_the_same(curves):
    x, y, expected = curves
    back = fit(-x, y)
    np.testing.assert_array_equal(back.n_breaks, expected.n_breaks)
    np.testing.assert_array_equal(back.status, expected.status)
    for i, k in ((0, 0), (1, 1), (2, 2), (3, 1)):
        for name, last in (("breaks", k), ("exponents", k + 1)):
            turned = -getattr(back, name)[i, :last][::-1]
            np.testing.assert_allclose(turned, getattr(expected, name)[i, :last], rtol=1e-4)
        for name, last in (("break_interval", k), ("exponent_interval", k + 1)):
            turned, interval = -getattr(back, name)[i, :last][::-1, ::-1], getattr(expected, name)[i, :last]
            np.testing.assert_allclose(turned, interval, atol=5e-3 * np.max(np.ptp(interval, axis=-1), initial=0))


def test_a_bad_curve_changes_no_other_by_a_bit(curves):
    x, y, expected = curves
    bad = np.vstack([y, y])
    bad[4], bad[5], bad[6], bad[7, 1:] = np.nan, np.inf, 0.5, np.nan
    spoiled = fit(x, bad)
    assert_same(jax.tree.map(lambda field: field[:4], spoiled), expected)
    np.testing.assert_array_equal(spoiled.status[4:], [3, 3, 0, 3])
    np.testing.assert_array_equal(spoiled.n_breaks[4:], [-1, -1, 0, -1])
    assert all(np.all(np.isnan(field[[4, 5, 7]])) for field in spoiled if field.dtype.kind == "f")


@pytest.mark.parametrize(
    ("points", "most"),
    [([0, 1, 2, 3], -1), ([0, 0, 1, 1, 2, 2], -1), ([0, 1, 2, 3, 4], 1), ([0, 0, 1, 1, 2, 3, 4], 1), ([*range(7)], 2)],
)
def test_few_points_have_fewer_breaks(points, most):
    rng = np.random.default_rng(0)
    result = fit(DECADES[points], rng.standard_normal((500, len(points))))
    assert np.all((result.status == 3) == (most < 0))
    assert np.all(np.sum(np.isfinite(result.bic), axis=1) == most + 1)
    assert np.max(result.n_breaks) <= most


def test_float32_says_what_float64_says(oracle):
    for i in range(0, 120, 10):
        x, y, weight = (a[i] for a in oracle[:3])
        single, double = fit(x, y, weight), jax.tree.map(lambda field: field[[i]], oracle[3])  # noqa: B023
        np.testing.assert_allclose(single.bic, double.bic, atol=2e-3)
        # Other draws may decide otherwise at the border.
        if single.n_breaks == double.n_breaks:
            assert_same(single, double, rtol=1e-3, skip=("p_value",))


@pytest.mark.parametrize(("option", "value"), [("max_breaks", 3), ("max_breaks", 0), ("draws", 0)])
def test_mistakes_in_options_name_themselves(unchecked, option, value):
    with pytest.raises(ValueError, match=rf"{option} must be .* got {value}"):
        fit_piecewise_power_law(np.arange(1, 9), np.arange(1, 9), **{option: value})


def test_mistakes_in_shapes_name_themselves():
    with pytest.raises(ValueError, match=r"\(3,\).*\(4,\)"):
        fit_piecewise_power_law(np.ones(3), np.ones(4))
