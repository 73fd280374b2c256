import jax
import numpy as np
import pytest
from scipy.optimize import curve_fit

from jaxphase.detect import fit_power_law

SIZES = np.logspace(6, 9, 20)


def law(x, floor, amplitude, exponent):
    return floor + amplitude * x**exponent


def noisy(exponents, noise, seed=0):
    rng = np.random.default_rng(seed)
    return 1.7 + 400 * SIZES ** -np.asarray(exponents)[:, None] + noise * rng.standard_normal((len(exponents), 20))


def test_it_agrees_with_scipy_curve_fit_in_estimates_and_errors():
    exponents = [0.3, 0.34, 0.4]
    y = noisy(exponents, 0.01)
    with jax.enable_x64(True):
        fit = fit_power_law(SIZES, y)
    for i, exponent in enumerate(exponents):
        best, covariance = curve_fit(law, SIZES, y[i], p0=[1.7, 400, -exponent], maxfev=10_000)
        for name, value, error in zip(fit._fields, best, np.sqrt(np.diag(covariance)), strict=False):
            np.testing.assert_allclose(getattr(fit, name)[i], value, rtol=1e-4)
            np.testing.assert_allclose(getattr(fit, f"{name}_se")[i], error, rtol=1e-2)


def test_the_exponent_is_found_in_float32_with_its_floor():
    fit = fit_power_law(SIZES, noisy([0.3, 0.34, 0.4], 0))
    np.testing.assert_allclose(fit.exponent, [-0.3, -0.34, -0.4], atol=2e-3)
    np.testing.assert_allclose(fit.floor, 1.7, atol=5e-3)
    np.testing.assert_allclose(fit.r2, 1, atol=1e-5)


def test_the_exponent_is_within_two_errors_in_95_of_100():
    fit = fit_power_law(SIZES, noisy(np.full(1000, 0.34), 0.05))
    assert 0.92 <= np.mean(np.abs(fit.exponent + 0.34) < 2.11 * fit.exponent_se) <= 0.98


def test_growth_and_decay_are_both_power_laws():
    fit = fit_power_law(SIZES, np.stack([2 + 3 * (SIZES / 1e6) ** 0.2, 2 - (SIZES / 1e6) ** -0.5, np.ones(20)]))
    np.testing.assert_allclose(fit.exponent[:2], [0.2, -0.5], rtol=5e-3)
    assert fit.status[2] == 2
    assert np.isnan(fit.exponent[2])


def test_sizes_that_are_not_positive_are_missing():
    y = noisy([0.3, 0.34, 0.4], 0.01)
    spoiled, holes = SIZES.copy(), y.copy()
    spoiled[4], holes[:, 4] = -1, np.nan
    np.testing.assert_allclose(fit_power_law(spoiled, y).exponent, fit_power_law(SIZES, holes).exponent, rtol=1e-4)


def test_gradients_match_finite_differences():
    y = noisy([0.34], 0.01)[0]
    y[2] = np.nan
    with jax.enable_x64(True):
        exponent = lambda y: fit_power_law(SIZES, y).exponent  # noqa: E731
        slope = jax.grad(exponent)(y)
        assert slope[2] == 0
        for i in (0, 7, 19):
            shift = 1e-5 * (np.arange(20) == i)
            np.testing.assert_allclose(slope[i], (exponent(y + shift) - exponent(y - shift)) / 2e-5, rtol=1e-4)


def test_without_a_floor_it_gives_the_certified_values_of_danwood():
    # NIST StRD: Daniel & Wood (1980), y = b1 * x**b2.
    x = [1.309, 1.471, 1.490, 1.565, 1.611, 1.680]
    y = [2.138, 3.421, 3.597, 4.340, 4.882, 5.660]
    with jax.enable_x64(True):
        fit = fit_power_law(np.array(x), np.array(y), floor=False)
    np.testing.assert_allclose([fit.amplitude, fit.exponent], [0.76886226176, 3.8604055871], rtol=1e-7)
    np.testing.assert_allclose([fit.amplitude_se, fit.exponent_se], [0.018281973860, 0.051726610913], rtol=1e-6)
    np.testing.assert_allclose(fit.sse, 4.3173084083e-3, rtol=1e-8)
    assert np.all(np.array([fit.floor, fit.floor_se, fit.status]) == 0)


def test_without_a_floor_three_points_are_enough_and_zeros_are_not(unchecked):
    x = np.array([1, 2, 4])
    assert fit_power_law(x, x, floor=False).exponent == pytest.approx(1, rel=1e-5)
    assert fit_power_law(x, 0 * x, floor=False).status == 2
    assert fit_power_law(x[:2], x[:2], floor=False).status == 3
    with pytest.raises(ValueError, match="floor must be one of True, False, got 'none'"):
        fit_power_law(x, x, floor="none")
