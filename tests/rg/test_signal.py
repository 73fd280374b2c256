"""Against layers whose Jacobian is known and the theory of infinite width."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxphase.rg.criticality import Phase, criticality_index
from jaxphase.rg.mean_field import correlation_map, critical_line, fixed_point, variance_map
from jaxphase.rg.signal import chi, phase_diagram, propagate
from jaxphase.scaling.fields import fit_correlation_exponent

KEY = jax.random.key(0)


def tanh_stack(width, depth, sigma_w, sigma_b, seed=0):
    def layer(rngs):
        linear = nnx.Linear(
            width,
            width,
            kernel_init=nnx.initializers.variance_scaling(sigma_w**2, "fan_in", "normal"),
            bias_init=nnx.initializers.normal(sigma_b),
            rngs=rngs,
        )
        kernel, bias = linear.kernel[...], linear.bias[...]
        return lambda hidden: jnp.tanh(hidden) @ kernel + bias

    rngs = nnx.Rngs(seed)
    return [layer(rngs) for _ in range(depth)]


def test_chi_is_the_squared_norm_of_the_jacobian_per_output():
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((12, 20)).astype(np.float32)
    hidden = rng.standard_normal((400, 3, 12)).astype(np.float32)
    layer = lambda hidden: jnp.sin(hidden) @ weight  # noqa: E731
    found = chi(layer, jnp.asarray(hidden), key=KEY, probes=4)
    exact = np.sum(np.square(np.cos(hidden)[..., None] * weight), axis=(1, 2, 3)) / 60
    # Random signs are exact for no layer, but for the scatter that the error tells.
    assert abs(found.value - exact.mean()) < 3 * found.se
    assert found.se < 0.03 * found.value
    mixing = lambda hidden: jnp.flip(hidden, 1) * 2.0  # noqa: E731
    assert chi(mixing, jnp.asarray(hidden), key=KEY).value == pytest.approx(4, rel=1e-5)


def test_two_errors_hold_chi_in_95_of_100():
    weight = jnp.asarray(np.random.default_rng(1).standard_normal((16, 16)), jnp.float32) / 4
    layer = lambda hidden: jax.nn.relu(hidden) @ weight  # noqa: E731

    def one(key):
        draw, probe = jax.random.split(key)
        return chi(layer, jax.random.normal(draw, (50, 16)), key=probe)

    found = jax.jit(jax.vmap(one))(jax.random.split(KEY, 300))
    pull = (found.value - jnp.sum(jnp.square(weight)) / 2 / 16) / found.se
    assert 0.91 < np.mean(np.abs(pull) < 2.01) < 0.985


def test_padding_changes_no_signal():
    rng = np.random.default_rng(2)
    weight, hidden = rng.standard_normal((10, 6)), rng.standard_normal((5, 2, 10))
    wide = np.pad(weight, ((0, 6), (0, 3))), np.pad(hidden, ((0, 0), (0, 0), (0, 6)))
    of = lambda weight: lambda hidden: jnp.tanh(hidden) @ weight  # noqa: E731
    alone = jax.jit(lambda h: propagate([of(weight), of(weight.T)], h, key=KEY, probes=3))(hidden)
    padded = jax.jit(lambda h, live: propagate([of(wide[0]), of(wide[0].T)], h, key=KEY, probes=3, live=live))(
        wide[1], [10, 6, 10]
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6), alone, padded)


def test_chi_without_an_answer_says_so():
    once = chi(jnp.tanh, jnp.ones((1, 4)), key=KEY)
    assert (once.status, np.isnan(once.se), np.isfinite(once.value)) == (3, True, True)
    assert chi(jnp.sqrt, jnp.zeros((3, 4)), key=KEY).status == 2
    with pytest.raises(ValueError, match=r"\(4,\)"):
        chi(jnp.tanh, jnp.ones(4), key=KEY)
    with pytest.raises(ValueError, match="live must have 3 widths for 2 layers, got 1"):
        propagate([jnp.tanh] * 2, jnp.ones((3, 4)), key=KEY, live=[4])


def test_signals_follow_the_maps_of_mean_field_theory():
    width, depth, sigma_w, sigma_b = 700, 6, 1.5**0.5, 0.2**0.5
    shared = jax.random.normal(KEY, (1, width))
    hidden = 1.5 * (0.6 * shared + 0.8 * jax.random.normal(jax.random.key(1), (12, width)))
    found = propagate(tanh_stack(width, depth, sigma_w, sigma_b), hidden, key=jax.random.key(2))
    q, c, expected = 2.25, 0.36, []
    for _ in range(depth + 1):
        expected.append((q, c, fixed_point(jnp.tanh, sigma_w, sigma_b).chi))
        q, c = variance_map(jnp.tanh, q, sigma_w, sigma_b), correlation_map(jnp.tanh, c, q, sigma_w, sigma_b)
    expected = np.array(expected)
    np.testing.assert_allclose(found.variance, expected[:, 0], rtol=0.08)
    np.testing.assert_allclose(found.correlation, expected[:, 1], atol=0.05)
    np.testing.assert_allclose(found.chi[-3:], expected[-3:, 2], rtol=0.05)
    assert np.all(found.variance_se < 0.05)
    assert np.all(found.chi_se < 0.05)


def test_the_correlation_has_the_error_of_its_samples():
    hidden = np.random.default_rng(3).standard_normal((200, 10, 6)).astype(np.float32) + 0.7
    found = jax.jit(jax.vmap(lambda hidden: propagate([jnp.tanh], hidden, key=KEY)))(hidden)
    values, errors = np.asarray(found.correlation[:, 0]), np.asarray(found.correlation_se[:, 0])
    assert np.std(values) == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.25)
    unit = hidden[0] / np.linalg.norm(hidden[0], axis=1, keepdims=True)
    assert values[0] == pytest.approx((np.sum(unit @ unit.T) - 10) / 90, abs=1e-5)


def test_pairs_of_inputs_approach_one_another_over_the_length_of_theory():
    sigma_w, sigma_b, depth = 1.3**0.5, 0.05**0.5, 24
    theory = fixed_point(jnp.tanh, sigma_w, sigma_b)
    far = []
    for seed in range(3):
        hidden = jax.random.normal(jax.random.key(seed), (8, 300))
        distances = []
        for layer in tanh_stack(300, depth, sigma_w, sigma_b, seed):
            hidden = layer(hidden)
            distances.append(np.mean(np.square(hidden - np.roll(hidden, 1, axis=0))))
        far.append(distances)
    slope = np.polyfit(np.arange(12), np.log(np.mean(far, axis=0))[-12:], 1)[0]
    assert -1 / slope == pytest.approx(float(theory.length), rel=0.15)


def test_relu_is_critical_at_two():
    found = phase_diagram(jax.nn.relu, 2**0.5, 0.0, 128, 32, key=KEY, seeds=64, distribution="uniform")
    assert found.chi == pytest.approx(1, abs=0.01)
    assert found.chi_se < 0.006
    assert found.status == 1


def test_tanh_is_critical_where_mean_field_theory_says():
    sigma_b = 0.05**0.5
    critical = critical_line(jnp.tanh, sigma_b).sigma_w ** 2
    square = critical * np.array([0.7, 0.78, 0.85, 0.9, 1.12, 1.2, 1.3, 1.4])
    found = phase_diagram(jnp.tanh, np.sqrt(square), sigma_b, 128, 28, key=KEY, seeds=24, distribution="uniform")
    theory = fixed_point(jnp.tanh, np.sqrt(square), sigma_b)
    np.testing.assert_array_less(np.abs(found.chi - theory.chi), 4.1 * found.chi_se)
    np.testing.assert_array_less(np.abs(found.variance - theory.variance), 4.1 * found.variance_se)
    line = np.polyfit(square, np.log(found.chi), 2, w=found.chi / found.chi_se)
    crossing = np.roots(line)
    assert np.min(np.abs(crossing / critical - 1)) < 0.02
    fit = fit_correlation_exponent(square, np.abs(found.length), found.length_se, critical=critical)
    assert abs(fit.nu - 1) < 3 * fit.nu_se
    assert fit.nu_se < 0.25


def test_the_index_is_one_at_criticality_and_the_phase_follows_the_threshold():
    found = criticality_index(
        np.array([1.0, 0.5, 2.0, 0.81, 0.7, 0.0, np.nan]), np.array([0.01, 0.01, 0.02, 0.02, 0.01, 0.1, 0.1])
    )
    np.testing.assert_allclose(found.index[:5], [1, 0.5, 0.5, 0.81, 0.7], rtol=1e-6)
    np.testing.assert_allclose(found.index_se[:3], [0.01, 0.01, 0.005], rtol=1e-5)
    assert [Phase(i).name for i in found.phase[:5]] == ["CRITICAL", "ORDERED", "CHAOTIC", "CRITICAL", "ORDERED"]
    assert found.status.tolist() == [0, 0, 0, 1, 0, 2, 2]
    assert np.all(np.isnan(found.index[5:])) and np.all(found.phase[5:] == Phase.UNKNOWN)
    assert np.all(np.isnan(found.spectral))
    assert criticality_index(0.7, threshold=0.6).phase == Phase.CRITICAL


def test_the_spectral_index_is_one_at_alpha_two_and_enters_nothing_else():
    found = criticality_index(1.2, 0.1, np.array([2.0, 1.5, 3.0, 1.0, np.nan]), np.array([0.1, 0.1, 0.2, 0.1, 0.1]))
    np.testing.assert_allclose(found.spectral[:3], [1, 0.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(found.spectral_se[:3], [0.1, 0.1, 0.05], rtol=1e-5)
    assert np.all(np.isnan(found.spectral[3:]))
    np.testing.assert_allclose(found.index, 1 / 1.2, rtol=1e-6)
    with pytest.raises(ValueError, match=r"1\.0"):
        criticality_index(1.0, threshold=1.0)


def test_a_phase_diagram_needs_seeds():
    with pytest.raises(ValueError, match="got 1"):
        phase_diagram(jnp.tanh, 1.0, 0.1, 8, 8, key=KEY, seeds=1)
