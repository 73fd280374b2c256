import jax
import numpy as np

from jaxphase.detect import gradients


def test_every_point_is_a_weighted_cubic_fit():
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.uniform(0, 3, 20)), rng.standard_normal(20)
    with jax.enable_x64(True):
        result = gradients(x, y, bandwidth=0.8)
    for i in range(20):
        window = np.exp(-(((x - x[i]) / 0.8) ** 2) / 2)
        taylor = np.polyfit(x - x[i], y, 3, w=np.sqrt(window))[::-1]
        np.testing.assert_allclose([result.first[i], result.second[i]], [taylor[1], 2 * taylor[2]], rtol=1e-6)


def test_a_cubic_has_its_own_derivatives():
    x = np.linspace(6, 9, 20)
    z = x - 7.4
    result = gradients(x, np.tile(2 + 3 * z - z**3, (4, 1)))
    np.testing.assert_allclose(result.first[0], 3 - 3 * z**2, atol=2e-3)
    np.testing.assert_allclose(result.second[0], -6 * z, atol=5e-2)


def test_errors_are_the_scatter_of_the_estimates():
    x = np.linspace(6, 9, 20)
    result = gradients(x, np.random.default_rng(0).standard_normal((2000, 20)), bandwidth=1.0)
    np.testing.assert_allclose(np.std(result.first, axis=0), np.mean(result.first_se, axis=0), rtol=0.1)
    np.testing.assert_allclose(np.std(result.second, axis=0), np.mean(result.second_se, axis=0), rtol=0.1)


def test_the_steepest_place_and_its_interval_hold_the_center_of_a_sigmoid(sigmoids):
    x, y, center, _ = sigmoids(200)
    result = gradients(x, y)
    known = np.asarray(result.status) < 2
    interval = np.asarray(result.steepest_interval)[known]
    assert known.mean() > 0.9
    assert np.mean((interval[:, 0] <= center[known]) & (center[known] <= interval[:, 1])) > 0.95
    assert np.nanmedian(np.abs(result.steepest - center)) < 0.08
    assert np.nanmedian(np.abs(result.inflection - center)) < 0.03


def test_the_intervals_of_slopes_hold_them():
    # Measured on other curves: 95.2 to 97.1 % for sigmoids and lines of 20 or 50 points at this noise.
    rng, x = np.random.default_rng(0), np.linspace(0, 3, 50)
    center, rate = rng.uniform(0.6, 2.4, (500, 1)), np.exp(rng.uniform(np.log(2), np.log(14), (500, 1)))
    rise = 1 / (1 + np.exp(-rate * (x - center)))
    low, high = np.moveaxis(
        np.asarray(gradients(x, rise + 0.03 * rng.standard_normal((500, 50))).first_interval), -1, 0
    )
    slope = rate * rise * (1 - rise)
    assert 0.93 < np.mean((low <= slope) & (slope <= high)) < 0.97


def test_few_points_do_not_make_the_intervals_of_slopes_much_too_wide():
    # 97.1 % here; 99.3 % if Student's t is taken at the trace, and not at the degrees of freedom.
    rng, x = np.random.default_rng(0), np.linspace(6, 9, 12)
    center, rate = rng.uniform(6.6, 8.4, (1000, 1)), np.exp(rng.uniform(np.log(2), np.log(3.2), (1000, 1)))
    rise = 1 / (1 + np.exp(-rate * (x - center)))
    interval = np.asarray(gradients(x, 0.8 * rise + 0.02 * rng.standard_normal((1000, 12))).first_interval)
    slope = 0.8 * rate * rise * (1 - rise)
    assert 0.94 < np.mean((interval[..., 0] <= slope) & (slope <= interval[..., 1])) < 0.985


def test_a_line_has_a_slope_and_no_steepest_place():
    x = np.linspace(6, 9, 20)
    result = gradients(x, x + 0.02 * np.random.default_rng(0).standard_normal((200, 20)))
    assert np.mean(np.asarray(result.status) == 2) > 0.85
    np.testing.assert_allclose(np.median(result.first), 1, atol=0.05)


def test_slopes_can_be_differentiated():
    x, y = np.linspace(0, 3, 12), np.sin(np.linspace(0, 3, 12)) + 0.05 * np.random.default_rng(0).standard_normal(12)
    with jax.enable_x64(True):
        for field in ("first", "second", "first_se"):
            value = lambda y, field=field: getattr(gradients(x, y, bandwidth=0.6), field)[4]  # noqa: E731
            difference = [(value(y + h) - value(y - h)) / 2e-5 for h in 1e-5 * np.eye(12)]
            np.testing.assert_allclose(jax.grad(value)(y), difference, rtol=1e-6, atol=1e-9)
