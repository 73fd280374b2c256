import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxphase.config import SweepSpec
from jaxphase.models.layers import PerModel
from jaxphase.rg import couplings
from jaxphase.rg.networks.couplings import correlation_length, gaussian_entropy, growth, kurtosis, layers, skewness
from jaxphase.sweep import make_recipe


def centered(samples):
    samples = jnp.asarray(samples - samples.mean(0), jnp.float32)
    return samples, samples.T @ samples / len(samples)


@pytest.fixture(scope="module")
def exponential():
    return np.random.default_rng(0).exponential(size=(500, 6)) * np.linspace(0.5, 2, 6)


def test_moments_are_averages_over_the_directions_from_which_one_looks(exponential):
    samples, covariance = centered(exponential)
    along = np.asarray(samples, float) @ np.random.default_rng(1).standard_normal((6, 40_000))
    second, fourth = (along**2).mean(0), np.square(along**2).mean(0)
    np.testing.assert_allclose(kurtosis(samples, covariance), fourth.mean() / (second**2).mean(), rtol=0.03)
    halves = [
        (half - half.mean(0)) @ np.random.default_rng(1).standard_normal((6, 40_000))
        for half in (exponential[::2], exponential[1::2])
    ]
    third = [(half**2 * half).mean(0) for half in halves]
    wanted = np.mean(third[0] * third[1]) / (second**3).mean()
    np.testing.assert_allclose(skewness(samples, covariance) ** 2, wanted, rtol=0.1)


def test_of_one_unit_they_are_the_textbook_moments():
    x = np.random.default_rng(2).gamma(4, size=(400_000, 1))
    samples, covariance = centered(x)
    np.testing.assert_allclose(kurtosis(samples, covariance), 3 + 6 / 4, rtol=0.03)
    np.testing.assert_allclose(skewness(*centered(x[:500])), 2 / 4**0.5, rtol=0.25)


def test_gaussian_activations_have_kurtosis_three_and_no_skewness_whatever_their_covariance():
    rng = np.random.default_rng(3)
    found = np.array(
        [
            [f(*centered(rng.standard_normal((500, 6)) * [3, 1, 1, 0.1, 0.1, 0])) for f in (kurtosis, skewness)]
            for _ in range(100)
        ]
    )
    error = found.std(0) / 10
    assert abs(found[:, 0].mean() - 3) < 4 * error[0] + 3 * 4 / 500  # the fourth moment over a squared estimate
    assert abs(np.mean(np.sign(found[:, 1]) * found[:, 1] ** 2)) < 4 * np.std(found[:, 1] ** 2) / 10


def test_the_entropy_is_without_bias_however_few_the_samples():
    rng = np.random.default_rng(4)
    mix = rng.standard_normal((5, 5))
    exact = np.linalg.slogdet(2 * np.pi * np.e * mix.T @ mix)[1] / 10
    draws = [centered(np.pad(rng.standard_normal((12, 5)) @ mix, ((0, 0), (0, 2))))[1] for _ in range(400)]
    found = jax.vmap(lambda c: gaussian_entropy(c, 12, 5))(jnp.stack(draws))
    assert abs(found.mean() - exact) < 4 * found.std() / 20
    assert found.std() / 20 < 0.02
    assert np.isnan(gaussian_entropy(draws[0], 5, 5))


def test_units_that_are_correlated_over_positions_have_their_length():
    rng = np.random.default_rng(5)
    field = rng.standard_normal((64, 16, 8))
    for place in range(1, 16):
        field[:, place] = 0.6 * field[:, place - 1] + 0.8 * field[:, place]
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    lengths = [correlation_length(jnp.asarray(x, jnp.float32), (16,)) for x in (field, 3 * field @ turn)]
    np.testing.assert_allclose(lengths, -1 / np.log(0.6), rtol=0.15)
    np.testing.assert_allclose(*lengths, rtol=1e-3)
    assert np.isnan(correlation_length(jnp.asarray(field[:, :3]), (3,)))


def model_of(family: str, width: int, **options):
    spec = SweepSpec(
        sizes=(1000,),
        data_sizes=(64,),
        checkpoints=(1,),
        family=family,
        objective="autoencoding",
        family_options={"mlp": {}, "vit": {"patch": 2, "head_size": 4}, "resnet": {"patch": 2}}[family],
    )
    recipe = make_recipe(spec)
    rng = np.random.default_rng(0)
    model = recipe.build(width, rng)
    noisy = jax.tree.map(lambda a: a + 0.2 * rng.standard_normal(a.shape, np.float32), nnx.state(model, nnx.Param))
    nnx.update(model, noisy)
    return recipe, model, jnp.asarray(recipe.source.splits.validation[:64])


measured = jax.jit(couplings)
KEY = jax.random.key(0)


@pytest.mark.parametrize("family, which", [("mlp", 0), ("mlp", 1), ("vit", 1)])
def test_chi_is_the_square_of_the_jacobian(family, which):
    _, model, rows = model_of(family, 8)
    layer = layers(model, rows)[which]
    found, error = jax.jit(lambda rows: growth(layers(model, rows)[which], KEY))(rows)
    jacobian = jax.jit(jax.vmap(jax.jacrev(lambda x: layer.function(x[None])[0])))(layer.inputs[:8])
    exact = np.square(jacobian).reshape(8, -1).sum(1) / np.prod(jacobian.shape[1 : jacobian.ndim // 2 + 1])
    if family == "mlp":  # it has no positions to choose from
        np.testing.assert_allclose(found, exact.mean(), rtol=1e-4)
        np.testing.assert_allclose(error, exact.std(ddof=1) / 8**0.5, rtol=1e-3)
    else:
        assert abs(found - exact.mean()) < 4 * error and error < 0.5 * found


def test_neither_permuted_units_nor_padding_change_a_number():
    recipe, model, rows = model_of("mlp", 10)
    wanted = measured(model, rows, key=KEY)
    order = np.random.default_rng(3).permutation(10)
    other = nnx.merge(*nnx.split(model))
    first, second = other.encoder
    for written in (first.dense.kernel, first.dense.bias, first.norm.gain):
        written.set_value(written[...][..., order])
    second.dense.kernel.set_value(second.dense.kernel[...][order])
    like = recipe.build(14, None)
    fit = lambda a, b: np.pad(a, [(0, n - m) for m, n in zip(a.shape, b.shape, strict=True)])  # noqa: E731
    weights = jax.tree.map(fit, *(nnx.state(m, nnx.Param) for m in (model, like)))
    padded = nnx.merge(nnx.graphdef(like), weights, nnx.state(model, PerModel))
    for same in (other, padded):
        found = measured(same, rows, key=KEY)._asdict()
        for name, value in wanted._asdict().items():
            got = found[name][:, :10] if name == "eigenvalues" else found[name]
            np.testing.assert_allclose(got, value, rtol=2e-3, atol=2e-5, err_msg=name)


def test_every_coupling_of_a_model_with_positions_has_a_value():
    _, model, rows = model_of("resnet", 24)
    found = measured(model, rows, key=KEY)
    for name, value in found._asdict().items():
        assert len(value) == 2 and (name == "correlation_length" or np.isfinite(value).all()), name
    outputs = layers(model, rows)[1].function(layers(model, rows)[1].inputs).reshape(-1, 24)
    np.testing.assert_allclose(found.variance[1], np.var(outputs, axis=0).mean(), rtol=1e-3)
    np.testing.assert_allclose(found.mean[1], np.sqrt(np.mean(outputs.mean(0) ** 2)), rtol=1e-3)
    assert 0 < found.effective_rank[1] < 1 and 0 < found.criticality[1] <= 1
