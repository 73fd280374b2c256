"""Windows are bytes of files that no two splits share, and the last byte alone does not tell the kind of its token."""

import sys

import numpy as np
import pytest

from jaxphase.data.python_source import (
    TokenKind,
    corpus_id,
    source_files,
    split_files,
    spread_windows,
    text,
    token_kinds,
)
from jaxphase.errors import InputError

SOURCE = text(train=4096, probe=2000, validation=2000)
SPLITS = SOURCE.splits


@pytest.mark.parametrize(
    ("code", "marks"),
    [
        ('def f(a): return "in" + b  # or\n', "kkk.n.n...kkkkkk..ss....n....cc."),
        ('"""if\nin"""\n\tnot x\n'.replace("\t", ""), "...ss.ss....kkk.n."),
        ('é = "é in"  # é or\n', ".........ss........cc."),
        ('f"x{1}"\n', "s.s....."),
    ],
)
def test_kinds_are_those_that_one_reads(code, marks):
    letters = {"name": "n", "keyword": "k", "string": "s", "comment": "c"}
    assert (
        "".join("." if kind < 0 else letters[TokenKind(kind).name.lower()] for kind in token_kinds(code.encode()))
        == marks
    )


def test_every_file_is_in_one_split_and_windows_are_of_their_split():
    parts = split_files()
    contents = sorted(path.read_bytes() for _, path in source_files())
    assert sorted(content for part in parts for content in part) == contents
    for files, rows in zip(parts, (SPLITS.train, SPLITS.probe, SPLITS.validation), strict=True):
        joined = b"".join(files)
        assert all(row.astype(np.uint8).tobytes() in joined for row in rows[:100])
    assert SPLITS.train.shape == (4096, 64) and SPLITS.train.dtype == np.int32


def test_windows_of_train_do_not_overlap():
    content = np.random.default_rng(0).bytes(6403)
    rows = spread_windows(content, 64, 100, seed=0)
    places = sorted(content.index(row.astype(np.uint8).tobytes()) for row in rows)
    assert np.diff(places).min() >= 64 and places[0] == 0 and places[-1] == 6403 - 64
    with pytest.raises(InputError, match="has 100 windows"):
        spread_windows(content, 64, 101, seed=0)


def test_the_last_byte_is_a_letter_and_hardly_tells_the_label():
    last, labels = SPLITS.probe[:, -1], SPLITS.probe_labels
    assert all(chr(byte).isalpha() for byte in last)
    counts = np.zeros((256, SOURCE.classes))
    np.add.at(counts, (last, labels), 1)
    guess = counts.argmax(axis=1)[SPLITS.validation[:, -1]]
    majority = np.bincount(labels).argmax()
    gain = np.mean(guess == SPLITS.validation_labels) - np.mean(majority == SPLITS.validation_labels)
    assert set(labels) == set(range(SOURCE.classes)) and gain < 0.05


def test_the_corpus_has_a_name_of_its_own():
    name, size, digest = corpus_id().split(", ")
    assert name == f"python {sys.version.split()[0]}" and len(digest) == len("sha256 ") + 16
    assert size == f"{sum(path.stat().st_size for _, path in source_files())} bytes"
