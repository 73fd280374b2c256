"""Bytes of the Python standard library's own sources: real code and prose, at hand wherever Python is."""

import enum
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
from jaxtyping import Int

from jaxphase.data.source import Layout, Source, Splits
from jaxphase.errors import InputError

# Tests make up most of the library and are written unlike the rest. The code pages of `encodings` are near copies of
# each other, which splitting by file would not keep apart. `pydoc_data` is one file of manual, which would be half of
# any small split. The others are not installed everywhere.
EXCLUDED = {"test", "tests", "encodings", "pydoc_data", "idlelib", "lib2to3", "site-packages", "dist-packages"}
LETTERS = np.frombuffer(string.ascii_letters.encode(), np.uint8)
HELD_OUT = 10  # of so many files one is for probes, and one for validation


class TokenKind(enum.IntEnum):
    """What kind of token a letter belongs to: the classes of `text`."""

    NAME = 0
    KEYWORD = 1
    STRING = 2
    COMMENT = 3


def text(context: int = 64, train: int = 65536, probe: int = 1000, validation: int = 1000, seed: int = 0) -> Source:
    """Cut windows out of the Python standard library, labeled with the kind of token that the last byte belongs to.

    Files are in random order; one in 10 is for probes, one in 10 for validation and the rest for training, so no file
    is in two splits. Training windows do not overlap and are spread evenly over the training files, in random order.
    Other windows are drawn among those that end on an ASCII letter inside a name, a keyword, a string or a comment, at
    their natural frequencies. The kind depends on the text before the letter, and hardly on the letter itself.

    The text differs between versions of Python: record `corpus_id()` with a result.

    Args:
        context: Bytes in a window.
        train: Windows to train on.
        probe: Windows to fit probes on.
        validation: Windows to measure on.
        seed: Decides the order of files and windows.

    Returns:
        A `Source` of tokens 0 to 255; its classes are `TokenKind`.

    Raises:
        ValueError: If the text has fewer windows.
    """
    train_files, probe_files, validation_files = split_files(seed)
    splits = Splits(
        spread_windows(b"".join(train_files), context, train, seed),
        *labeled_windows(probe_files, context, probe, "probe", (seed, 2)),
        *labeled_windows(validation_files, context, validation, "validation", (seed, 3)),
    )
    return Source(splits, Layout("tokens", (context,), vocabulary=256), classes=len(TokenKind))


def corpus_id() -> str:
    """Identify the text: version of Python, number of bytes, and the head of the SHA-256 of names and contents."""
    digest, size = hashlib.sha256(), 0
    for name, path in source_files():
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
        size += len(content)
    return f"python {platform.python_version()}, {size} bytes, sha256 {digest.hexdigest()[:16]}"


def split_files(seed: int = 0) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Read the files and split them: those to train on, those for probes and those for validation."""
    files = [path.read_bytes() for _, path in source_files()]
    order = np.random.Generator(np.random.Philox((seed, 0))).permutation(len(files))
    remainder = np.arange(len(files)) % HELD_OUT
    train, probe, validation = (
        [files[index] for index in order[chosen]] for chosen in (remainder > 1, remainder == 0, remainder == 1)
    )
    return train, probe, validation


def source_files() -> list[tuple[str, Path]]:
    """List the name and path of every source file of the standard library that is used, in the order of names."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = {path.relative_to(root): path for path in root.rglob("*.py")}
    return sorted(
        (name.as_posix(), path)
        for name, path in paths.items()
        if not EXCLUDED & set(name.parts) and not name.parts[0].startswith(("config-", "_sysconfig"))
    )


def spread_windows(content: bytes, context: int, n: int, seed: int) -> Int[np.ndarray, "n context"]:
    """Cut n windows that do not overlap, evenly spread and in random order."""
    most = len(content) // context
    if n > most:
        raise InputError(
            f"train is {n}: the text has {most} windows of {context} bytes; ask for fewer or shorter ones."
        )
    starts = np.arange(n) * (len(content) - context) // max(n - 1, 1)
    starts = np.random.Generator(np.random.Philox((seed, 1))).permutation(starts)
    return windows(content, starts, context)


def labeled_windows(
    files: list[bytes], context: int, n: int, field: str, seed: tuple[int, int]
) -> tuple[Int[np.ndarray, "n context"], Int[np.ndarray, " n"]]:
    """Cut n windows, none across two files, that end inside a token that has a kind; return them and their kinds."""
    content, kinds = b"".join(files), np.concatenate([token_kinds(content) for content in files])
    for start in np.cumsum([0, *map(len, files[:-1])]):
        kinds[start : start + context - 1] = -1
    ends = np.flatnonzero(kinds >= 0)
    if n > len(ends):
        raise InputError(
            f"{field} is {n}: the text has {len(ends)} windows of {context} bytes with a label; ask for fewer."
        )
    ends = np.random.Generator(np.random.Philox(seed)).choice(ends, n, replace=False)
    return windows(content, ends - context + 1, context), kinds[ends].astype(np.int32)


def windows(content: bytes, starts: Int[np.ndarray, " n"], context: int) -> Int[np.ndarray, "n context"]:
    """Cut out the bytes from each start on, as int32."""
    return np.frombuffer(content, np.uint8)[starts[:, None] + np.arange(context)].astype(np.int32)


def token_kinds(content: bytes) -> Int[np.ndarray, " n"]:
    """Find the `TokenKind` around each byte of a file, -1 if the byte is no ASCII letter or in no such token."""
    # Each byte becomes one character, so that columns count bytes; those beyond ASCII become a letter, which is valid
    # anywhere.
    plain = content.translate(bytes(byte if byte < 128 else ord("x") for byte in range(256)))
    line_starts = np.cumsum([0, *(len(line) + 1 for line in plain.split(b"\n"))])
    kinds = np.full(len(content), -1, np.int8)
    for found in tokenize.generate_tokens(io.StringIO(plain.decode()).readline):
        if (kind := token_kind(found)) is not None:
            (first_line, first), (last_line, last) = found.start, found.end
            kinds[line_starts[first_line - 1] + first : line_starts[last_line - 1] + last] = kind
    kinds[~np.isin(np.frombuffer(content, np.uint8), LETTERS)] = -1
    return kinds


def token_kind(found: tokenize.TokenInfo) -> TokenKind | None:
    """Find the kind of a token, if it has one."""
    # From Python 3.12 on the pieces of an f-string are tokens.
    if found.type == token.STRING or "STRING_" in token.tok_name[found.type]:
        return TokenKind.STRING
    if found.type == token.NAME:
        return TokenKind.KEYWORD if keyword.iskeyword(found.string) else TokenKind.NAME
    return TokenKind.COMMENT if found.type == token.COMMENT else None
