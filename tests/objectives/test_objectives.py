"""Losses whose value is known: perfect, hopeless and collapsed representations."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.objectives import OBJECTIVES, Autoencoding, BarlowTwins, Contrastive, MaskedModeling, VICReg
from jaxphase.objectives.views import two_views

IMAGE, VECTOR, TOKENS = Layout("image", (4, 6, 2)), Layout("vector", (10,)), Layout("tokens", (9,), 5)
KEY = jax.random.key(0)


def white(n: int, dims: int):
    """Projections of zero mean, unit variance and no covariance."""
    q, _ = np.linalg.qr(np.c_[np.ones(n), np.random.default_rng(0).standard_normal((n, dims))])
    return jnp.asarray(q[:, 1:] * np.sqrt(n), jnp.float32)


def test_contrastive_is_log_n_when_nothing_is_told_apart():
    same = jnp.ones((16, 8))
    np.testing.assert_allclose(Contrastive(IMAGE).compare(same, same), np.log(16), rtol=1e-5)
    apart = jnp.eye(16)
    expected = np.log(1 + 15 * np.exp(-1 / 0.1))
    np.testing.assert_allclose(Contrastive(IMAGE, temperature=0.1).compare(apart, 3 * apart), expected, rtol=1e-3)


def test_barlow_twins_is_zero_for_white_views_and_one_for_a_collapse():
    z = white(64, 8)
    np.testing.assert_allclose(BarlowTwins(IMAGE).compare(z, 5 + 2 * z), 0, atol=1e-4)
    np.testing.assert_allclose(BarlowTwins(IMAGE).compare(jnp.ones((64, 8)), jnp.ones((64, 8))), 1, rtol=1e-4)
    # Copies of one feature are correlated with each other: 8 * 7 off-diagonal ones.
    copies = jnp.repeat(z[:, :1], 8, axis=1)
    np.testing.assert_allclose(BarlowTwins(IMAGE).compare(copies, copies), 5e-3 * 7, rtol=1e-3)


def test_vicreg_pays_for_collapse_for_covariance_and_for_difference():
    z = 1.1 * white(64, 8)
    np.testing.assert_allclose(VICReg(IMAGE).compare(z, z), 0, atol=1e-4)
    np.testing.assert_allclose(VICReg(IMAGE).compare(z, z + 1), 1, rtol=1e-4)
    np.testing.assert_allclose(VICReg(IMAGE).compare(jnp.ones((64, 8)), jnp.ones((64, 8))), 0.99, rtol=1e-4)
    copies = jnp.repeat(z[:, :1], 8, axis=1)
    variance = 1.21 * 64 / 63
    np.testing.assert_allclose(VICReg(IMAGE).compare(copies, copies), 2 * 7 * variance**2 / 25, rtol=1e-3)


@pytest.mark.parametrize("layout", [IMAGE, VECTOR])
def test_masked_modeling_counts_hidden_numbers_alone_and_shows_only_the_others(layout):
    objective = MaskedModeling(layout)
    rows = 1 + jax.random.uniform(KEY, (50, layout.size))
    seen = {}

    def model(view):
        seen["view"] = view
        shown = view.reshape(*rows.shape[:1], *layout.shape[:2], -1)[..., :-1] if layout is IMAGE else view[:, :10]
        visible = shown.reshape(rows.shape) != 0
        return jnp.where(visible, 1e3, rows + 2)

    some = objective.draw_mask(50, key=KEY).any(axis=1)
    np.testing.assert_allclose(objective.loss(model, rows, key=KEY), 4 * some, rtol=1e-4)
    assert seen["view"].shape == (50, objective.input_layout.size)
    hidden = objective.draw_mask(4000, key=KEY)
    assert abs(hidden.mean() - 0.5) < 0.01
    if layout is IMAGE:
        squares = np.asarray(hidden).reshape(-1, 2, 2, 3, 2, 2)
        assert np.all(squares == squares[:, :, :1, :, :1, :1])


def test_masked_tokens_are_scored_where_they_are_hidden():
    objective, tokens = MaskedModeling(TOKENS, mask_fraction=0.4), jax.random.randint(KEY, (200, 9), 0, 5)

    def model(view):
        return jnp.where((view == 5)[..., None], jnp.zeros(5), 1e3 * jax.nn.one_hot((tokens + 1) % 5, 5))

    some = (jnp.zeros(200) < objective.loss(model, tokens, key=KEY)) * 1.0
    np.testing.assert_allclose(objective.loss(model, tokens, key=KEY), some * np.log(5), rtol=1e-5)
    assert some.mean() > 0.95 and objective.input_layout.vocabulary == 6


def test_autoencoding_is_zero_for_the_identity_and_noise_is_what_it_reads():
    rows = jax.random.normal(KEY, (2000, 10))
    np.testing.assert_array_equal(Autoencoding(VECTOR).loss(lambda x: x, rows, key=KEY), 0)
    noisy = Autoencoding(VECTOR, noise=0.5).loss(lambda x: x, rows, key=KEY)
    np.testing.assert_allclose(noisy.mean(), 0.25, rtol=0.03)
    with pytest.raises(InputError, match=r"noise is 0\.5: tokens are not numbers"):
        Autoencoding(TOKENS, noise=0.5)


@pytest.mark.parametrize("layout", [IMAGE, VECTOR, TOKENS])
def test_views_differ_and_keep_what_they_show(layout):
    tokens = jax.random.randint(KEY, (300, 9), 0, 5)
    rows = tokens if layout is TOKENS else jax.random.normal(KEY, (300, layout.size))
    a, b = two_views(layout, rows, rows, 1.0, key=KEY)
    assert a.shape == b.shape == rows.shape and (a != b).any(axis=1).mean() > 0.9
    if layout is TOKENS:
        assert set(np.unique(a)) <= set(range(6)) and ((a == rows) | (a == 5)).all()
        assert abs((a == 5).mean() - 0.3) < 0.03
    else:
        own, other = (jnp.mean(jnp.sum(a * y, axis=1)) for y in (b, jnp.roll(b, 1, axis=0)))
        assert own > 5 * abs(other)


def test_options_that_cannot_be_are_named():
    for make, message in (
        (lambda: Contrastive(IMAGE, temperature=0), "temperature is 0"),
        (lambda: VICReg(IMAGE, dims=0), "dims is 0"),
        (lambda: MaskedModeling(IMAGE, mask_fraction=1), "mask_fraction is 1"),
        (lambda: MaskedModeling(IMAGE, patch=3), "patch is 3"),
    ):
        with pytest.raises(InputError, match=message):
            make()
    assert all(dataclasses.is_dataclass(kind) for kind in OBJECTIVES.values())
