import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models import Parametrization
from jaxphase.models.layers import Convolution
from jaxphase.rg.networks import blocks

pytestmark = pytest.mark.usefixtures("full_products")
IMAGE, TOKENS = Layout("image", (4, 6, 2)), Layout("tokens", (6,), 5)


def test_images_are_averaged_over_true_squares_and_not_over_neighbors_in_memory():
    rows = jnp.arange(16.0)[None]
    assert blocks.block_rows(rows, Layout("image", (4, 4, 1))).tolist() == [[2.5, 4.5, 10.5, 12.5]]
    images = np.random.default_rng(0).standard_normal((3, 4, 6, 2)).astype(np.float32)
    coarse = blocks.block_rows(images.reshape(3, -1), IMAGE).reshape(3, 2, 3, 2)
    np.testing.assert_allclose(coarse[1, 1, 2, 0], images[1, 2:4, 4:6, 0].mean(), rtol=1e-6)


def test_a_block_of_tokens_shows_either_of_them_as_often():
    rows = jnp.tile(jnp.array([0, 1, 2, 2, 3, 4]), (4000, 1))
    coarse = np.asarray(blocks.block_rows(rows, TOKENS, key=jax.random.key(0)))
    assert coarse.shape == (4000, 3) and set(coarse[:, 1]) == {2}
    assert set(coarse[:, 0]) == {0, 1} and abs(coarse[:, 0].mean() - 0.5) < 4 * 0.5 / 4000**0.5


@pytest.mark.parametrize("layout", [IMAGE, TOKENS])
def test_the_mean_over_blocks_undoes_the_spreading_over_them(layout):
    size = blocks.block_layout(layout).size * max(layout.vocabulary, 1)
    np.testing.assert_allclose(blocks.spread(layout) @ blocks.means(layout), np.eye(size), atol=1e-6)


@pytest.mark.parametrize("side, coarse_side", [(2, 1), (1, 1), (2, 2)])
def test_squares_are_spread_and_averaged_as_images_are(side, coarse_side):
    up, down = blocks.patch_spread(side, coarse_side, 2), blocks.patch_means(side, coarse_side, 2)
    # A field that is the same in all fine squares of a block: what is spread over them and averaged is their mean.
    constant = jnp.ones((1, coarse_side**2 * 2))
    np.testing.assert_allclose(constant @ up, np.ones((1, side**2 * 2)), atol=1e-6)
    np.testing.assert_allclose(up.sum(1), side**2 / coarse_side**2, atol=1e-6)
    np.testing.assert_allclose(down.sum(0), 1, atol=1e-6)
    if side == 2 * coarse_side:
        np.testing.assert_allclose(up @ down, np.eye(len(up)), atol=1e-6)


def test_a_blocked_convolution_is_the_block_mean_of_the_fine_one_on_fields_constant_over_blocks():
    fine, coarse = (Convolution(2, 3, Parametrization(), np.random.default_rng(0)) for _ in range(2))
    coarse.kernel.set_value(blocks.block_kernel(fine.kernel[...]))
    field = np.random.default_rng(1).standard_normal((2, 3, 4, 2)).astype(np.float32)
    spread = field.repeat(2, axis=1).repeat(2, axis=2)
    wanted = np.asarray(fine(jnp.asarray(spread))).reshape(2, 3, 2, 4, 2, 3).mean((2, 4))
    np.testing.assert_allclose(coarse(jnp.asarray(field)), wanted, atol=1e-5)


def test_places_are_averaged_over_blocks_of_their_lattice():
    place = np.arange(24.0).reshape(4, 6)[..., None] * np.ones(3)
    coarse = blocks.block_places(jnp.asarray(place.reshape(24, 3)), (4, 6))
    np.testing.assert_allclose(coarse[:, 0], place[..., 0].reshape(2, 2, 3, 2).mean((1, 3)).ravel())
    np.testing.assert_allclose(blocks.block_places(jnp.arange(4.0)[:, None], (4,))[:, 0], [0.5, 2.5])


def test_rows_without_space_or_of_odd_sides_are_refused():
    with pytest.raises(InputError, match="vectors"):
        blocks.block_layout(Layout("vector", (8,)))
    with pytest.raises(InputError, match=r"\(3, 4\)"):
        blocks.block_layout(Layout("image", (3, 4, 1)))
