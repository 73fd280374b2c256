"""Flows of known maps, measured with noise on members that begin at different couplings: found, trivial or none."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.rg.measured_flow import FlowKind, _fit, _Means, _moments, _Weights, measured_fixed_point
from jaxphase.systems.renormalization_maps import MIGDAL_KADANOFF

REPEATS = 100


def measured(rng, step, start, scatter, noise, shape=(REPEATS, 6, 8)):
    """Three steps of three couplings each: `[repeats, members, seeds, 3, k]`, the seeds scattered about the start."""
    start = np.asarray(start, float)
    couplings = [start[:, None] + scatter * rng.standard_normal((*shape, start.shape[-1]))]
    for _ in range(2):
        couplings.append(step(couplings[-1]))
    couplings = np.stack(couplings, axis=-2)
    return couplings + noise * rng.standard_normal(couplings.shape)


def migdal_kadanoff(coupling):
    return np.log(np.cosh(4 * coupling)) / 2


def ring(coupling):
    return np.arctanh(np.tanh(coupling) ** 2)


def spread(low, high):
    return np.linspace(low, high, 6)[:, None]


CASES = {
    "critical": (migdal_kadanoff, spread(0.23, 0.4), 0.01, 0.008),
    "attractive": (lambda k: 0.3 + (k - 0.3) / 2, spread(0.2, 0.42), 0.02, 0.01),
    "to zero": (lambda k: k / 2, spread(0.5, 1.5), 0.02, 0.01),
    "drift": (lambda k: k + 0.05, spread(0.2, 0.42), 0.02, 0.01),
    "standing": (lambda k: k, spread(0.25, 0.35), 0.0, 0.01),
    "noise": (lambda k: k, np.full((6, 1), 0.3), 0.0, 0.01),
    "ring": (ring, spread(1.0, 2.5), 0.02, 0.01),
    "one side": (migdal_kadanoff, spread(0.36, 0.5), 0.02, 0.01),
    "beyond": (lambda k: 1 + (k - 1) / 2, spread(1.5, 2.5), 0.02, 0.01),
    "few": (migdal_kadanoff, spread(0.2, 0.42), 0.01, 0.008),
}


@functools.cache
def results():
    """All cases in one call: a field of the result is `[REPEATS]` of a case."""
    rng = np.random.default_rng(0)
    couplings = np.stack([measured(rng, *case) for case in CASES.values()])
    couplings[-1, :, 2, 2:] = np.nan  # two seeds are left of a member
    found = measured_fixed_point(couplings, 2)
    return {name: type(found)(*(np.asarray(field[i]) for field in found)) for i, name in enumerate(CASES)}


@pytest.mark.parametrize(
    ("case", "coupling", "y"),
    [("critical", MIGDAL_KADANOFF["coupling"], MIGDAL_KADANOFF["y_t"]), ("attractive", 0.3, -1)],
)
def test_a_fixed_point_within_the_data_is_found_within_its_errors(case, coupling, y):
    found = results()[case]
    here = found.kind == FlowKind.FIXED_POINT
    assert np.mean(here) > 0.8
    low, high = np.moveaxis(found.interval[here, 0], -1, 0)
    assert np.mean((low < coupling) & (coupling < high)) > 0.86
    assert np.mean(np.abs(found.y[here, 0] - y) < 1.96 * found.y_se[here, 0]) > 0.86
    # Not by errors that hold everything.
    assert np.median(found.couplings_se[here]) < 0.01 and np.median(found.y_se[here]) < 0.25


@pytest.mark.parametrize("case", ["drift", "standing", "noise", "ring", "one side", "beyond"])
def test_a_flow_without_a_fixed_point_in_its_data_has_none(case):
    found = results()[case]
    none = found.kind == FlowKind.NOT_FOUND
    assert np.mean(none) >= 0.95
    assert np.all(found.status[none] == 2) and np.all(np.isnan(found.couplings[none]))


def test_a_flow_that_dies_out_has_the_trivial_fixed_point():
    found = results()["to zero"]
    here = found.kind == FlowKind.TRIVIAL
    assert np.mean(here) > 0.85 and not np.any(found.kind == FlowKind.FIXED_POINT)
    assert np.mean(np.abs(found.couplings[here, 0]) < 2.1 * found.couplings_se[here, 0]) == 1
    assert np.median(found.y[here, 0]) == pytest.approx(-1, abs=0.1)


def test_what_errors_add_to_the_moments_is_known_even_in_a_window_of_the_data():
    rng = np.random.default_rng(1)
    latent, draws = np.linspace(-1, 1, 9)[:, None] ** 3, 2000
    e, f = rng.multivariate_normal([0, 0], [[0.04, 0.01], [0.01, 0.09]], (draws, 9)).T
    x, y = (np.swapaxes(a, 0, 1)[..., None] for a in (latent + e, 1.5 * latent + f))
    error = jnp.broadcast_to(jnp.array([[0.04, 0.01], [0.01, 0.09]])[:, None, :, None], (9, 2, 1, 2, 1))

    def in_window(x, y):
        ratio = jnp.minimum(jnp.abs(x - 0.2) / 0.9, 1)
        bell = lambda x: (1 - jnp.minimum(jnp.abs(x - 0.2) / 0.9, 1) ** 3) ** 3  # noqa: E731
        slope = jax.vmap(jax.grad(bell))(x[:, 0])
        weight = _Weights((1 - ratio**3) ** 3, slope[:, None, None])
        means = _Means(jnp.stack([x, y], axis=1), error)
        return _moments(means, weight), weight.value[:, 0], _fit(means, weight).matrix

    ((_, square, added), (_, cross, cross_added)), weight, matrix = jax.vmap(in_window)(x, y)
    off = x[..., 0] - np.sum(weight * x[..., 0], axis=1, keepdims=True) / np.sum(weight, axis=1, keepdims=True)
    for errors, found in ((e, added), (f, cross_added)):
        truth = np.sum(weight * off * errors.T, axis=1)
        # The centers of all windows are one here, as in the theorem; four standard errors.
        assert abs(np.mean(truth) - np.mean(found)) < 4 * np.std(truth) / draws**0.5
    plain = np.sum(0.04 * weight, axis=1)
    assert np.mean(added) < 0.7 * np.mean(plain)
    np.testing.assert_allclose(matrix, (cross - cross_added) / (square - added), rtol=2e-3)


def test_two_couplings_with_a_relevant_and_an_irrelevant_direction():
    rng = np.random.default_rng(2)
    matrix, center = np.array([[1.6, 0.2], [0.0, 0.5]]), np.array([0.5, -0.3])
    start = center + rng.uniform(-0.2, 0.2, (6, 2))
    units = np.array([1.0, 1000.0])
    couplings = units * measured(rng, lambda k: center + (k - center) @ matrix.T, start, 0.02, 0.005)
    couplings[:, 0, 0, 2] = np.nan  # a seed that was lost
    found = measured_fixed_point(couplings, 2)
    here = found.kind == FlowKind.FIXED_POINT
    assert np.mean(here) > 0.8
    inside = (found.interval[here, :, 0] < units * center) & (units * center < found.interval[here, :, 1])
    assert np.all(np.mean(inside, axis=0) > 0.88)
    np.testing.assert_allclose(np.median(found.y[here], axis=0), np.log2([1.6, 0.5]), atol=0.1)
    np.testing.assert_allclose(
        np.median(found.matrix[here], axis=0), matrix * units[:, None] / units, atol=0.1 * units.max()
    )


def test_too_few_seeds_have_no_answer_and_wrong_shapes_are_refused():
    few = results()["few"]
    assert np.all(few.status == 3) and np.all(few.kind == FlowKind.NOT_FOUND) and np.all(np.isnan(few.couplings))
    with pytest.raises(ValueError, match=r"couplings must have shape .* got \(4, 3, 1\)"):
        measured_fixed_point(np.ones((4, 3, 1)), 2)
    with pytest.raises(ValueError, match=r"trivial must have shape \(1,\)"):
        measured_fixed_point(np.ones((4, 4, 3, 1)), 2, trivial=[0, 0])
