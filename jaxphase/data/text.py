"""Bytes of the Python standard library's own sources: real code and prose, at hand wherever Python is."""

import hashlib
import io
import keyword
import platform
import string
import sysconfig
import token
import tokenize
from pathlib import Path

import numpy as np

from jaxphase.data.source import Layout, Source, Splits
from jaxphase.errors import InputError

KINDS = ("name", "keyword", "string", "comment")
# Tests are most of the library and written unlike the rest. The code pages of `encodings` are near copies of each
# other, which splitting by file would not keep apart; `pydoc_data` is one file of manual, half of any small split that
# it falls to. The others are not installed everywhere.
EXCLUDED = {"test", "tests", "encodings", "pydoc_data", "idlelib", "lib2to3", "site-packages", "dist-packages"}
LETTERS = np.frombuffer(string.ascii_letters.encode(), np.uint8)
HELD_OUT = 10  # one file in so many to the probe, and one to validation


def text(context: int = 64, train: int = 65536, probe: int = 1000, validation: int = 1000, seed: int = 0) -> Source:
    """Windows of `context` bytes [n, context], labelled with the kind of token that the last byte belongs to.

    Files, in an order that `seed` draws, go one in 10 to the probe, one in 10 to validation and the rest to train, so
    that no file is in two splits. Train windows do not overlap: they lie evenly spread over the train files, in random
    order. Windows of probe and validation are drawn among those that end on an ASCII letter inside a name, a keyword, a
    string or a comment, the four classes, at their natural frequencies, 44 % names. What comes before the letter says
    its kind, the letter does not: from 1,000 windows, a linear readout of the last byte is right for 39 %, one of how
    often each byte occurs in the window for 69 %.

    The text differs by version of Python: record `corpus_id()` with a result.
    """
    rest, to_probe, held_out = split_files(seed)
    splits = Splits(
        spread_windows(b"".join(rest), context, train, seed),
        *labelled_windows(to_probe, context, probe, "probe", (seed, 2)),
        *labelled_windows(held_out, context, validation, "validation", (seed, 3)),
    )
    return Source(splits, Layout("tokens", (context,), vocabulary=256), classes=len(KINDS))


def corpus_id() -> str:
    """Which text it is: version of Python, number of bytes and the head of the SHA-256 of names and contents."""
    digest, size = hashlib.sha256(), 0
    for name, path in source_files():
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
        size += len(content)
    return f"python {platform.python_version()}, {size} bytes, sha256 {digest.hexdigest()[:16]}"


def split_files(seed: int = 0) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Contents of the files of train, probe and validation."""
    files = [path.read_bytes() for _, path in source_files()]
    order = np.random.Generator(np.random.Philox((seed, 0))).permutation(len(files))
    part = np.arange(len(files)) % HELD_OUT
    return tuple([files[index] for index in order[of_split]] for of_split in (part > 1, part == 0, part == 1))


def source_files() -> list[tuple[str, Path]]:
    """Name and path of every source file of the standard library that counts, in the order of names."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = {path.relative_to(root): path for path in root.rglob("*.py")}
    return sorted(
        (name.as_posix(), path)
        for name, path in paths.items()
        if not EXCLUDED & set(name.parts) and not name.parts[0].startswith(("config-", "_sysconfig"))
    )


def spread_windows(content: bytes, context: int, n: int, seed: int) -> np.ndarray:
    """n windows [n, context] that do not overlap, evenly spread and in random order."""
    most = len(content) // context
    if n > most:
        raise InputError(
            f"train is {n}: the text has {most} windows of {context} bytes, ask for fewer or shorter ones."
        )
    starts = np.arange(n) * (len(content) - context) // max(n - 1, 1)
    starts = np.random.Generator(np.random.Philox((seed, 1))).permutation(starts)
    return windows(content, starts, context)


def labelled_windows(
    files: list[bytes], context: int, n: int, field: str, seed: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """n windows [n, context], none across two files, that end inside a token of one of KINDS, and the kinds [n]."""
    content, kinds = b"".join(files), np.concatenate([kinds_of(content) for content in files])
    for start in np.cumsum([0, *map(len, files[:-1])]):
        kinds[start : start + context - 1] = -1
    ends = np.flatnonzero(kinds >= 0)
    if n > len(ends):
        raise InputError(
            f"{field} is {n}: the text has {len(ends)} windows of {context} bytes with a label, ask for fewer."
        )
    ends = np.random.Generator(np.random.Philox(seed)).choice(ends, n, replace=False)
    return windows(content, ends - context + 1, context), kinds[ends].astype(np.int32)


def windows(content: bytes, starts: np.ndarray, context: int) -> np.ndarray:
    """Bytes [n, context] from each start [n] on, as int32."""
    return np.frombuffer(content, np.uint8)[starts[:, None] + np.arange(context)].astype(np.int32)


def kinds_of(content: bytes) -> np.ndarray:
    """Index in KINDS of the token around each byte of a file, -1 if it is no ASCII letter or in no such token."""
    # A byte becomes a character, so that columns count bytes; one beyond ASCII becomes a letter, which fits anywhere.
    plain = content.translate(bytes(byte if byte < 128 else ord("x") for byte in range(256)))
    line_starts = np.cumsum([0, *(len(line) + 1 for line in plain.split(b"\n"))])
    kinds = np.full(len(content), -1, np.int8)
    for found in tokenize.generate_tokens(io.StringIO(plain.decode()).readline):
        if (kind := kind_of(found)) is not None:
            (first_line, first), (last_line, last) = found.start, found.end
            kinds[line_starts[first_line - 1] + first : line_starts[last_line - 1] + last] = KINDS.index(kind)
    kinds[~np.isin(np.frombuffer(content, np.uint8), LETTERS)] = -1
    return kinds


def kind_of(found: tokenize.TokenInfo) -> str | None:
    """The one of KINDS that a token is, if any."""
    # From Python 3.12 on the pieces of an f-string are tokens.
    if found.type == token.STRING or "STRING_" in token.tok_name[found.type]:
        return "string"
    if found.type == token.NAME:
        return "keyword" if keyword.iskeyword(found.string) else "name"
    return "comment" if found.type == token.COMMENT else None
