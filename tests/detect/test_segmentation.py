import functools
import itertools

import jax
import numpy as np
import pytest
from scipy.special import logsumexp

from jaxphase.detect import segment


def residual_sum(x, y, weight, cost):
    """Weighted sum of squares about the best level or line, by least squares without any recursion."""
    columns = np.ones((len(x), 1)) if cost == "constant" else np.stack([np.ones(len(x)), x - x.mean()], axis=1)
    root = np.sqrt(weight)
    fit = np.linalg.lstsq(root[:, None] * columns, root * y, rcond=1e-10)[0]
    return np.sum(weight * (y - columns @ fit) ** 2)


def pieces_of(breaks, n):
    return list(itertools.pairwise([0, *breaks, n]))


def partitions(x, min_size):
    """Every way to cut a curve in rising x, as tuples of the first points of the pieces after the first."""
    places = [i for i in range(1, len(x)) if x[i] > x[i - 1]]
    for k in range(len(places) + 1):
        for breaks in itertools.combinations(places, k):
            if all(end - start >= min_size for start, end in pieces_of(breaks, len(x))):
                yield breaks


def best_sse(x, y, weight, cost, min_size, max_breaks):
    """The least sum of squares for each number of breaks by the textbook's O(n^2) table of costs."""
    n = len(x)
    table = np.full((max_breaks + 1, n + 1), np.inf)
    price = np.full((n, n + 1), np.inf)
    for i, j in itertools.combinations(range(n + 1), 2):
        if j - i >= min_size and (i == 0 or x[i] > x[i - 1]):
            price[i, j] = residual_sum(x[i:j], y[i:j], weight[i:j], cost)
    table[0] = price[0]
    for k in range(1, max_breaks + 1):
        for j in range(n + 1):
            table[k, j] = np.min(table[k - 1, :n] + price[:, j])
    return np.where(np.isfinite(table[:, n]), table[:, n], np.nan)


