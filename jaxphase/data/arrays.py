"""A user's own rows: images, vectors or tokens in a NumPy file."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from jaxphase.data.source import Layout, Source, Splits
from jaxphase.errors import InputError

LARGE = 1 << 30  # bytes of prepared rows to train on; more of them stay in the file
BLOCK = 1 << 26  # bytes read at a time


def arrays(
    path: str | Path,
    labels: str | Path | None = None,
    train: int | None = None,
    probe: int = 1000,
    validation: int = 1000,
    context: int = 64,
    seed: int = 0,
) -> Source:
    """Rows of a `.npy` file, or of `x` in a `.npz` file, in an order that `seed` draws; train is all the rest if None.

    images   [n, rows, columns] or [n, rows, columns, channels], of any number type
    vectors  [n, numbers] of floating numbers
    tokens   [n, positions] of integers from 0, or one stream [n] of them, cut into rows of `context`

    Images are shifted and scaled by one mean and one standard deviation of the training rows, vectors by those of each
    column. The vocabulary is the largest token of the rows read + 1. Labels [n] are `y` in the `.npz`, or a `.npy` file
    of their own, integers or names; the classes are their different values, sorted. Without labels all are 0 of one
    class: losses and spectra mean what they always do, and a probe is always right and knows nothing.

    A `.npy` file is memory-mapped and only the rows of the splits are read; more than a GB of them to train on are read
    once for their mean, and then when a sweep asks for them.
    """
    x, y = load(Path(path))
    if labels is not None:
        y, _ = load(Path(labels))
    if x.ndim == 1 and x.dtype.kind in "iu":
        x = x[: len(x) // context * context].reshape(-1, context)
    kind, shape = layout_of(x, path)
    y, classes = (np.zeros(len(x), np.int32), 1) if y is None else class_of(y, len(x), labels or path)

    rest = len(x) - probe - validation
    n = rest if train is None else train
    if not 0 < n <= rest:
        raise InputError(
            f"{path} has {len(x)} rows: probe {probe} and validation {validation} leave {rest} to train "
            f"on, ask for fewer of them or of train."
        )
    # Held out first: with more rows to train on, these and the first to train on stay the same.
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(x))[: probe + validation + n]
    to_probe, to_validate, to_train = np.split(order, [probe, probe + validation])
    raw = [Mapped(x, part, path) for part in (to_train, to_probe, to_validate)]
    if kind == "tokens":
        vocabulary = 1 + int(max(block.max() for part in raw for block in part.blocks()))
        prepare = lambda rows: rows.astype(np.int32)  # noqa: E731
    else:
        vocabulary, (mean, std) = 0, moments(raw[0], 0 if kind == "vector" else None)
        std = np.where(std > 0, std, 1)  # what never varies becomes 0
        prepare = lambda rows: ((rows - mean) / std).astype(np.float32)  # noqa: E731
    rows, for_probe, held_out = (Mapped(x, part.which, path, prepare) for part in raw)
    train = rows if 4 * math.prod(rows.shape) > LARGE else rows[:]
    splits = Splits(train, for_probe[:], y[to_probe], held_out[:], y[to_validate])
    return Source(splits, Layout(kind, shape, vocabulary), classes)


class Mapped:
    """Rows `which` of x, flat, read and prepared when they are asked for: a [n, numbers] that takes an index array or a
    slice of its rows."""

    def __init__(self, x: np.ndarray, which: np.ndarray, path: str | Path, prepare: Callable = lambda rows: rows):
        self.x, self.which, self.path, self.prepare = x, which, path, prepare
        self.shape = (len(which), math.prod(x.shape[1:]))
        self.dtype = prepare(x[:0]).dtype

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, index: np.ndarray | slice) -> np.ndarray:
        return self.prepare(read(self.x, self.which[index], self.path))

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows, a block at a time, in the order in which they lie in the file."""
        order = np.argsort(self.which)
        rows = max(1, BLOCK // (8 * self.shape[1]))
        return (self[order[start : start + rows]] for start in range(0, len(self), rows))


def moments(rows: Mapped, axis: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the rows, or over all numbers, merged block by block (Chan et al. 1983)."""
    count = mean = squares = 0
    for block in rows.blocks():
        n, of_block = block.size if axis is None else len(block), block.mean(axis, dtype=np.float64)
        shift = of_block - mean
        squares = squares + n * block.var(axis, dtype=np.float64) + shift**2 * count * n / (count + n)
        mean = mean + shift * n / (count + n)
        count += n
    return mean, np.sqrt(squares / count)


def load(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The array of a .npy file, memory-mapped, and None; or x and y, None where there is none, of a .npz file."""
    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                found = {name: file[name] for name in ("x", "y") if name in file}
        else:
            found = {"x": np.load(path, mmap_mode="r")}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}): give a file of plain numbers by np.save or np.savez."
        ) from error
    if "x" not in found:
        raise InputError(f"{path} has no array x: save the rows under this name, np.savez(path, x=rows, y=labels).")
    return found["x"], found.get("y")


def layout_of(x: np.ndarray, path: str | Path) -> tuple[str, tuple[int, ...]]:
    """What the rows of x are, by its number of axes and its type, and the shape of one."""
    whole, number = x.dtype.kind in "iu", x.dtype.kind in "iufb"
    if number and x.ndim in (3, 4):
        return "image", (*x.shape[1:3], 1 if x.ndim == 3 else x.shape[3])
    if number and x.ndim == 2:
        return "tokens" if whole else "vector", x.shape[1:]
    raise InputError(
        f"{path} holds {x.dtype} of shape {x.shape}: give numbers [n, rows, columns] or [n, rows, columns, channels], "
        "[n, numbers], or integers [n, positions] or [n]."
    )


def read(x: np.ndarray, which: np.ndarray, path: str | Path) -> np.ndarray:
    """Rows `which` of x, flat, read in the order in which they lie in the file."""
    rows = np.empty((len(which), *x.shape[1:]), x.dtype)
    order = np.argsort(which)
    rows[order] = x[which[order]]
    rows = rows.reshape(len(which), math.prod(x.shape[1:]))
    bad = ~np.isfinite(rows) if x.ndim > 2 or x.dtype.kind in "fb" else (rows < 0) | (rows > np.iinfo(np.int32).max)
    if bad.any():
        row, value = which[bad.any(axis=1)][0], rows[bad][0]
        raise InputError(f"{path} has {value} in row {row}: give finite numbers, or tokens from 0 to 2**31 - 1.")
    return rows


def class_of(y: np.ndarray, n: int, path: str | Path) -> tuple[np.ndarray, int]:
    """Labels [n] as 0, 1, ... in the order of their values, and how many there are."""
    if y.shape != (n,) or y.dtype.kind not in "iubU":
        raise InputError(
            f"The labels in {path} are {y.dtype} of shape {y.shape}: give {n} integers or names, one a row."
        )
    values, classes = np.unique(y, return_inverse=True)
    return classes.astype(np.int32), len(values)
