"""The InfoNCE bound on Gaussians whose mutual information is known."""

import jax
import numpy as np
import pytest

from jaxphase.evaluate import information as in_nats

info_nce_bound = jax.jit(in_nats.info_nce_bound)


def correlated(information: float, n: int, d: int, seed: int = 0):
    """n pairs of d-dimensional Gaussians that share `information` nats, and the temperature of their best critic."""
    rng = np.random.default_rng(seed)
    rho = np.sqrt(1 - np.exp(-2 * information / d))
    a, noise = rng.standard_normal((2, n, d)).astype(np.float32)
    # log p(b|a)/p(b) = rho a.b / (1 - rho^2) + terms in |a|^2 + |b|^2, and |a| |b| is nearly d.
    best = (1 - rho**2) / max(rho * d, 1e-3)
    return a, (rho * a + np.sqrt(1 - rho**2) * noise).astype(np.float32), best


def bounds(information: float, n: int = 400, d: int = 32, temperature=None, repeats: int = 12) -> np.ndarray:
    pairs = [correlated(information, n, d, seed) for seed in range(repeats)]
    return np.array([info_nce_bound(a, b, temperature or best) for a, b, best in pairs])


@pytest.mark.parametrize("information", [0.25, 0.5, 1.0])
def test_little_information_is_found_nearly_whole(information):
    found = bounds(information)
    error = found.std() / np.sqrt(len(found))
    assert found.mean() < information + 3 * error
    assert found.mean() > 0.85 * information - 3 * error


@pytest.mark.parametrize("information", [0.0, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_the_bound_holds_for_any_critic(information, temperature):
    found = bounds(information, temperature=temperature, repeats=6)
    assert found.mean() < information + 3 * found.std() / np.sqrt(len(found)) + 1e-3


def test_the_bound_cannot_exceed_the_log_of_the_number_of_pairs():
    for n in (16, 64):
        a, b, _ = correlated(200.0, n, 32)
        assert info_nce_bound(a, a, 0.01) == pytest.approx(np.log(n), rel=1e-4)
        assert np.log(n) - 0.05 < info_nce_bound(a, b, 0.01) <= np.log(n) * (1 + 1e-6)


def test_the_best_of_a_grid_is_the_best():
    a, b, best = correlated(1.0, 100, 16)
    grid = (best / 4, best, 4 * best)
    alone = [info_nce_bound(a, b, temperature) for temperature in grid]
    np.testing.assert_allclose(info_nce_bound(a, b, grid), max(alone), rtol=1e-5)
    assert max(alone) == alone[1]


def test_views_that_say_nothing_carry_nothing():
    rows = np.zeros((20, 4), np.float32)
    assert info_nce_bound(rows, rows) == pytest.approx(0, abs=1e-5)
    assert info_nce_bound(rows + 1, rows + 1) == pytest.approx(0, abs=1e-5)


def test_padding_and_length_change_nothing():
    a, b, _ = correlated(2.0, 50, 8)
    plain = info_nce_bound(a, b)
    wide = [np.pad(rows, ((0, 0), (0, 8))) for rows in (a, b)]
    np.testing.assert_allclose(info_nce_bound(*wide), plain, rtol=1e-5)
    np.testing.assert_allclose(info_nce_bound(1e25 * a, 1e-25 * b), plain, rtol=1e-4)
    lanes = jax.vmap(info_nce_bound)(*(np.stack([rows, -rows]) for rows in wide))
    np.testing.assert_allclose(lanes, plain, rtol=1e-4)
