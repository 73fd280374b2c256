"""Simulated truth: sizes 1e6 to 1e9, twenty points, noise as a part of the partner's change."""

import jax
import numpy as np
import pytest
from scipy.special import expit, logsumexp, ndtr

from jaxphase.detect import MirageKind, mirage_test

CURVES = 300
X = np.linspace(6, 9, 20)
NO_JUMP, METRIC, MODEL, UNDECIDED, TOO_FEW = MirageKind
noises = pytest.mark.parametrize("noise", [0.01, 0.03, 0.1])


def drift(x, bend):
    """The line (bend 0) and power laws with a floor, from 1 at the first size to 0 at the last."""
    bend = np.where(bend == 0, 1e-6, bend)
    return 1 - np.expm1(bend * (x - 6) / 3) / np.expm1(bend)


def jump(x, center, width):
    rise, first, last = (expit(2 * np.log(9) / width * (place - center)) for place in (x, 6, 9))
    return 1 - (rise - first) / (last - first)


def models(share, noise, seed=0):
    """Losses that fall from 1 to 0, share of them in a jump of width 0.06 to 1, and a metric that passes a threshold
    somewhere in the jump, or anywhere if there is none: 200 questions each."""
    rng = np.random.default_rng(seed)
    column = lambda low=0.0, high=1.0: rng.uniform(low, high, (CURVES, 1))  # noqa: E731
    bend = np.where(column() < 0.3, 0, -np.exp(column(-0.3, 1.4)))
    center, width = column(6.75, 8.25), np.exp(column(np.log(0.06), 0))

    def loss(x):
        return (1 - share) * drift(x, bend) + share * jump(x, center, width)

    edge = loss(center + width * column(-0.25, 0.25) if share else column(6.75, 8.25))
    y = rng.binomial(200, ndtr((edge - loss(X)) / column(0.03, 0.1))) / 200
    return y, loss(X) + noise * rng.standard_normal((CURVES, 20))


def fractions(result):
    return [np.mean(np.asarray(result.kind) == kind) for kind in (NO_JUMP, METRIC, MODEL, UNDECIDED)]


def brute_force(partner, weight, center, width):
    """The share's probability, mean and deviation from the residual of every curve of the family, one by one."""
    u, center, width = (X - 7.5) / 1.5, (center - 7.5) / 1.5, width / 1.5
    share = np.linspace(0, 1, 21)[:, None, None, None]
    bend = np.sinh(np.linspace(-3, 3, 24))[:, None, None]
    widths = np.geomspace(width / 2, max(width, 2 / 3), 9)[:, None]
    places = center + widths * np.linspace(-0.8, 0.8, 11)
    rate = np.broadcast_to(2 * np.log(9) / widths, places.shape)
    drifts, jumps = np.exp(bend * u), expit(rate.reshape(-1, 1) * (u - places.reshape(-1, 1)))
    drifts, jumps = ((rows - rows[..., :1]) / (rows[..., -1:] - rows[..., :1]) for rows in (drifts, jumps))
    curves = (1 - share) * drifts + share * jumps
    weight = weight / weight.sum()
    curves = curves - (curves @ weight)[..., None]
    v = partner - partner @ weight
    amplitude = curves @ (weight * v) / (curves**2 @ weight)
    unexplained = ((v - amplitude[..., None] * curves) ** 2 @ weight) / (v**2 @ weight) + 5e-4
    density = logsumexp(-9 * np.log(unexplained), axis=(1, 2))
    mass = np.exp(density - density.max()) * np.where(np.isin(share.ravel(), [0, 1]), 0.5, 1)
    mass, share = mass / mass.sum(), share.ravel()
    mean = mass @ share
    return mass[11:].sum() + mass[10] / 2, mean, np.sqrt(mass @ (share - mean) ** 2)


@noises
def test_a_threshold_on_a_smooth_partner_is_a_mirage(noise):
    result = mirage_test(X, *models(0, noise))
    no_jump, metric, model, _ = fractions(result)
    assert model <= 0.01
    # Measured: 99.5, 99 and 63 %.
    assert metric > {0.01: 0.97, 0.03: 0.97, 0.1: 0.55}[noise]
    assert no_jump < 0.03


