"""Pairs show one character in two faces, splits are disjoint and fixed, and the drawings lie where they should."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from jaxphase.data.glyph_images import CHARACTERS, FACES, draw_masters, draw_split, glyphs
from jaxphase.errors import InputError

SOURCE = glyphs(train=4096)
SPLITS = SOURCE.splits


def test_rows_are_standardised_images_none_of_them_twice():
    assert SPLITS.train.dtype == np.float32 and SPLITS.train.shape == (4096, SOURCE.layout.size)
    assert abs(SPLITS.train.mean()) < 1e-4 and SPLITS.train.std() == pytest.approx(1, abs=1e-4)
    rows = np.concatenate([SPLITS.train, SPLITS.probe, SPLITS.validation])
    assert len(np.unique(rows, axis=0)) == 6096
    assert set(SPLITS.probe_labels) == set(range(SOURCE.classes))


def test_pairs_show_one_character_in_two_faces():
    masters = np.zeros((len(FACES), len(CHARACTERS), 24, 24), np.float32)
    masters += np.arange(len(FACES))[:, None, None, None] + 1  # a flat gray that tells the face
    images, labels = draw_split(masters.reshape(-1, 24, 24), 8, 3001, (0, 0))
    face = images.reshape(-1, 8, 8)[:, 4, 4]
    np.testing.assert_array_equal(labels[:3000:2], labels[1::2])
    assert np.all(np.abs(face[:3000:2] - face[1::2]) > 0.9)
    counts = np.bincount(np.rint(face).astype(int) - 1, minlength=len(FACES))
    assert np.abs(counts - 3001 / len(FACES)).max() < 5 * np.sqrt(3001 / len(FACES))


def test_letters_stand_on_one_line_and_fit_when_jittered():
    masters = draw_masters(16).reshape(len(FACES), len(CHARACTERS), 48, 48)
    lowest = masters.max(axis=3) > 0.5
    lines = np.array([[48 - np.argmax(drawing[::-1]) for drawing in of_face] for of_face in lowest])
    flat = [CHARACTERS.index(letter) for letter in "HEIKMhkmnrx"]
    assert np.ptp(lines[:, flat]) <= 2
    assert np.all(lines[:, CHARACTERS.index("p")] - lines[:, CHARACTERS.index("n")] >= 4)
    ink, _ = draw_split(masters.reshape(-1, 48, 48), 16, 2000, (0, 5))
    ink = ink.reshape(-1, 16, 16)
    edge = ink[:, [0, -1]].sum() + ink[:, 1:-1, [0, -1]].sum()
    assert 0.05 < ink.mean() < 0.4 and edge / ink.sum() < 0.01


def test_a_character_is_nearest_to_itself_in_other_drawings_often():
    nearest = KNeighborsClassifier(1).fit(SPLITS.probe, SPLITS.probe_labels)
    assert nearest.score(SPLITS.validation, SPLITS.validation_labels) > 0.4


def test_more_rows_begin_with_the_same_drawings():
    masters = draw_masters(12)
    few, many = (draw_split(masters, 12, n, (0, 0)) for n in (10, 20))
    np.testing.assert_array_equal(few[0], many[0][:10])
    np.testing.assert_array_equal(few[1], many[1][:10])


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="size is 4"):
        glyphs(size=4)
    with pytest.raises(InputError, match="train is 7"):
        glyphs(train=7)
