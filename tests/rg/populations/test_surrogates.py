"""What a surrogate keeps and what it loses, by sums over all samples."""

import jax
import numpy as np
import pytest

from jaxphase.rg.populations.surrogates import phase_randomized, same_spectrum, shuffled

KEY = jax.random.key(0)


def activations():
    """Series that follow one another two samples later, skewed, with a dead unit and a missing sample."""
    rng = np.random.default_rng(0)
    x = rng.exponential(size=(4000, 5))
    x[2:, 1] += 2 * x[:-2, 0]
    x[:, 2] += 3 * x[:, 1]
    x[:, 3] = 2.3
    x[17, 0] = np.nan
    return x.astype(np.float32)


def test_shuffling_keeps_every_units_values_and_nothing_between_units():
    x = activations()
    y = np.asarray(shuffled(x, key=KEY))
    here = np.isfinite(x).all(axis=1)
    assert np.all(np.isnan(y[17]))
    np.testing.assert_array_equal(np.sort(y[here], axis=0), np.sort(x[here], axis=0))
    live = np.corrcoef(y[here][:, [0, 1, 2, 4]].T)
    assert np.max(np.abs(live - np.eye(4))) < 4 / np.sqrt(4000)
    assert np.mean(y[here][:, 0] == x[here][:, 0]) < 0.01


def test_the_gaussian_of_the_same_spectrum_has_mean_and_covariance_and_no_third_moment():
    x = activations()
    y = np.asarray(same_spectrum(x, key=KEY))
    here = np.isfinite(x).all(axis=1)
    wanted, got = np.cov(x[here].T), np.cov(y[here].T)
    # Standard error of a covariance of Gaussian numbers.
    error = np.sqrt((np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2) / 4000)
    assert np.all(np.abs(got - wanted) <= 4 * error + 1e-9)
    assert np.all(np.abs(y[here].mean(0) - x[here].mean(0)) <= 4 * np.sqrt(np.diag(wanted) / 4000) + 1e-6)
    np.testing.assert_array_equal(y[here][:, 3], np.float32(2.3))
    assert np.all(np.isnan(y[17]))
    skewness = np.mean((y[here][:, 0] - y[here][:, 0].mean()) ** 3) / wanted[0, 0] ** 1.5
    assert abs(skewness) < 4 * np.sqrt(6 / 4000)
    lag = np.corrcoef(y[:15, 0], y[2:17, 1])[0, 1]
    assert abs(lag) < 0.9


def test_more_units_than_samples_have_a_covariance_of_their_rank():
    x = np.random.default_rng(1).standard_normal((6, 40)).astype(np.float32)
    y = np.asarray(same_spectrum(x, key=KEY))
    span = np.linalg.svd(x - x.mean(0))[2][:5]
    rest = (y - x.mean(0)) - (y - x.mean(0)) @ span.T @ span
    assert np.max(np.abs(rest)) < 1e-4


@pytest.mark.parametrize("samples", [500, 501])
def test_random_phases_keep_all_correlations_over_time(samples):
    x = np.nan_to_num(activations()[:samples], nan=1.0)
    y = np.asarray(phase_randomized(x, key=KEY))
    a, b = x - x.mean(0), y - y.mean(0)
    for lag in (0, 1, 2, 5):
        wanted, got = (v.T @ np.roll(v, lag, axis=0) / samples for v in (a, b))
        np.testing.assert_allclose(got, wanted, atol=2e-3)
    np.testing.assert_allclose(y.mean(0), x.mean(0), atol=1e-5)
    assert np.corrcoef(a[:, 0], b[:, 0])[0, 1] < 0.3


def test_lanes_have_surrogates_of_their_own():
    x = np.stack([activations()[:100]] * 2)
    for surrogate in (shuffled, same_spectrum, phase_randomized):
        y = np.asarray(surrogate(x, key=KEY))
        assert y.shape == x.shape
        assert not np.array_equal(y[0], y[1], equal_nan=True)


def test_one_axis_is_too_few():
    with pytest.raises(ValueError, match=r"samples, units.*\(3,\)"):
        shuffled(np.ones(3), key=KEY)
