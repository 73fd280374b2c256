"""What every detector promises whatever it computes."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase import detect
from jaxphase.detect.batched import once_per_grid

pytestmark = pytest.mark.usefixtures("optimized")
DETECTORS = {
    "gradients": detect.gradients,
    "cusum": detect.cusum,
    "recursive_cusum": functools.partial(detect.cusum, kind="recursive"),
    "power_law": detect.fit_power_law,
    "sigmoid": detect.fit_sigmoid,
    "change_test": functools.partial(detect.change_test, draws=199),
    "classify": detect.classify,
}
PER_POINT = {"first", "first_se", "first_interval", "second", "second_se", "path"}
every_detector = pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)


@pytest.fixture
def curves(sigmoids):
    """Six curves with two seeds at each of ten sizes, so that ties are part of every promise."""
    x, y, _, _ = sigmoids(6, n=20, noise=0.05)
    return np.repeat(x[::2], 2) * np.ones((6, 1)), y


def assert_same(left, right, rtol=0.0, skip=()):
    for name in left._fields:
        if name not in skip:
            a, b = np.asarray(getattr(left, name)), np.asarray(getattr(right, name))
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.nanmax(np.abs(a), initial=0), err_msg=name)


@every_detector
def test_shuffling_points_changes_nothing(detector, curves):
    x, y = curves
    order = np.random.default_rng(1).permutation(20)
    straight, shuffled = detector(x, y), detector(x[:, order], y[:, order])
    restored = {name: getattr(shuffled, name)[:, np.argsort(order)] for name in PER_POINT & set(shuffled._fields)}
    if "index" in shuffled._fields:
        restored["index"] = order[shuffled.index]
    assert_same(straight, shuffled._replace(**restored))


@every_detector
def test_one_bad_curve_changes_no_other_by_a_bit(detector, curves):
    x, y = curves
    bad = y.copy()
    bad[1], bad[2], bad[3], bad[4, 1:] = np.nan, np.inf, 0.5, np.nan
    clean, spoiled = detector(x, y), detector(x, bad)
    for name in clean._fields:
        unspoiled = np.array([0, 5])
        np.testing.assert_array_equal(
            np.asarray(getattr(spoiled, name))[unspoiled], np.asarray(getattr(clean, name))[unspoiled], err_msg=name
        )
    assert spoiled.status[1] == spoiled.status[2] == spoiled.status[4] == 3


@every_detector
def test_weight_zero_and_nan_both_mean_missing(detector, curves):
    x, y = curves
    weight, holes, lies = np.ones_like(y), y.copy(), y.copy()
    weight[:, 7], holes[:, 7], lies[:, 7] = 0, np.nan, 1e3
    assert_same(detector(x, holes), detector(x, lies, weight=weight))


@every_detector
def test_units_of_y_change_no_decision(detector, curves):
    x, y = curves
    straight, scaled = detector(x, y), detector(x, 100 * y - 30)
    skip = PER_POINT | {"floor", "amplitude", "low", "high", "sse", "bic"}
    skip |= {f"{name}_se" for name in skip}
    # float32 carries a seventh digit of a curve that was shifted.
    assert_same(straight, scaled, rtol=2e-2, skip=skip)
    np.testing.assert_array_equal(straight.status, scaled.status)


@every_detector
def test_leading_axes_broadcast_like_numpy(detector, curves):
    x, y = curves
    flat, folded = detector(x[0], y), detector(x[0], y.reshape(2, 3, 20))
    for a, b in zip(flat, folded, strict=True):
        assert b.shape == (2, 3, *a.shape[1:])
        np.testing.assert_array_equal(a, b.reshape(a.shape))


def test_detectors_live_inside_jit_and_vmap(curves):
    x, y = curves
    inside = jax.jit(jax.vmap(lambda y: detect.cusum(x[0], y)))(y)
    assert_same(detect.cusum(x[0], y), inside, rtol=1e-5)


def test_float64_stays_float64_and_integers_become_floats(curves):
    x, y = curves
    assert detect.cusum(np.arange(5), np.arange(5)).statistic.dtype == jnp.float32
    with jax.enable_x64(True):
        double = detect.fit_sigmoid(x, y)
    assert double.center.dtype == jnp.float64
    assert_same(detect.fit_sigmoid(x, y), double, rtol=1e-3)


@pytest.mark.parametrize("detector", [detect.fit_sigmoid, detect.classify, detect.gradients])
def test_one_point_is_too_few(detector):
    assert detector(np.ones(1), np.ones(1)).status == 3


def test_mistakes_in_shapes_and_options_name_themselves(unchecked):
    with pytest.raises(ValueError, match=r"\(3,\).*\(4,\)"):
        detect.cusum(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match=r"at least one point.*\(0,\)"):
        detect.classify(np.ones(0), np.ones(0))
    with pytest.raises(ValueError, match="kind must be one of 'ols', 'recursive', got 'page'"):
        detect.cusum(np.ones(3), np.ones(3), kind="page")
    with pytest.raises(ValueError, match="null must be one of 'iid', 'ar1', got 'arma'"):
        detect.change_test(np.ones(3), np.ones(3), null="arma")


def test_the_grid_is_built_once_if_shared_and_curve_by_curve_if_not():
    apply = jax.jit(jax.vmap(once_per_grid(lambda x: 2 * x, lambda built, y: jnp.sum(built * y))))
    shared, own, y = jnp.ones((3, 2)), jnp.arange(6.0).reshape(3, 2), jnp.arange(6.0).reshape(3, 2) + 1
    np.testing.assert_array_equal(apply(shared, y), 2 * jnp.sum(y, 1))
    np.testing.assert_array_equal(apply(own, y), 2 * jnp.sum(own * y, 1))


def test_sizes_beyond_32_bits_are_what_they_are():
    sizes = np.geomspace(1e8, 1e11, 12).astype(np.int64)
    loss = 1.7 + 400 * sizes**-0.3
    whole, real = (detect.fit_power_law(x, loss) for x in (sizes, sizes.astype(float)))
    np.testing.assert_array_equal(whole.exponent, real.exponent)
    np.testing.assert_allclose(whole.exponent, -0.3, rtol=1e-3)


def test_a_function_of_one_curve_becomes_a_detector():
    class Range(NamedTuple):
        size: jax.Array
        error: jax.Array

    @detect.curve_detector(static=("scale",), choices={"scale": (1, 2)}, per_point=("error",))
    def value_range(x, y, weight, *, scale=1) -> Range:
        return Range(scale * (jnp.max(y) - jnp.min(y)), y - jnp.mean(y))

    x, y = np.array([2.0, 0.0, 1.0]), np.array([[1.0, 3.0, np.nan], [2.0, 2.0, 5.0]])
    found = value_range(x, y, scale=2)
    np.testing.assert_allclose(found.size, [4, 6])
    np.testing.assert_allclose(found.error, [[-1, 1, np.nan], [-1, -1, 2]])
    assert value_range.__name__ == "value_range"
    with pytest.raises(ValueError, match="scale must be one of 1, 2, got 3"):
        value_range(x, y, scale=3)
