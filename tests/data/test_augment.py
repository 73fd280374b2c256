"""Each view is the image it should be, drawn apart for every row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.data.augment import erase, jitter, mask_tokens, noise, shift

KEY = jax.random.key(0)
IMAGES = jax.random.normal(jax.random.key(1), (400, 9, 7, 2))


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    rows, columns, _ = image.shape
    framed = np.pad(image, ((rows, rows), (columns, columns), (0, 0)))
    return framed[rows - down : 2 * rows - down, columns - right : 2 * columns - right]


def test_shifted_images_are_moved_whole_pixels_and_every_move_occurs():
    images, views = np.asarray(IMAGES), np.asarray(jax.jit(shift, static_argnums=1)(IMAGES, 2, key=KEY))
    moves = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    found = []
    for image, view in zip(images, views, strict=True):
        (move,) = [move for move in moves if np.array_equal(moved(image, *move), view)]
        found.append(move)
    counts = np.array([found.count(move) for move in moves])
    assert np.abs(counts - 16).max() < 5 * 4
    np.testing.assert_array_equal(shift(IMAGES, 0, key=KEY), IMAGES)


def test_jittered_images_are_scaled_and_offset_within_the_bounds():
    flat, views = (np.asarray(x, float).reshape(400, -1) for x in (IMAGES, jitter(IMAGES, 0.5, 0.2, key=KEY)))
    fits = [np.polyfit(image, view, 1) for image, view in zip(flat, views, strict=True)]
    scale, offset = np.array(fits).T
    np.testing.assert_allclose(views, scale[:, None] * flat + offset[:, None], atol=1e-5)
    for values, center, bound in ((scale, 1, 0.2), (offset, 0, 0.5)):
        assert np.abs(values - center).max() <= bound + 1e-5
        assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)


def test_one_square_of_each_image_is_erased_and_every_pixel_has_its_turn():
    views = np.asarray(erase(IMAGES, 3, key=KEY))
    gone = np.all(views == 0, axis=-1)
    np.testing.assert_array_equal(views[~gone], np.asarray(IMAGES)[~gone])
    assert np.all(gone.sum(axis=(1, 2)) == 9)
    assert np.all(gone.any(axis=1).sum(axis=1) == 3) and np.all(gone.any(axis=2).sum(axis=1) == 3)
    assert gone.any(axis=0).all()


def test_noise_has_the_standard_deviation_asked_for():
    added = np.asarray(noise(IMAGES, 0.3, key=KEY) - IMAGES)
    assert abs(added.mean()) < 4 * 0.3 / np.sqrt(added.size)
    assert added.std() == pytest.approx(0.3, rel=4 / np.sqrt(2 * added.size))


def test_the_fraction_of_tokens_is_hidden_and_the_others_are_as_they_were():
    tokens = jax.random.randint(KEY, (300, 50), 0, 256)
    masked, hidden = mask_tokens(tokens, 0.15, 256, key=jax.random.key(2))
    assert abs(hidden.mean() - 0.15) < 4 * np.sqrt(0.15 * 0.85 / hidden.size)
    np.testing.assert_array_equal(masked, np.where(hidden, 256, tokens))
    assert masked.dtype == tokens.dtype and len(np.unique(hidden, axis=0)) > 290
    everything, _ = mask_tokens(tokens[:1, :20], 1.0, 256, key=KEY)
    assert jnp.all(everything == 256)


@pytest.mark.parametrize("view", [lambda x, key: erase(x, 3, key=key), lambda x, key: jitter(x, key=key)])
def test_jittering_and_erasing_gather_nothing(view):
    keys = jax.random.split(KEY, 3)
    program = str(jax.make_jaxpr(jax.vmap(view))(jnp.stack([IMAGES] * 3), keys))
    assert "gather" not in program and "dynamic_slice" not in program