@noises
@pytest.mark.parametrize("length", [5, 20])
def test_exact_match_of_a_long_answer_is_a_mirage(length, noise):
    # Often it is still rising at the largest size, where classify sees no second level: no jump.
    rng = np.random.default_rng(length)
    start, end = rng.uniform(1, 2.5, (CURVES, 1)), rng.uniform(0.02, 0.3, (CURVES, 1)) / length
    loss = end + (start - end) * drift(X, -np.exp(rng.uniform(0.4, 2, (CURVES, 1))))
    y = rng.binomial(200, np.exp(-length * loss)) / 200
    result = mirage_test(X, y, loss + noise * (start - end) * rng.standard_normal((CURVES, 20)))
    assert fractions(result)[MODEL] <= 0.01
    # Measured: 47, 25 and 6 % by noise for length 5, 37 to 35 % for length 20.
    assert fractions(result)[METRIC] > {5: 0.03, 20: 0.3}[length]


@noises
def test_a_jump_of_the_partner_is_in_the_model(noise):
    no_jump, metric, model, _ = fractions(mirage_test(X, *models(1, noise)))
    assert metric <= 0.01
    # Measured: 100, 100 and 92 %.
    assert model > {0.01: 0.99, 0.03: 0.99, 0.1: 0.86}[noise]
    assert no_jump < 0.01


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_the_share_of_a_jump_on_a_drift_is_measured(share):
    result = mirage_test(X, *models(share, 0.03))
    error = np.asarray(result.share) - share
    assert abs(error.mean()) < 0.02
    # Measured: 0.81 to 0.97, and 96 to 98 % of the intervals hold the share.
    assert 0.7 < np.sqrt(np.mean(error**2) / np.mean(result.share_se**2)) < 1.1
    assert 0.93 < np.mean((result.interval[:, 0] <= share) & (share <= result.interval[:, 1])) <= 1
    decided = fractions(result)
    assert decided[{0.3: METRIC, 0.5: UNDECIDED, 0.7: MODEL}[share]] > 0.75
    assert decided[{0.3: MODEL, 0.5: NO_JUMP, 0.7: METRIC}[share]] <= 0.01


def test_a_metric_that_is_its_own_partner_is_no_mirage():
    rng = np.random.default_rng(0)
    y = jump(X, rng.uniform(7, 8, (CURVES, 1)), 3 * np.linspace(0.02, 0.7, CURVES)[:, None])
    y = y + 0.02 * rng.standard_normal(y.shape)
    result = mirage_test(X, y, y)
    assert fractions(result)[METRIC] == 0
    assert fractions(result)[MODEL] > 0.95


def test_a_metric_without_jump_has_none():
    _, partner = models(0, 0.03)
    y, partner[0] = 1 - partner, 2.3
    result = mirage_test(X, y, partner)
    assert fractions(result)[NO_JUMP] > 0.98
    none = np.asarray(result.kind) == NO_JUMP
    assert np.all(result.status == 0)
    for field in (result.probability, result.share, result.share_se, result.interval, result.center, result.width):
        assert np.all(np.isnan(np.asarray(field)[none]))


def test_a_partner_of_noise_or_of_nothing_decides_nothing():
    y, _ = models(1, 0.01)
    noise = np.random.default_rng(0).standard_normal(y.shape)
    assert fractions(mirage_test(X, y, noise))[UNDECIDED] > 0.95
    constant = mirage_test(X, y, np.full_like(y, 2.3))
    assert fractions(constant)[UNDECIDED] == 1
    assert set(np.asarray(constant.status)) == {2}
    assert np.all(np.isnan(constant.share))
    assert np.all(np.isfinite(constant.center))


def test_the_share_is_the_mean_over_every_curve_of_the_family():
    y, partner = models(0.5, 0.05)
    weight = np.random.default_rng(1).uniform(0.3, 3, (CURVES, 20))
    result = mirage_test(X, y, partner, weight=weight)
    for i in range(5):
        expected = brute_force(partner[i], weight[i], float(result.center[i]), float(result.width[i]))
        found = result.probability[i], result.share[i], result.share_se[i]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def assert_close(left, right, rtol=1e-3):
    np.testing.assert_array_equal(left.kind, right.kind)
    np.testing.assert_array_equal(left.status, right.status)
    for name in ("probability", "share", "share_se", "interval"):
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), rtol=rtol, atol=rtol, err_msg=name)


