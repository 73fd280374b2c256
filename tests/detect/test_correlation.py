import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.detect import autocorrelation, correlation_length, integrated_time


def autoregressive(phi, shape, seed=0):
    y = np.random.default_rng(seed).standard_normal(shape)
    y[..., 0] /= np.sqrt(1 - phi**2)
    for t in range(1, shape[-1]):
        y[..., t] += phi * y[..., t - 1]
    return y


def test_each_lag_is_the_mean_over_the_pairs_present():
    y = np.random.default_rng(0).standard_normal(30)
    y[[4, 17]] = np.nan
    z = y - np.nanmean(y)
    expected = [np.nanmean(z[: 30 - k] * z[k:]) / np.nanmean(z**2) for k in range(6)]
    np.testing.assert_allclose(autocorrelation(y, max_lag=5), expected, atol=1e-6)


def test_lags_without_pairs_and_constants_are_nan():
    short = np.asarray(autocorrelation(np.arange(5.0), max_lag=7))
    assert np.isfinite(short[:5]).all()
    assert np.isnan(short[5:]).all()
    assert np.isnan(autocorrelation(np.full(30, 2.3))).all()


def test_the_length_of_an_autoregression_is_minus_one_over_log_phi():
    acf = autocorrelation(autoregressive(0.9, (50, 2000)), max_lag=40)
    assert np.mean(correlation_length(acf)) == pytest.approx(-1 / np.log(0.9), rel=0.1)
    exact = correlation_length(0.9 ** np.arange(10.0))
    assert exact == pytest.approx(9.4912, rel=1e-4)
    assert correlation_length(np.array([1, -0.2])) == 0


def test_the_integrated_time_of_an_autoregression_is_one_plus_phi_over_one_minus_phi():
    result = integrated_time(autoregressive(0.9, (20, 20_000)))
    assert np.mean(result.time) == pytest.approx(19, rel=0.05)
    assert np.std(result.time) == pytest.approx(float(np.mean(result.time_se)), rel=0.5)
    assert np.all(result.status == 0)


def test_a_series_of_few_times_says_so():
    assert integrated_time(autoregressive(0.9, (100,))).status == 1
    assert integrated_time(np.ones(100)).status == 2
    assert integrated_time(np.arange(3.0)).status == 3


def test_mistakes_name_themselves():
    with pytest.raises(ValueError, match=r"max_lag.*-1"):
        autocorrelation(np.ones(5), max_lag=-1)
    with pytest.raises(ValueError, match=r"\(1,\)"):
        correlation_length(np.ones(1))


def test_it_can_be_differentiated():
    y = np.random.default_rng(0).standard_normal(20)
    y[7] = np.nan
    with jax.enable_x64(True):
        value = lambda y: jnp.sum(jnp.cos(jnp.arange(6.0)) * autocorrelation(y, 5))  # noqa: E731
        difference = [(value(y + h) - value(y - h)) / 2e-5 for h in 1e-5 * np.eye(20)]
        expected = np.where(np.isfinite(y), difference, 0)
        np.testing.assert_allclose(jax.grad(value)(y), expected, rtol=1e-6, atol=1e-9)
