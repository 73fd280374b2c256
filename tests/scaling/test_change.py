import numpy as np
import pytest

from jaxphase.scaling.change import sharpening_of, valley

SIZE = np.array([1.0, 4, 16, 64])


def test_the_least_of_a_parabola_is_found_between_its_points():
    x = np.linspace(-1, 1, 9)
    np.testing.assert_allclose(valley(3 + 2 * (x - np.array([[0.1], [-0.8]])) ** 2), 3)
    np.testing.assert_allclose(valley(np.stack([x, -x])), -1)


def test_the_interval_of_the_sharpening_is_that_of_a_straight_line():
    """Chi-squared that is square in ln width: weighted least squares is exact."""
    log_size, error, log_width = np.log(SIZE), np.array([0.1, 0.2, 0.15, 0.3]), np.linspace(-5, 2, 57)
    best = np.array([0.3, -0.2, -0.9, -1.1])
    slope, interval = sharpening_of(log_size, np.exp(log_width), ((log_width - best[:, None]) / error[:, None]) ** 2)
    weight = error**-2
    x = log_size - np.average(log_size, weights=weight)
    exact, reach = -np.sum(weight * x * best) / np.sum(weight * x * x), 1.96 / np.sqrt(np.sum(weight * x * x))
    assert slope == pytest.approx(exact, abs=0.013)
    np.testing.assert_allclose(interval, [exact - reach, exact + reach], atol=2e-3)