def test_units_and_sign_change_no_decision():
    y, partner = models(0.7, 0.05)
    straight = mirage_test(X, y, partner)
    assert len(set(np.asarray(straight.kind))) > 1
    assert_close(straight, mirage_test(X, y, -partner))
    assert_close(straight, mirage_test(X, y, 20 + 3 * partner))
    assert_close(straight, mirage_test(X, 100 - 100 * y, partner))
    assert_close(straight, mirage_test(1e3 * (X - 6), y, partner))


def test_the_order_of_the_points_changes_nothing():
    y, partner = models(0.7, 0.05)
    order = np.random.default_rng(0).permutation(20)
    jax.tree.map(
        np.testing.assert_array_equal,
        mirage_test(X, y, partner),
        mirage_test(X[order], y[:, order], partner[:, order]),
    )


def test_seeds_at_ten_sizes_decide_as_twenty_sizes_do():
    y, partner = (np.concatenate([curves[:, ::2]] * 2, axis=1) for curves in models(0, 0.03))
    noise = 0.03 * np.random.default_rng(0).standard_normal(partner.shape)
    result = mirage_test(np.tile(X[::2], 2), y, partner + noise)
    assert fractions(result)[METRIC] > 0.9
    assert fractions(result)[MODEL] == 0


def test_a_missing_point_is_missing_however_it_is_marked():
    y, partner = models(0.7, 0.05)
    weight, holes, lies = np.ones_like(y), partner.copy(), partner.copy()
    weight[:, 7], holes[:, 7], lies[:, 7] = 0, np.nan, 1e3
    marked = mirage_test(X, np.where(weight > 0, y, 1e3), lies, weight=weight)
    jax.tree.map(np.testing.assert_array_equal, marked, mirage_test(X, np.where(weight > 0, y, np.nan), holes))
    # What is missing in the partner alone is still known of y.
    assert np.array_equal(mirage_test(X, y, holes).center, mirage_test(X, y, partner).center)


def test_twelve_sizes_decide_too():
    missing = np.arange(20) % 5 > 2
    for share, wrong in ((0, MODEL), (1, METRIC)):
        y, partner = models(share, 0.03)
        result = fractions(mirage_test(X, np.where(missing, np.nan, y), np.where(missing, np.nan, partner)))
        assert result[wrong] <= 0.01
        assert result[{MODEL: METRIC, METRIC: MODEL}[wrong]] > 0.9


def test_a_bad_curve_changes_no_other_by_a_bit():
    y, partner = models(1, 0.03)
    bad_y, bad_partner = y.copy(), partner.copy()
    bad_y[1], bad_y[2], bad_y[3, 6:] = np.nan, np.inf, np.nan
    bad_partner[4], bad_partner[5], bad_partner[6, 6:], bad_partner[7] = np.nan, -np.inf, np.nan, 2.3
    clean, spoiled = mirage_test(X, y, partner), mirage_test(X, bad_y, bad_partner)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[8:], b[8:]), clean, spoiled)
    np.testing.assert_array_equal(spoiled.status[:8], [0, 3, 3, 3, 3, 3, 3, 2])
    np.testing.assert_array_equal(spoiled.kind[:8], [MODEL, *[TOO_FEW] * 6, UNDECIDED])
    assert np.all(np.isnan(spoiled.share[1:8]))


def test_partners_of_one_metric_broadcast_inside_jit_and_vmap():
    y, partner = models(0.7, 0.05)
    flat = mirage_test(X, np.tile(y[:1], (CURVES, 1)), partner)

    @jax.jit
    @jax.vmap
    def folded(partners):
        return mirage_test(X, y[0], partners.reshape(3, 2, 20))

    result = folded(partner.reshape(50, 6, 20))
    assert result.kind.shape == (50, 3, 2)
    assert result.interval.shape == (50, 3, 2, 2)
    result = jax.tree.map(lambda field: field.reshape(CURVES, *field.shape[3:]), result)
    assert_close(flat, result, rtol=1e-4)


def test_mistakes_in_shapes_name_themselves():
    with pytest.raises(ValueError, match=r"x \(20,\), y \(20,\) and partner \(19,\) do not broadcast"):
        mirage_test(X, X, X[1:])
    with pytest.raises(ValueError, match=r"weight \(3,\) do not broadcast"):
        mirage_test(X, X, X, weight=np.ones(3))
