import jax
import numpy as np
from scipy.optimize import curve_fit

from jaxphase.detect import fit_sigmoid


def logistic(x, center, rate, low, high):
    return low + (high - low) / (1 + np.exp(-rate * (x - center)))


def test_it_agrees_with_scipy_curve_fit_in_estimates_and_errors(sigmoids):
    x, y, center, rate = sigmoids(8)
    with jax.enable_x64(True):
        fit = fit_sigmoid(x, y)
    for i in range(8):
        best, covariance = curve_fit(logistic, x, y[i], p0=[center[i], rate[i], 0.1, 0.9])
        names = ("center", "rate", "low", "high")
        np.testing.assert_allclose([getattr(fit, name)[i] for name in names], best, rtol=1e-4)
        np.testing.assert_allclose(
            [getattr(fit, f"{name}_se")[i] for name in names], np.sqrt(np.diag(covariance)), rtol=1e-3
        )
        np.testing.assert_allclose(fit.sse[i], np.sum((y[i] - logistic(x, *best)) ** 2), rtol=1e-7)


def test_the_interval_covers_the_center_in_95_of_100(sigmoids):
    x, y, center, _ = sigmoids(2000, seed=1)
    interval = np.asarray(fit_sigmoid(x, y).interval)
    assert 0.93 <= np.mean((interval[:, 0] <= center) & (center <= interval[:, 1])) <= 0.97


def test_a_falling_curve_is_the_mirror_of_a_rising_one(sigmoids):
    x, y, _, _ = sigmoids(8)
    rising, falling = fit_sigmoid(x, y), fit_sigmoid(x, -y)
    np.testing.assert_allclose(falling.center, rising.center, atol=1e-3)
    np.testing.assert_allclose(falling.rate, -rising.rate, rtol=1e-2)
    np.testing.assert_allclose(falling.high, -rising.low, atol=1e-3)
    assert np.all(falling.width > 0)


def test_a_jump_between_two_points_is_bracketed_not_dated():
    x = np.linspace(6, 9, 20)
    y = (x > 7.5) + 0.01 * np.random.default_rng(0).standard_normal((8, 20))
    fit = fit_sigmoid(x, y)
    assert np.all(fit.status == 2)
    np.testing.assert_allclose(fit.interval, np.tile([x[9], x[10]], (8, 1)), rtol=1e-6)
    np.testing.assert_allclose(fit.width, x[10] - x[9], rtol=1e-4)
    assert np.all(np.isnan(fit.width_se))


def test_a_point_on_the_slope_of_a_jump_widens_the_bracket_to_both_sides():
    x = np.linspace(6, 9, 20)
    y = np.where(x < x[10], 0.0, np.where(x > x[10], 1.0, 0.5)) + 0.01 * np.random.default_rng(0).standard_normal(
        (8, 20)
    )
    interval = np.asarray(fit_sigmoid(x, y).interval)
    assert np.all((interval[:, 0] < x[10]) & (interval[:, 1] > x[10]))


def test_a_constant_curve_has_no_answer_and_half_a_curve_says_so():
    x = np.linspace(6, 9, 20)
    fit = fit_sigmoid(x, np.stack([np.full(20, 0.3), np.exp(2 * (x - 9)), *np.zeros((6, 20))]))
    assert fit.status[0] == 2
    assert np.isnan(fit.center[0])
    assert fit.status[1] == 1


def test_gradients_are_those_of_the_minimum(sigmoids):
    x, y, _, _ = sigmoids(1)
    with jax.enable_x64(True):
        center = lambda y: fit_sigmoid(x, y).center  # noqa: E731
        slope = jax.grad(center)(y[0])
        for i in (3, 9, 12):
            shift = 1e-5 * (np.arange(20) == i)
            np.testing.assert_allclose(
                slope[i], (center(y[0] + shift) - center(y[0] - shift)) / 2e-5, rtol=1e-3, atol=1e-7
            )
