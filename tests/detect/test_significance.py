import functools

import jax
import numpy as np
import pytest
from scipy import stats

from jaxphase.detect import benjamini_hochberg, bootstrap, change_test, cusum


def test_the_nile_breaks_after_its_28th_year(nile):
    # F of R's strucchange::Fstats(Nile ~ 1): 75.93 at 28; Bai & Perron's 95 % interval of the date is 25 to 31.
    result = change_test(*nile, change="mean")
    assert result.statistic == pytest.approx(75.93, abs=0.01)
    assert result.location == 27.5
    assert 24 <= result.interval[0] <= 27 <= result.interval[1] <= 31
    assert result.p_value == pytest.approx(1e-4)


@pytest.mark.parametrize("change", ["mean", "slope"])
@pytest.mark.parametrize("n", [10, 20, 50])
def test_p_values_of_independent_noise_are_uniform(change, n):
    noise = np.random.default_rng(n).standard_normal((2000, n))
    p = np.asarray(change_test(np.arange(n), noise, change=change).p_value)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert abs(np.mean(p <= 0.05) - 0.05) < 0.015


@pytest.mark.parametrize("phi", [0.3, 0.6])
def test_the_ar1_null_holds_its_size_in_correlated_noise(phi):
    noise = np.random.default_rng(0).standard_normal((400, 250))
    for t in range(1, 250):
        noise[:, t] += phi * noise[:, t - 1]
    p = change_test(np.arange(200), noise[:, 50:], change="mean", null="ar1", draws=199).p_value
    assert np.mean(np.asarray(p) <= 0.05) <= 0.08


def test_the_interval_of_a_kink_covers_it():
    rng = np.random.default_rng(0)
    x, kink = np.linspace(0, 3, 20), rng.uniform(1, 2, 2000)
    y = 0.2 * x + 0.5 * np.maximum(x - kink[:, None], 0) + 0.05 * rng.standard_normal((2000, 20))
    result = change_test(x, y)
    interval = np.asarray(result.interval)
    assert np.mean((interval[:, 0] <= kink) & (kink <= interval[:, 1])) >= 0.93
    assert np.median(np.abs(result.location - kink)) < 0.1


def test_benjamini_hochberg_is_that_of_scipy():
    p = np.concatenate([np.random.default_rng(0).uniform(size=80), np.full(20, 1e-3)])
    expected = stats.false_discovery_control(p) <= 0.05
    np.testing.assert_array_equal(benjamini_hochberg(p), expected)
    np.testing.assert_array_equal(benjamini_hochberg(np.append(p, np.nan)), np.append(expected, False))
    with pytest.raises(ValueError, match=r"rate.*2"):
        benjamini_hochberg(p, rate=2)


def test_the_bootstrap_error_of_a_mean_is_its_standard_error():
    repeats = np.random.default_rng(0).standard_normal((3, 12, 40))
    mean_and_sign = lambda x, y: cusum(x, y)._replace(statistic=y.mean(-1))  # noqa: E731
    result = bootstrap(mean_and_sign, np.arange(40), repeats, key=jax.random.key(0), draws=1000)
    plug_in = np.sqrt(repeats.var(axis=1).sum(axis=-1) / 12) / 40
    np.testing.assert_allclose(result.standard_error.statistic, plug_in, rtol=0.1)
    np.testing.assert_allclose(result.estimate.statistic, repeats.mean((1, 2)), atol=1e-6)
    assert result.interval.statistic.shape == (3, 2)
    assert np.all(result.agreement.status == 1)
    assert np.all(np.isnan(result.standard_error.status))


def test_the_bootstrap_takes_a_detector_with_its_options():
    result = bootstrap(
        functools.partial(cusum, kind="recursive"), np.arange(40), np.ones((2, 40)), key=jax.random.key(0), draws=10
    )
    assert result.estimate.status == 2