def jumps(count, n, n_breaks, size, seed=0):
    """Levels that go up by `size` at equal distances, with unit noise."""
    noise = np.random.default_rng(seed).standard_normal((count, n))
    return np.arange(n), size * (np.arange(n) * (n_breaks + 1) // n) + noise


def test_the_nile_gives_the_table_of_strucchange(nile):
    # breakpoints(Nile ~ 1) of R's strucchange, which counts years from one and reports the last before the break.
    result = segment(*nile, min_size=15)
    np.testing.assert_allclose(result.bic, [1318.2, 1270.1, 1276.5, 1284.7, 1291.9, 1310.8], atol=0.05)
    np.testing.assert_allclose(result.sse, [2835157, 1597457, 1552924, 1538097, 1507888, 1659994], atol=1)
    last_years = [[28], [28, 83], [28, 68, 83], [28, 45, 68, 83], [15, 30, 45, 68, 83]]
    for k, years in enumerate(last_years, start=1):
        np.testing.assert_array_equal(result.breaks[k], np.append(np.array(years) - 0.5, np.full(5 - k, np.nan)))
    assert result.n_breaks == 1
    # 28 is the most probable, and Bai & Perron's 95 % interval is 25 to 31.
    assert np.argmax(result.break_probability) == 27
    assert 0.95 < np.sum(result.break_probability[24:31]) < 1.05


@pytest.mark.parametrize("cost", ["constant", "linear"])
@pytest.mark.parametrize("min_size", [1, 4])
def test_no_partition_is_better(cost, min_size):
    rng = np.random.default_rng(0)
    x, weight = np.sort(rng.integers(0, 14, (12, 20)), axis=1) / 3.0, rng.uniform(0.2, 3, (12, 20))
    y = rng.standard_normal((12, 20)) + 2 * (x > 2)
    y[:, 5] = np.where(np.arange(12) % 2, np.nan, y[:, 5])
    with jax.enable_x64(True):
        result = segment(x, y, weight=weight, cost=cost, min_size=min_size, max_breaks=4)
    for i in range(12):
        kept = np.isfinite(y[i])
        xi, yi, wi = x[i, kept], y[i, kept], weight[i, kept] / weight[i, kept].mean()
        expected = best_sse(xi, yi, wi, cost, min_size, 4)
        np.testing.assert_allclose(result.sse[i], expected, rtol=1e-9, atol=1e-12)
        for k in np.flatnonzero(np.isfinite(expected)):
            places = np.asarray(result.breaks[i, k, :k])
            cuts = pieces_of(np.searchsorted(xi, places), len(xi))
            assert np.all(np.diff(places) > 0)
            assert min(end - start for start, end in cuts) >= min_size
            attained = sum(residual_sum(xi[a:b], yi[a:b], wi[a:b], cost) for a, b in cuts)
            assert attained == pytest.approx(expected[k], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("cost", ["constant", "linear"])
def test_break_probability_is_the_sum_over_all_partitions(cost):
    rng = np.random.default_rng(3)
    x = np.array([0, 1, 1, 2, 4, 5, 5, 6, 7, 9.0])
    weight, y = rng.uniform(0.5, 2, 10), rng.standard_normal(10) + 3 * (x > 4)
    with jax.enable_x64(True):
        result = segment(x, y, weight=weight, cost=cost, min_size=2, max_breaks=2)
    weight, parameters = weight / weight.mean(), 1 if cost == "constant" else 2
    v = y - np.average(y, weights=weight)
    v = v / np.sqrt(np.average(v**2, weights=weight))
    k = int(result.n_breaks)
    noise = best_sse(x, v, weight, cost, 2, 2)[k] / (10 - parameters * (k + 1) - k - 2)

    def log_evidence(i, j):
        """The density of a piece as a Gaussian vector, from the covariance that level, rise and noise give it."""
        share = weight[i:j] / weight[i:j].sum()
        u = x[i:j] - share @ x[i:j]
        covariance = np.diag(noise / weight[i:j]) + 1
        if cost == "linear" and np.any(u != 0):
            covariance += np.outer(u, u) / (share @ u**2)
        _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
        return -(log_det + v[i:j] @ np.linalg.solve(covariance, v[i:j])) / 2

    every = list(partitions(x, 2))
    log_weight = [sum(log_evidence(i, j) for i, j in pieces_of(b, 10)) - len(b) * np.log(7) for b in every]
    share = np.exp(log_weight - logsumexp(log_weight))
    expected = [sum(p for p, b in zip(share, every, strict=True) if np.searchsorted(x, xi, "right") in b) for xi in x]
    np.testing.assert_allclose(result.break_probability, expected, rtol=1e-9, atol=1e-14)


def test_float32_keeps_the_digits_of_a_small_signal_on_a_large_offset():
    rng = np.random.default_rng(0)
    x = np.arange(60)
    y = (2.3 + 0.02 * (x > 30) + 0.01 * rng.standard_normal((20, 60))).astype(np.float32)
    single = segment(x, y)
    with jax.enable_x64(True):
        double = segment(x, y.astype(float))
    np.testing.assert_allclose(single.sse, double.sse, rtol=1e-5)
    np.testing.assert_array_equal(single.n_breaks, double.n_breaks)


def test_a_line_through_points_of_one_x_is_their_mean():
    x, y = np.repeat([1.0, 2.0], 6), np.random.default_rng(0).standard_normal(12)
    result = segment(x, y, cost="linear", max_breaks=1)
    within = np.sum((y.reshape(2, 6) - y.reshape(2, 6).mean(1, keepdims=True)) ** 2)
    np.testing.assert_allclose(result.sse, [within, within], rtol=1e-6)
    assert result.n_breaks == 0


def test_a_weight_counts_as_repeated_points():
    x, y = jumps(1, 20, 1, 3.0)
    times = np.random.default_rng(1).integers(1, 4, 20)
    weighted = segment(x, y[0], weight=times, min_size=1)
    repeated = segment(np.repeat(x, times), np.repeat(y[0], times), min_size=1)
    np.testing.assert_allclose(weighted.sse * times.mean(), repeated.sse, rtol=1e-5)
    np.testing.assert_array_equal(weighted.breaks, repeated.breaks)


@pytest.mark.parametrize(("cost", "n"), [("constant", 8), ("constant", 20), ("constant", 60), ("linear", 20)])
def test_one_curve_of_noise_in_twenty_at_most_has_a_break(cost, n):
    # Measured on other noise: 2.4, 2.9, 2.8 and 2.6 %; the error of 4,000 curves is 0.3 %.
    x = np.sort(np.random.default_rng(n).uniform(size=n))
    noise = np.random.default_rng(0).standard_normal((4000, n))
    result = segment(x, noise + (10 * x if cost == "linear" else 0), cost=cost)
    assert 0.015 < np.mean(result.n_breaks > 0) < 0.05


@pytest.mark.parametrize("n_breaks", [1, 2, 3])
def test_the_right_number_of_breaks_is_found(n_breaks):
    # Measured: 98.2, 97.5 and 96.7 %, all errors on the high side.
    result = segment(*jumps(1000, 60, n_breaks, 4.0))
    assert np.mean(result.n_breaks == n_breaks) > 0.93
    assert np.mean(result.n_breaks < n_breaks) < 0.005
    expected = np.arange(1, n_breaks + 1) * 60 // (n_breaks + 1) - 0.5
    found = np.asarray(result.breaks)[:, n_breaks, :n_breaks]
    assert np.mean(np.all(np.abs(found - expected) <= 2, axis=1)) > 0.95


def test_signals_without_noise_are_recovered():
    x = np.linspace(-3, 5, 60)
    levels = np.repeat([1.0, -2.0, 0.5, 0.6], 15)
    result = segment(x, levels)
    assert result.n_breaks == 3
    np.testing.assert_allclose(result.breaks[3, :3], (x[[14, 29, 44]] + x[[15, 30, 45]]) / 2, rtol=1e-5)
    np.testing.assert_allclose(result.break_probability[np.array([14, 29, 44])], 1, atol=1e-3)


def test_order_and_missing_points_change_nothing():
    x, y = jumps(6, 20, 1, 3.0)
    order = np.random.default_rng(0).permutation(20)
    y[:, 4] = np.nan
    straight, shuffled = segment(x, y), segment(x[order], y[:, order])
    shuffled = shuffled._replace(break_probability=shuffled.break_probability[:, np.argsort(order)])
    jax.tree.map(np.testing.assert_array_equal, straight, shuffled)
    assert np.all(np.isnan(straight.break_probability[:, 4]))
    # The place before the hole and the hole itself are one place.
    fewer = segment(np.delete(x, 4), np.delete(y, 4, axis=1))
    np.testing.assert_allclose(straight.sse, fewer.sse, rtol=1e-5)
    np.testing.assert_array_equal(straight.breaks, fewer.breaks)


def test_seeds_of_one_x_share_their_answer():
    x = np.repeat(np.arange(5), 4)
    result = segment(x, 3 * (x > 1) + np.random.default_rng(0).standard_normal(20))
    by_x = np.asarray(result.break_probability).reshape(5, 4)
    np.testing.assert_array_equal(by_x, by_x[:, :1] * np.ones(4))
    assert by_x[1, 0] > 0.9
    assert np.all(by_x[-1] == 0)
    assert set(np.asarray(result.breaks)[np.isfinite(result.breaks)]) <= {0.5, 1.5, 2.5, 3.5}


def test_a_bad_curve_changes_no_other_by_a_bit():
    x, y = jumps(6, 20, 1, 3.0)
    bad = y.copy()
    bad[1], bad[2], bad[3], bad[4, 2:] = np.nan, np.inf, 2.3, np.nan
    clean, spoiled = segment(x, y), segment(x, bad)
    for name in clean._fields:
        np.testing.assert_array_equal(
            np.asarray(getattr(spoiled, name))[[0, 5]], np.asarray(getattr(clean, name))[[0, 5]]
        )
    np.testing.assert_array_equal(spoiled.status, [0, 3, 3, 2, 3, 0])
    np.testing.assert_array_equal(spoiled.n_breaks[1:5], [-1, -1, 0, -1])
    assert np.all(np.isnan(spoiled.sse[1:5]))


def test_it_lives_inside_jit_and_vmap():
    x, y = jumps(6, 20, 1, 3.0)
    inside = jax.jit(jax.vmap(functools.partial(segment, x)))(y)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), segment(x, y), inside)


