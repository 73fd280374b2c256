import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from jaxphase.rg.networks.reduction import principal_axes, select, way_back


@pytest.fixture
def samples():
    """300 samples of 12 correlated units of different sizes, with a mean."""
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((12, 12)) * np.linspace(0.1, 2, 12)
    return (rng.standard_normal((300, 12)) @ mix + rng.standard_normal(12)).astype(np.float32)


def test_units_are_those_of_the_pivoted_qr_and_the_way_back_is_least_squares(samples):
    found = jax.jit(lambda x: select(x, 5, 5))(samples)
    centered = samples - samples.mean(0)
    units = scipy.linalg.qr(centered, pivoting=True)[2][:5]
    np.testing.assert_array_equal(np.argmax(found.down, axis=0), units)
    np.testing.assert_array_equal(found.down.sum(0), 1)
    back, left = np.linalg.lstsq(centered[:, units].astype(float), centered.astype(float))[:2]
    np.testing.assert_allclose(found.up, back, atol=2e-4)
    np.testing.assert_allclose(found.kept, 1 - left.sum() / (centered**2).sum(), rtol=1e-4)
    fine = samples @ found.down @ found.up + found.offset
    np.testing.assert_allclose(fine.mean(0), samples.mean(0), atol=1e-5)


def test_units_of_rank_k_follow_from_k_of_them_without_loss(samples):
    low = samples[:, :4] @ np.random.default_rng(1).standard_normal((4, 12)).astype(np.float32)
    found = jax.jit(lambda x: select(x, 4, 4))(low)
    np.testing.assert_allclose(low @ found.down @ found.up + found.offset, low, atol=1e-4)
    assert found.kept > 1 - 1e-6


def test_a_padded_matrix_gives_what_the_unpadded_one_does(samples):
    for live, keep in ((12, 5), (7, 3), (4, 4)):
        alone = select(samples[:, :live], keep, keep)
        padded = jax.jit(lambda x, k: select(x, k, 6))(np.pad(samples[:, :live], ((0, 0), (0, 12 - live))), keep)
        np.testing.assert_allclose(padded.down[:live, :keep], alone.down)
        np.testing.assert_allclose(padded.up[:keep, :live], alone.up, atol=1e-5)
        for rest in (padded.down[live:], padded.down[:, keep:], padded.up[keep:], padded.up[:, live:]):
            assert not np.any(rest)


def test_all_live_units_are_kept_before_padding_even_if_they_are_silent_or_repeat(samples):
    x = np.pad(samples[:, [0, 0, 1, 1]], ((0, 0), (1, 7)))  # a silent unit first, two pairs, seven of padding
    found = select(x, 5, 12)
    np.testing.assert_array_equal(np.sort(np.argmax(found.down, axis=0)[:5]), range(5))
    np.testing.assert_allclose(found.down @ found.up, np.diag(np.arange(12) < 5), atol=1e-6)


def test_groups_are_kept_whole_and_the_first_is_the_largest(samples):
    found = select(samples, 8, 8, group=4)
    units = np.argmax(found.down, axis=0).reshape(2, 4)
    assert all(set(group) == set(range(group[0], group[0] + 4)) and group[0] % 4 == 0 for group in units.tolist())
    variance = samples.var(0).reshape(3, 4).sum(1)
    assert units[0, 0] == 4 * np.argmax(variance)


def test_reading_from_chosen_units_is_least_squares(samples):
    down = np.eye(12, dtype=np.float32)[:, [7, 2, 5]]
    found = way_back(samples, np.pad(down, ((0, 0), (0, 1))), center=False)
    back = np.linalg.lstsq(samples[:, [7, 2, 5]].astype(float), samples.astype(float))[0]
    np.testing.assert_allclose(found.up[:3], back, atol=1e-4)
    assert not np.any(found.up[3])


def test_principal_axes_keep_the_largest_eigenvalues_and_never_padding(samples):
    moment = samples.T @ samples
    values = np.linalg.eigvalsh(moment.astype(float))[::-1]
    found = jax.jit(lambda m, keep: principal_axes(m, 12, keep, 10))(np.pad(moment, ((0, 4), (0, 4))), 6)
    np.testing.assert_allclose(found.kept, values[:6].sum() / values.sum(), rtol=1e-5)
    np.testing.assert_allclose(found.down.T @ found.down, np.diag(np.arange(10) < 6), atol=1e-5)
    assert not np.any(found.down[12:])


def test_directions_without_variance_are_told_from_padding():
    moment = jnp.zeros((6, 6)).at[0, 0].set(3.0)
    found = principal_axes(moment, 4, 4, 6)
    np.testing.assert_allclose(found.down @ found.up, np.diag([1, 1, 1, 1, 0, 0]), atol=1e-6)
