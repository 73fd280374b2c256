"""Loops whose width is known, and chains of scalar weights whose spinodals are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from jaxphase.scaling import hysteresis
from jaxphase.systems.linear_learning import gradient_flow, spinodal_decay, upper_product

CONTROL = np.linspace(0, 1, 41)


def branches(rng, loop, seeds=12, scatter=0.03, fall=False):
    """Steep rises at 0.5 +- loop / 2, each seed at its own place, and noise."""
    values = []
    for side in (1, -1):
        place = 0.5 + side * loop / 2 + scatter * rng.standard_normal(seeds)
        rise = expit((CONTROL[:, None] - place) / 0.02)
        values.append(3 + 2 * (1 - rise if fall else rise) + 0.05 * rng.standard_normal((41, seeds)))
    return values


@pytest.mark.parametrize("fall", [False, True])
def test_the_width_of_a_loop_is_in_its_interval_and_no_loop_is_none(fall):
    rng = np.random.default_rng(0)
    found = [hysteresis(CONTROL, *branches(rng, 0.2, fall=fall)) for _ in range(40)]
    inside = [one.interval[0] <= 0.2 <= one.interval[1] for one in found]
    assert np.mean(inside) >= 0.85  # fewer than 34 of 40 have a probability of 3e-3 if 95 % should
    assert np.median([one.width_se for one in found]) < 0.02
    assert all(one.p_value < 0.002 for one in found)
    assert np.median([one.low for one in found]) == pytest.approx(0.4, abs=0.05)
    assert np.median([one.high for one in found]) == pytest.approx(0.6, abs=0.05)
    none = [hysteresis(CONTROL, *branches(rng, 0.0, fall=fall)) for _ in range(40)]
    assert sum(one.p_value < 0.05 for one in none) <= 7  # more have a probability of 2e-3
    assert sum(np.isfinite(one.low) for one in none) <= 7
    up, down = branches(rng, 0.2, fall=fall)
    assert [hysteresis(CONTROL, up, down, tolerance=w).p_value < 0.05 for w in (0.1, 0.3)] == [True, False]
    ahead = hysteresis(CONTROL, *reversed(branches(rng, 0.2, fall=fall)))
    assert ahead.width == pytest.approx(-0.2, abs=0.05) and ahead.p_value > 0.99


def ends(depth, decay, seeds=8):
    """Products at rest from large weights, as if the decay had risen, and from small ones, as if it had fallen."""
    key = jax.random.key(depth)
    noise = 1 + 0.1 * jax.random.normal(key, (2, 1, seeds, 1))
    start = jnp.array([1.0, 0.1])[:, None, None, None] * noise * jnp.ones((2, len(decay), seeds, depth))

    def loss(weights):
        product = jnp.prod(weights, axis=-1)
        return jnp.sum((1 - product) ** 2 + decay[:, None] * jnp.sum(weights**2, axis=-1))

    rest = gradient_flow(loss, start, 150.0, 3000, lambda weights: jnp.prod(weights, axis=-1)).values[-1]
    return np.asarray(rest, float)


def test_three_layers_have_the_loop_of_their_spinodals_and_two_have_none():
    decay = np.linspace(0, 0.7, 36)
    found = hysteresis(decay, *ends(3, decay))
    # Small weights w leave 0 where decay < w (1 - w**3), large ones jump down at the upper spinodal.
    area = np.sum(upper_product(decay, 1.0, 3)[decay > 0.1]) * 0.02
    assert found.status == 0 and found.p_value < 0.002
    assert found.width == pytest.approx(area, abs=0.02)
    assert found.high == pytest.approx(spinodal_decay(1.0, 3), abs=0.02) and 0.06 <= found.low <= 0.14

    decay = np.linspace(0.05, 1.6, 32)
    two = hysteresis(decay, *ends(2, decay))
    assert two.status == 0 and abs(two.width) < 1e-4 and two.p_value > 0.9 and np.isnan([two.low, two.high]).all()
    # Weights that are not quite at rest do lag, by less than anyone could call a loop.
    assert hysteresis(decay, *ends(2, decay), tolerance=0.0).p_value < 0.05


def test_order_of_controls_and_missing_values_do_not_matter():
    rng = np.random.default_rng(1)
    up, down = branches(rng, 0.2)
    whole, order = hysteresis(CONTROL, up, down), rng.permutation(41)
    mixed = hysteresis(CONTROL[order], up[order], down[order])
    np.testing.assert_allclose(mixed.width, whole.width)
    np.testing.assert_allclose(mixed.interval, whole.interval)
    up[20, 3] = np.nan
    down[30] = np.inf
    up = np.append(up, np.full((41, 1), np.nan), axis=1)
    some = hysteresis(CONTROL, up, down)
    assert some.width == pytest.approx(whole.width, abs=0.01) and some.status == 0


def test_what_cannot_be_judged_says_so():
    rng = np.random.default_rng(2)
    up, down = branches(rng, 0.2)
    few = hysteresis(CONTROL, up[:, :3], down)
    assert few.status == 3 and np.isnan(few.width) and np.isnan(few.p_value)
    flat = hysteresis(CONTROL, *rng.standard_normal((2, 41, 12)))
    assert flat.status in (0, 2) and flat.p_value > 0.001
    same = hysteresis(CONTROL, np.ones((41, 5)), np.ones((41, 5)))
    assert same.status == 2 and np.isnan(same.width) and same.p_value == 1
    with pytest.raises(ValueError, match=r"\[controls, seeds\], got \(40, 12\)"):
        hysteresis(CONTROL, up[1:], down)