def test_a_straight_line_has_no_break():
    x = np.arange(20)
    straight = segment(x, 2.3 - 0.7 * x, cost="linear")
    assert (straight.n_breaks, straight.status) == (0, 2)
    bent = segment(x, np.where(x < 10, 0.5 * x, 20 - x), cost="linear")
    assert (bent.n_breaks, bent.breaks[1, 0], bent.status) == (1, 9.5, 0)


def test_breaks_alone_are_the_same_breaks():
    x, y = jumps(6, 20, 1, 3.0)
    whole, breaks = segment(x, y), segment(x, y, posterior=False)
    assert np.all(np.isnan(breaks.break_probability))
    for name in ("sse", "breaks", "bic", "n_breaks", "status"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(breaks, name))


def test_what_min_size_has_no_room_for_is_nan():
    x, y = jumps(1, 20, 1, 9.0)
    result = segment(x, y[0], min_size=7)
    assert result.n_breaks == 1
    np.testing.assert_array_equal(np.isnan(result.sse), [False, False, True, True, True, True])
    np.testing.assert_array_equal(np.isnan(result.bic), np.isnan(result.sse))
    assert segment(x, y[0], min_size=11).status == 3


@pytest.mark.parametrize(
    ("option", "value"), [("max_breaks", -1), ("min_size", 0), ("min_size", 2.5), ("cost", "rank")]
)
def test_mistakes_in_options_name_themselves(unchecked, option, value):
    with pytest.raises(ValueError, match=rf"{option} must be .* got {value!r}"):
        segment(np.arange(9), np.arange(9), **{option: value})
