"""Layers against independent ones, and the symmetries that they promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxphase.data.source import Layout
from jaxphase.models import Head, Parametrization
from jaxphase.models.layers import Attention, Convolution, GroupNorm, from_patches, patches, rotate
from jaxphase.models.transformer import Transformer

pytestmark = pytest.mark.usefixtures("full_products")
SCHEME = Parametrization(base_width=8)


def rng():
    return np.random.default_rng(0)


def draw(*shape):
    return jnp.asarray(rng().standard_normal(shape), jnp.float32)


def test_a_convolution_is_that_of_lax():
    layer, x = Convolution(3, 5, SCHEME, rng()), draw(2, 4, 6, 3)
    kernel = layer.kernel[...].reshape(3, 3, 3, 5)
    expected = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_group_norm_is_that_of_flax():
    x = 3 + 2 * draw(2, 5, 12)
    theirs = nnx.GroupNorm(12, num_groups=None, group_size=4, epsilon=1e-5, rngs=nnx.Rngs(0))
    np.testing.assert_allclose(GroupNorm(12, 4)(x), theirs(x), atol=1e-5)


def test_attention_is_that_of_jax():
    layer, x = Attention(12, 4, SCHEME, rng(), causal=True, rotary=False), draw(2, 7, 12)
    query, key, value = (part(x).reshape(2, 7, 3, 4) for part in (layer.query, layer.key, layer.value))
    expected = jax.nn.dot_product_attention(query, key, value, is_causal=True).reshape(2, 7, 12) @ layer.out.kernel[...]
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_rotary_scores_depend_on_the_distance_alone():
    a, b = (jnp.broadcast_to(vector[None, None, None], (1, 9, 1, 6)) for vector in draw(2, 6))
    score = jnp.einsum("nthd,nshd->ts", rotate(a), rotate(b))
    for distance in (0, 1, 4):
        along = jnp.diagonal(score, offset=distance)
        np.testing.assert_allclose(along, along[0], rtol=1e-4)
    assert abs(score[0, 0] - score[0, 4]) > 0.1
    np.testing.assert_allclose(jnp.linalg.norm(rotate(a), axis=-1), jnp.linalg.norm(a, axis=-1), rtol=1e-5)


def test_patches_come_apart_and_together():
    images = draw(2, 6, 4, 3)
    squares = patches(images, 2)
    assert squares.shape == (2, 6, 12)
    np.testing.assert_array_equal(squares[0, 3].reshape(2, 2, 3), images[0, 2:4, 2:4])
    np.testing.assert_array_equal(from_patches(squares, (6, 4, 3), 2), images)


@pytest.mark.parametrize("causal", [0, 1])
def test_a_causal_transformer_sees_nothing_of_what_follows(causal):
    reads = Layout("tokens", (6,), 5)
    model = Transformer(reads, Head(reads), 16, rng(), SCHEME, causal=causal, rotary=1)
    tokens = jnp.arange(6)[None] % 5
    changed = tokens.at[0, 4].set(3)
    difference = np.abs(np.asarray(model(changed) - model(tokens))[0]).max(axis=-1)
    assert (difference[:4] == 0).all() == bool(causal)
    assert (difference[4:] > 0).all()


def test_the_answer_has_the_layout_of_the_head():
    tokens, wide = Layout("tokens", (6,), 5), Layout("tokens", (6,), 7)
    model = Transformer(tokens, Head(wide), 16, rng(), SCHEME, bottleneck=3)
    rows = jnp.zeros((4, 6), int)
    assert model(rows).shape == (4, 6, 7) and model.encode(rows).shape == (4, 3)
    assert Transformer(tokens, Head(dims=9), 16, rng(), SCHEME)(rows).shape == (4, 9)
