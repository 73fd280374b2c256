"""Tops of tridiagonal matrices against numpy, their law against that of full data, and the transition's limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.systems import spiked


def dense(strength, dimension, samples, replicas, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((replicas, samples, dimension))
    x[..., 0] *= np.sqrt(1 + strength)
    values, vectors = np.linalg.eigh(np.swapaxes(x, 1, 2) @ x / samples)
    return values[:, -1], vectors[:, 0, -1] ** 2


@pytest.mark.parametrize(("precise", "tolerance"), [(True, 1e-10), (False, 1e-2)])
def test_the_top_eigenpair_of_tridiagonal_matrices_is_numpys(precise, tolerance):
    """Of random ones, whose top vectors are local and hardly touch the first axis, and of sample covariances."""
    rng = np.random.default_rng(1)
    diagonal, side = (np.sqrt(rng.chisquare(np.arange(200, 0, -1)[:, None], (200, 40))) for _ in range(2))
    side = np.roll(side, -1, 0)
    side[-1] = 0
    main = np.concatenate([1 + rng.random((200, 40)), (diagonal**2 + np.roll(side, 1, 0) ** 2) / 200], axis=1)
    beside = np.concatenate([rng.random((200, 40)), diagonal * side / 200], axis=1)
    beside[-1] = 0
    with jax.enable_x64(precise):
        found = spiked._top(jnp.asarray(main, float), jnp.asarray(beside, float))
    for i in range(0, 80, 5):
        matrix = np.diag(main[:, i]) + np.diag(beside[:-1, i], 1) + np.diag(beside[:-1, i], -1)
        values, vectors = np.linalg.eigh(matrix)
        np.testing.assert_allclose(found.eigenvalue[i], values[-1], rtol=1e-4 * tolerance)
        np.testing.assert_allclose(found.overlap[i], vectors[0, -1] ** 2, rtol=tolerance, atol=1e-20)


def test_draws_have_the_law_of_full_data_on_either_side_of_square():
    for dimension, samples in ((12, 20), (20, 12), (1, 5)):
        strength = np.array([0.3, 1.0, 3.0])
        drawn = spiked.sample(strength, dimension, samples, 4000, key=jax.random.key(0))
        for i, each in enumerate(strength):
            for ours, full in zip(
                (drawn.eigenvalue[i], drawn.overlap[i]), dense(each, dimension, samples, 4000), strict=True
            ):
                for power in (1, 2):
                    one, other = np.asarray(ours, float) ** power, full**power
                    error = np.sqrt((one.var() + other.var()) / 4000) + 1e-6
                    assert abs(one.mean() - other.mean()) < 4 * error


def test_large_matrices_have_the_limits_of_baik_ben_arous_and_peche():
    # dimension / samples = 1/2: the published limits of the overlap at strengths 1, 1.5, 2.5 are 1/3, 7/12, 23/30.
    strength = np.array([0.2, 1.0, 1.5, 2.5])
    limit = spiked.limit(strength, 0.5)
    np.testing.assert_allclose(limit.overlap, [0, 1 / 3, 7 / 12, 23 / 30], atol=1e-15)
    np.testing.assert_allclose(limit.eigenvalue, [(1 + np.sqrt(0.5)) ** 2, 3, 10 / 3, 4.2], rtol=1e-12)
    drawn = spiked.sample(strength, 4000, 8000, 24, key=jax.random.key(1))
    # Fluctuations of means are ~ 1e-3; the edge below the transition is still 2 p**(-2/3) away.
    np.testing.assert_allclose(np.mean(drawn.eigenvalue, axis=1), limit.eigenvalue, atol=0.02)
    np.testing.assert_allclose(np.mean(drawn.overlap, axis=1), limit.overlap, atol=0.02)
    assert spiked.critical_strength(0.25) == 0.5
