"""Cover's count of dichotomies, exactly and against linear programs."""

from math import comb

import jax
import numpy as np
import pytest

from jaxphase.systems import perceptron


def test_the_probability_is_covers_sum_of_binomials():
    for patterns in (1, 2, 7, 20, 41):
        for dimension in (1, 3, 10, 50):
            exact = sum(comb(patterns - 1, k) for k in range(dimension)) / 2 ** (patterns - 1)
            assert perceptron.separable_probability(patterns, dimension) == pytest.approx(exact, rel=1e-11)


def test_half_of_all_labellings_are_separable_at_the_capacity_of_two():
    for dimension in (1, 8, 128, 1000):
        patterns = int(perceptron.CAPACITY * dimension)
        assert perceptron.separable_probability(patterns, dimension) == pytest.approx(0.5, rel=1e-10)
    assert perceptron.separable_probability(50, 50) == 1


def test_tiny_probabilities_keep_their_logarithm():
    exact = np.log(float(sum(comb(9999, k) for k in range(3)))) - 9999 * np.log(2)
    assert perceptron.log_separable_probability(10_000, 3) == pytest.approx(exact, rel=1e-12)


def test_the_slope_at_the_capacity_grows_as_the_root_of_the_size():
    # Quotients of slopes of N and 2N give 1 / nu, to be 1/2: computed apart from this library.
    for dimension, expected in ((32, 0.4971), (128, 0.4993), (512, 0.4998)):
        slopes = []
        for n in (dimension, 2 * dimension):
            p = perceptron.separable_probability(np.array([2 * n - 1, 2 * n + 1]), n)
            slopes.append((p[0] - p[1]) * n / 2)
        assert np.log2(slopes[1] / slopes[0]) == pytest.approx(expected, abs=2e-3)


def test_linear_programs_find_as_many_separable_as_cover_counted():
    patterns = np.array([6, 10, 14])
    drawn = perceptron.sample(patterns, 5, 250, key=jax.random.key(0))
    exact = perceptron.separable_probability(patterns, 5)
    assert np.all(np.abs(drawn.mean(axis=1) - exact) < 4 * np.sqrt(exact * (1 - exact) / 250))


def test_a_set_that_a_plane_separates_and_one_that_none_does():
    points = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    assert perceptron.separable(points, np.array([1, 1, -1]))
    assert not perceptron.separable(points, np.array([1, 1, 1]))
