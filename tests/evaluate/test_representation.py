"""Spectra and geometry of representations whose answers are known, and padding that changes none of them."""

import jax
import numpy as np
import pytest

from jaxphase.evaluate import representation

alignment = jax.jit(representation.alignment)
effective_rank = jax.jit(representation.effective_rank)
feature_std = jax.jit(representation.feature_std)
rank_of_spectrum = jax.jit(representation.rank_of_spectrum)
slope_of_spectrum = jax.jit(representation.slope_of_spectrum)
spectrum = jax.jit(representation.spectrum)
spectrum_slope = jax.jit(representation.spectrum_slope, static_argnums=(1, 2))
uniformity = jax.jit(representation.uniformity)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def padded(features: np.ndarray, columns: int = 9) -> np.ndarray:
    return np.pad(features, ((0, 0), (0, columns)))


def with_eigenvalues(eigenvalues: np.ndarray, n: int = 200, offset: float = 0) -> np.ndarray:
    """Features [n, d] whose covariance has exactly these eigenvalues, about a mean of `offset` in every feature."""
    d = len(eigenvalues)
    rng = np.random.default_rng(d)
    rows = rng.standard_normal((n, d))
    left, right = np.linalg.qr(rows - rows.mean(0))[0], np.linalg.qr(rng.standard_normal((d, d)))[0]
    return (left * np.sqrt(n * eigenvalues) @ right + offset).astype(np.float32)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("offset", [0, 30])
def test_the_slope_of_a_power_law_is_its_exponent(alpha, offset):
    features = with_eigenvalues(np.arange(1, 33.0) ** -alpha, offset=offset)
    dead = np.full((len(features), 2), 77.7, np.float32)
    for given in (features, padded(features), 1e-3 * features, np.hstack([features, dead])):
        result = spectrum_slope(given)
        assert result.alpha == pytest.approx(alpha, rel=2e-3)
        assert result.alpha_se < 2e-3


def test_the_slope_and_its_error_are_those_of_weighted_least_squares():
    features = normal(0, 150, 24) @ normal(1, 24, 24)
    eigenvalues = np.linalg.eigvalsh(np.cov(features.T.astype(float)))[::-1]
    for first, last in ((1, 24), (3, 20)):
        rank = np.arange(first, last + 1)
        line, covariance = np.polyfit(np.log(rank), np.log(eigenvalues[rank - 1]), 1, w=rank**-0.5, cov=True)
        result = spectrum_slope(features, first, last)
        assert result.alpha == pytest.approx(-line[0], rel=1e-3)
        assert result.alpha_se == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-3)


def test_too_few_eigenvalues_have_no_slope():
    assert np.isfinite(spectrum_slope(normal(0, 50, 7)).alpha)
    for features in (normal(0, 50, 6), padded(normal(0, 50, 6)), normal(0, 7, 20), np.ones((50, 30), np.float32)):
        assert np.isnan(spectrum_slope(features).alpha) and np.isnan(spectrum_slope(features).alpha_se)


@pytest.mark.parametrize("n", [60, 12])
def test_one_spectrum_serves_rank_and_slope(n):
    features = normal(3, n, 20) + 1
    both = spectrum(features)
    np.testing.assert_allclose(both.values, np.linalg.svd(features)[1], rtol=1e-4)
    centered = np.linalg.svd(features - features.mean(0))[1]
    np.testing.assert_allclose(both.centered, centered, rtol=1e-4, atol=1e-5 * centered[0])
    np.testing.assert_allclose(rank_of_spectrum(both.values), effective_rank(features), rtol=1e-5)
    np.testing.assert_allclose(slope_of_spectrum(both), spectrum_slope(features), rtol=1e-5)


def test_alignment_of_equal_opposite_and_orthogonal_views():
    a, eye = normal(0, 30, 5), np.eye(6, dtype=np.float32)
    assert alignment(a, 3 * a) == pytest.approx(0, abs=1e-6)
    assert alignment(a, -a) == pytest.approx(4, rel=1e-5)
    assert alignment(eye, np.roll(eye, 1, axis=0)) == pytest.approx(2, rel=1e-5)
    assert alignment(1e30 * a, 1e-30 * a) == pytest.approx(0, abs=1e-6)


def test_uniformity_is_the_formula_over_all_pairs():
    rows = normal(0, 40, 3)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    first, second = np.triu_indices(40, 1)
    squares = np.sum((unit[first] - unit[second]) ** 2, axis=1, dtype=float)
    for t in (1, 2, 200):
        assert uniformity(rows, t) == pytest.approx(np.log(np.mean(np.exp(-t * squares))), rel=1e-4)
    eye = np.eye(7, dtype=np.float32)
    assert uniformity(eye) == pytest.approx(-4, rel=1e-5)
    # Too far apart for exp: every pair of a simplex is at the same distance.
    assert uniformity(eye, t=1000) == pytest.approx(-2000, rel=1e-5)
    assert uniformity(np.ones((20, 4), np.float32) * normal(1, 20, 1) ** 2) == pytest.approx(0, abs=1e-5)


def test_rows_of_zeros_have_no_direction():
    a, b, rows = normal(0, 12, 4), normal(1, 12, 4), np.zeros((5, 4), np.float32)
    longer = np.concatenate([a, rows]), np.concatenate([b, b[:5]])
    np.testing.assert_allclose(alignment(*longer), alignment(a, b), rtol=1e-5)
    np.testing.assert_allclose(uniformity(longer[0]), uniformity(a), rtol=1e-5)
    assert np.isnan(alignment(rows, rows)) and np.isnan(uniformity(rows))
    assert np.isnan(uniformity(np.concatenate([a[:1], rows])))
    assert feature_std(rows) == 0


def test_feature_std_is_one_for_an_even_spread_and_zero_for_a_collapse():
    cross = np.concatenate([np.eye(6), -np.eye(6)]).astype(np.float32)
    assert feature_std(cross) == pytest.approx(1, rel=1e-5)
    assert feature_std(cross * np.arange(1, 13)[:, None].astype(np.float32)) == pytest.approx(1, rel=1e-5)
    assert feature_std(np.ones((20, 6), np.float32)) == pytest.approx(0, abs=1e-6)
    # Two of three features never vary and are not counted: what is left is +1 and -1 in turn, over sqrt(3).
    line = np.array([[1, 1, 1], [-1, 1, 1]], np.float32)
    assert feature_std(line) == pytest.approx(1 / np.sqrt(3), rel=1e-5)
    assert feature_std(normal(0, 4000, 50)) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("measure", [effective_rank, lambda x: spectrum_slope(x).alpha, uniformity, feature_std])
def test_lanes_of_any_width_share_a_program(measure):
    lanes = [normal(width, 64, width) for width in (9, 16, 24)]
    together = jax.jit(jax.vmap(measure))(np.stack([padded(lane, 24 - lane.shape[1]) for lane in lanes]))
    np.testing.assert_allclose(together, [measure(lane) for lane in lanes], rtol=2e-4)


def test_padding_does_not_count_in_alignment():
    a, b = normal(0, 30, 5), normal(1, 30, 5)
    np.testing.assert_allclose(alignment(padded(a), padded(b)), alignment(a, b), rtol=1e-6)
