"""Steps of learning curves whose times are known exactly, and smooth curves that have none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.detect.steps import fit_steps
from jaxphase.systems import linear_learning as linear

STEPS = np.geomspace(1, 1000, 48)
# One program for all tests: curves are filled up to this many.
CURVES = 5


def fitted(curves, **options):
    curves = np.atleast_2d(curves)
    filled = np.concatenate([curves, np.broadcast_to(curves[:1], (CURVES - len(curves), curves.shape[1]))])
    return jax.tree.map(
        lambda field: np.asarray(field)[: len(curves)], fit_steps(STEPS, filled, max_steps=3, **options)
    )


def noise(count, size, seed=0):
    return size * np.random.default_rng(seed).standard_normal((count, len(STEPS)))


def test_modes_of_a_linear_network_are_steps_at_their_half_times():
    correlation, initial = np.array([1.0, 0.12, 0.015]), 1e-3
    strength = np.asarray(linear.mode_strength(STEPS[:, None], correlation, initial, variance=correlation)).sum(axis=1)
    found = fitted(strength + noise(CURVES, 0.005))
    assert np.mean(found.n_steps == 3) >= 0.8
    right = found.n_steps == 3
    times = np.asarray(linear.half_time(correlation, initial, variance=correlation))
    np.testing.assert_allclose(found.time[right], np.tile(times, (right.sum(), 1)), rtol=0.15)
    inside = (found.interval[right, :2, 0] <= times[:2]) & (times[:2] <= found.interval[right, :2, 1])
    assert inside.mean() >= 0.8
    np.testing.assert_allclose(found.height[right, 0], 1, atol=0.03)
    assert np.all(found.begin[right] < found.time[right]) and np.all(found.end[right] > found.time[right])


def test_the_rank_of_linear_barlow_twins_is_a_staircase_with_steps_at_the_times_of_simon_et_al():
    eigenvalues = np.array([0.25, 0.02])
    weights = linear.aligned(1e-2, 2, 4, key=jax.random.key(0))
    flow = linear.barlow_twins(weights, jnp.array([*eigenvalues, 0.0, 0.0]), 300.0, steps=3000)
    rank = np.asarray(flow.values).sum(axis=1)
    curve = np.interp(STEPS[:38], np.asarray(flow.times), rank)
    found = fitted(np.concatenate([curve, np.full(len(STEPS) - 38, np.nan)]) + noise(CURVES, 0.01))
    assert np.all(found.n_steps == 2)
    times = np.asarray(linear.barlow_half_time(eigenvalues, 1e-2))
    np.testing.assert_allclose(found.time[:, :2], np.tile(times, (CURVES, 1)), rtol=0.05)
    np.testing.assert_allclose(found.height[:, :2], 1, atol=0.1)


@pytest.mark.parametrize(
    "decay",
    [
        lambda t: t**-0.3,
        lambda t: (1 + t / 30) ** -1.5,
        lambda t: np.exp(-t / 40),
        lambda t: np.exp(-t / 400),
        lambda t: np.exp(-np.sqrt(t / 50)),
        lambda t: t**-1.0 + t**-0.2,
        lambda t: 0 * t,
    ],
)
def test_a_smooth_decay_has_no_step(decay):
    values = decay(STEPS)
    found = fitted(values / max(np.ptp(values), 1e-9) + noise(CURVES, 0.02))
    assert np.sum(found.n_steps > 0) <= 1
    assert np.all(found.n_steps >= 0)


def test_correlated_noise_makes_no_steps():
    rough = noise(CURVES, 1, seed=1)
    for i in range(1, len(STEPS)):
        rough[:, i] = 0.7 * rough[:, i - 1] + 0.51**0.5 * rough[:, i]
    found = fitted(STEPS**-0.3 + 0.03 * rough)
    assert np.sum(found.n_steps > 0) <= 1
    assert 0.4 < np.median(found.noise_correlation) <= 0.9


def test_drops_and_rises_are_told_apart_and_units_do_not_matter():
    step = lambda t0, rate: 1 / (1 + (STEPS / t0) ** -rate)  # noqa: E731
    curve = 2 - step(20, 6) + 0.5 * step(250, 8) + noise(CURVES, 0.01)
    found, scaled = fitted(curve), fitted(100 - 1e3 * curve)
    assert np.all(found.n_steps == 2)
    np.testing.assert_allclose(found.height[:, :2], [[-1, 0.5]] * CURVES, atol=0.1)
    np.testing.assert_allclose(found.time[:, :2], [[20, 250]] * CURVES, rtol=0.05)
    np.testing.assert_allclose(scaled.time[:, :2], found.time[:, :2], rtol=1e-2)
    assert np.all(np.abs(scaled.height / -1e3 - found.height)[:, :2] < found.height_se[:, :2])
    residual = curve - found.fitted
    assert np.all(residual.std(axis=1) < 0.015)


def test_a_jump_between_two_points_is_bracketed():
    found = fitted((STEPS > 40) + noise(CURVES, 0.02))
    before, after = STEPS[STEPS <= 40][-1], STEPS[STEPS > 40][0]
    assert np.all(found.n_steps == 1)
    assert np.all(found.interval[:, 0, 0] <= before * 1.001) and np.all(found.interval[:, 0, 1] >= after * 0.999)
    assert np.all(found.interval[:, 0, 1] / found.interval[:, 0, 0] < (after / before) ** 3)


def test_what_cannot_be_judged_says_so():
    values = np.where(np.arange(len(STEPS)) < 11, STEPS**-0.5, np.nan)
    found = fitted(np.stack([np.full(len(STEPS), 0.3), values]))
    assert found.status.tolist() == [2, 3] and found.n_steps.tolist() == [0, -1]
    assert np.isnan(found.time).all()
    with pytest.raises(ValueError, match="max_steps must be an integer of at least 1, got 0"):
        fit_steps(STEPS, STEPS, max_steps=0)
