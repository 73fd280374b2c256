"""Letters and digits drawn from the fonts that matplotlib carries, each distorted by an affine map of its own."""

import string
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxphase.data.source import Layout, Source, Splits
from jaxphase.errors import InputError

CHARACTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
# The other fonts that matplotlib carries have no letters, draw symbols or boxes, or an o for a 0 (cmmi10).
FACES = (
    *(
        f"DejaVu{family}{style}"
        for family in ("Sans", "SansMono")
        for style in ("", "-Bold", "-Oblique", "-BoldOblique")
    ),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)

EM = 0.72  # of the side of an image, so that every distorted character fits
SHIFT, LOG_SCALE, ROTATION, SHEAR = 1 / 16, 0.15, 0.17, 0.15  # largest distortions: a share of the side, -, radians, -
OVERSAMPLING = 3  # odd, so that the average over a pixel is centered on it
BLOCK = 4096


def glyphs(size: int = 16, train: int = 8192, probe: int = 1000, validation: int = 1000, seed: int = 0) -> Source:
    """Draw the 62 Latin letters and digits in 21 fonts.

    Each row draws its character, font, shift (up to 1/16 of the side), scale (a factor of up to 1.16), rotation (10
    degrees) and shear (0.15) uniformly at random; no two rows share them all. Rows 2 i and 2 i + 1 of every split show
    one character in two different fonts. All fonts are in all splits, so validation has the distribution of the
    training images. Pixels are shifted and scaled by one mean and one standard deviation of the training images. Some
    characters look alike in some fonts, such as I and l, but no two in all fonts.

    Args:
        size: Side of an image in pixels, at least 8.
        train: Images to train on, an even number.
        probe: Images to fit probes on.
        validation: Images to measure on.
        seed: Decides all draws.

    Returns:
        A paired `Source` of images, one class for each character.

    Raises:
        ValueError: If `size` is below 8 or `train` is odd.
    """
    if size < 8:
        raise InputError(f"size is {size}: give at least 8 pixels, fewer do not show a letter.")
    if train % 2:
        raise InputError(f"train is {train}: give an even number, rows come in pairs of one character.")
    masters = draw_masters(size)
    train_ink, _ = draw_split(masters, size, train, (seed, 0))
    probe_ink, probe_labels = draw_split(masters, size, probe, (seed, 1))
    validation_ink, validation_labels = draw_split(masters, size, validation, (seed, 2))
    mean, std = train_ink.mean(), train_ink.std()
    rows = [(ink - mean) / std for ink in (train_ink, probe_ink, validation_ink)]
    splits = Splits(rows[0], rows[1], probe_labels, rows[2], validation_labels)
    return Source(splits, Layout("image", (size, size, 1)), classes=len(CHARACTERS), paired=True)


def draw_split(
    masters: Float[np.ndarray, "drawings side side"], size: int, n: int, seed: tuple[int, int]
) -> tuple[Float[np.ndarray, "n pixels"], Int[np.ndarray, " n"]]:
    """Ink between 0 and 1, and characters; rows 2 i and 2 i + 1 show the same one in different fonts."""
    # Seven numbers a row, so that more rows begin with the same ones.
    drawn = np.random.Generator(np.random.Philox(seed)).random((n, 7), dtype=np.float32)
    character, face = (drawn[:, :2] * (len(CHARACTERS), len(FACES))).astype(np.int32).T
    second = slice(1, n, 2)
    first = slice(0, len(character[second]) * 2, 2)
    character[second] = character[first]
    face[second] = (face[first] + 1 + drawn[second, 1] * (len(FACES) - 1)).astype(np.int32) % len(FACES)
    jitter = 2 * drawn[:, 2:] - 1
    blocks = [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]
    which = face * len(CHARACTERS) + character
    images = [warp(masters, which[block], jitter[block], size) for block in blocks]
    return np.concatenate(images).reshape(n, size * size), character


def warp(
    masters: Float[np.ndarray, "drawings side side"],
    which: Int[np.ndarray, " n"],
    jitter: Float[np.ndarray, "n 5"],
    size: int,
) -> Float[np.ndarray, "n size size"]:
    """Map the masters `which` by affine maps; jitter, in [-1, 1], holds log scale, angle, shear and two shifts."""
    from scipy.ndimage import map_coordinates

    scale, angle, shear = np.exp(LOG_SCALE * jitter[:, 0]), ROTATION * jitter[:, 1], SHEAR * jitter[:, 2]
    cos, sin, one = np.cos(angle), np.sin(angle), np.ones_like(angle)
    rotation = np.array([[cos, -sin], [sin, cos]])
    matrix = np.einsum("ijn,jkn->nik", rotation, np.array([[one, 0 * one], [shear, one]])) / scale[:, None, None]
    centered = np.arange(size, dtype=np.float32) - (size - 1) / 2
    grid = np.stack(np.meshgrid(centered, centered, indexing="ij"))
    place = np.einsum("nij,jrc->inrc", matrix, grid) + size * SHIFT * jitter[:, 3:].T[..., None, None]
    place = OVERSAMPLING * place + (masters.shape[1] - 1) / 2
    index = np.broadcast_to(which[:, None, None], place.shape[1:])
    return map_coordinates(masters, [index, *place], order=1)


def draw_masters(size: int) -> Float[np.ndarray, "drawings side side"]:
    """Draw every character of every font once, at OVERSAMPLING times the size.

    Drawings are averaged over a final pixel, so that any sample of them is anti-aliased. Baselines lie on one row, and
    the ink is centered between left and right.
    """
    from matplotlib import get_data_path
    from matplotlib.ft2font import FT2Font
    from scipy.ndimage import uniform_filter

    side = OVERSAMPLING * size
    em = EM * side
    baseline = round(side / 2 + 0.27 * em)  # letters reach from 0.22 em below it to 0.76 em above
    masters = np.zeros((len(FACES), len(CHARACTERS), side, side), np.float32)
    for face, face_masters in zip(FACES, masters, strict=True):
        font = FT2Font(f"{get_data_path()}/fonts/ttf/{face}.ttf")
        font.set_size(em, 72)
        for character, master in zip(CHARACTERS, face_masters, strict=True):
            font.set_text(character)
            font.draw_glyphs_to_bitmap(antialiased=True)
            ink = trim(np.asarray(font.get_image()))
            bottom = baseline + round(font.get_descent() / 64)
            left = (side - ink.shape[1]) // 2
            master[bottom - ink.shape[0] : bottom, left : left + ink.shape[1]] = ink / 255
    window: Any = (1, OVERSAMPLING, OVERSAMPLING)
    return uniform_filter(masters.reshape(-1, side, side), window)


def trim(image: Shaped[np.ndarray, "rows columns"]) -> Shaped[np.ndarray, "height width"]:
    """Cut out the smallest rectangle that holds all ink."""
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
