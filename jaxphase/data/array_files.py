"""A user's own rows: images, vectors or tokens in a NumPy file."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxphase.data.source import Layout, Source, Splits
from jaxphase.errors import InputError

LARGE = 1 << 30  # training rows of more bytes stay in the file
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
    """Read rows of a `.npy` file, or of `x` in a `.npz` file, in random order.

    The shape and type say what they are:

    - images: `[n, rows, columns]` or `[n, rows, columns, channels]`, of any number type;
    - vectors: `[n, numbers]` of floating numbers;
    - tokens: `[n, positions]` of integers from 0, or one stream `[n]` of them, cut into rows of `context`.

    Images are standardized by one mean and standard deviation of the training rows, vectors by those of each column.
    The vocabulary is the largest token plus 1. Of a `.npy` file only the rows of the splits are read, and training rows
    of more than a GB are read whenever a sweep needs them.

    Args:
        path: The file.
        labels: A `.npy` file of labels `[n]`, integers or names. If None they are `y` in the `.npz` file; without any,
            all rows are of one class.
        train: Rows to train on; all the rest if None.
        probe: Rows to fit probes on.
        validation: Rows to measure on.
        context: Length of the rows that a stream of tokens is cut into.
        seed: Decides the order.

    Returns:
        A `Source`; its classes are the different labels, sorted.

    Raises:
        ValueError: If the file cannot be read, has too few rows, or holds something else.
    """
    x, y = load(Path(path))
    if labels is not None:
        y, _ = load(Path(labels))
    if x.ndim == 1 and x.dtype.kind in "iu":
        x = x[: len(x) // context * context].reshape(-1, context)
    kind, shape = layout_of(x, path)
    classes, count = (np.zeros(len(x), np.int32), 1) if y is None else class_indices(y, len(x), labels or path)

    rest = len(x) - probe - validation
    n = rest if train is None else train
    if not 0 < n <= rest:
        raise InputError(
            f"{path} has {len(x)} rows: probe {probe} and validation {validation} leave {rest} to train "
            f"on; ask for fewer of them or of train."
        )
    # Held-out rows come first, so that they and the first training rows stay the same if there are more rows to train
    # on.
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(x))[: probe + validation + n]
    probe_index, validation_index, train_index = np.split(order, [probe, probe + validation])
    raw = [MappedRows(x, index, path) for index in (train_index, probe_index, validation_index)]
    rows, vocabulary = _prepared(raw, kind)
    kept: Any = rows[0] if 4 * math.prod(rows[0].shape) > LARGE else rows[0][:]
    splits = Splits(kept, rows[1][:], classes[probe_index], rows[2][:], classes[validation_index])
    return Source(splits, Layout(kind, shape, vocabulary), count)


def _prepared(raw: list["MappedRows"], kind: str) -> tuple[list["MappedRows"], int]:
    """Standardize rows by the first of the splits, or find the vocabulary of tokens (0 for others)."""
    if kind == "tokens":
        vocabulary = 1 + int(max(block.max() for rows in raw for block in rows.blocks()))
        prepare = lambda rows: rows.astype(np.int32)  # noqa: E731
    else:
        vocabulary, (mean, std) = 0, mean_and_std(raw[0], 0 if kind == "vector" else None)
        std = np.where(std > 0, std, 1)  # a feature that never varies becomes 0
        prepare = lambda rows: ((rows - mean) / std).astype(np.float32)  # noqa: E731
    return [MappedRows(rows.x, rows.which, rows.path, prepare) for rows in raw], vocabulary


class MappedRows:
    """Some rows of an array, flat, read and prepared when they are asked for by an index array or a slice.

    Attributes:
        x: The array, usually memory-mapped, `[n, ...]`.
        which: The rows, `[rows]`.
        path: The file that x comes from, for messages.
        prepare: A function of flat rows that are read.
        shape: (rows, numbers in a row).
        dtype: Type of prepared rows.
    """

    def __init__(
        self,
        x: Shaped[np.ndarray, "n ..."],
        which: Int[np.ndarray, " rows"],
        path: str | Path,
        prepare: Callable[[np.ndarray], np.ndarray] = lambda rows: rows,
    ):
        self.x, self.which, self.path, self.prepare = x, which, path, prepare
        self.shape = (len(which), math.prod(x.shape[1:]))
        self.dtype = prepare(x[:0]).dtype

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, index: Int[np.ndarray, " some"] | slice) -> Shaped[np.ndarray, "some numbers"]:
        return self.prepare(read_rows(self.x, self.which[index], self.path))

    def blocks(self) -> Iterator[np.ndarray]:
        """Read all rows, a block at a time, in the order in which they lie in the file."""
        order = np.argsort(self.which)
        rows = max(1, BLOCK // (8 * self.shape[1]))
        return (self[order[start : start + rows]] for start in range(0, len(self), rows))


def mean_and_std(
    rows: MappedRows, axis: int | None
) -> tuple[Float[np.ndarray | np.float64, "*numbers"], Float[np.ndarray | np.float64, "*numbers"]]:
    """Mean and standard deviation over rows (axis 0) or all numbers (None), merged by block (Chan et al. 1983)."""
    count, mean, squares = 0, np.float64(0), np.float64(0)
    for block in rows.blocks():
        n, block_mean = block.size if axis is None else len(block), block.mean(axis, dtype=np.float64)
        shift = block_mean - mean
        squares = squares + n * block.var(axis, dtype=np.float64) + shift**2 * count * n / (count + n)
        mean = mean + shift * n / (count + n)
        count += n
    return mean, np.sqrt(squares / count)


def load(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Open the array of a .npy file, memory-mapped, and None; or x and y (None if missing) of a .npz file."""
    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                found = {name: file[name] for name in ("x", "y") if name in file}
        else:
            found = {"x": np.load(path, mmap_mode="r")}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}): give a file of plain numbers written by np.save or np.savez."
        ) from error
    if "x" not in found:
        raise InputError(f"{path} has no array x: save the rows under this name, np.savez(path, x=rows, y=labels).")
    return found["x"], found.get("y")


def layout_of(x: np.ndarray, path: str | Path) -> tuple[str, tuple[int, ...]]:
    """Tell from the number of axes and the type of x what its rows are; return their kind and the shape of one."""
    whole, number = x.dtype.kind in "iu", x.dtype.kind in "iufb"
    if number and x.ndim in (3, 4):
        return "image", (*x.shape[1:3], 1 if x.ndim == 3 else x.shape[3])
    if number and x.ndim == 2:
        return "tokens" if whole else "vector", x.shape[1:]
    raise InputError(
        f"{path} holds {x.dtype} of shape {x.shape}: give numbers [n, rows, columns] or [n, rows, columns, channels], "
        "[n, numbers], or integers [n, positions] or [n]."
    )


def read_rows(
    x: Shaped[np.ndarray, "n ..."], which: Int[np.ndarray, " rows"], path: str | Path
) -> Shaped[np.ndarray, "rows numbers"]:
    """Read rows of x, flat, in the order in which they lie in the file."""
    rows = np.empty((len(which), *x.shape[1:]), x.dtype)
    order = np.argsort(which)
    rows[order] = x[which[order]]
    rows = rows.reshape(len(which), math.prod(x.shape[1:]))
    bad = ~np.isfinite(rows) if x.ndim > 2 or x.dtype.kind in "fb" else (rows < 0) | (rows > np.iinfo(np.int32).max)
    if bad.any():
        row, value = which[bad.any(axis=1)][0], rows[bad][0]
        raise InputError(f"{path} has {value} in row {row}: give finite numbers, or tokens from 0 to 2**31 - 1.")
    return rows


def class_indices(y: np.ndarray, n: int, path: str | Path) -> tuple[Int[np.ndarray, " n"], int]:
    """Number labels 0, 1, ... in the order of their values; return them and how many there are."""
    if y.shape != (n,) or y.dtype.kind not in "iubU":
        raise InputError(
            f"The labels in {path} are {y.dtype} of shape {y.shape}: give {n} integers or names, one for each row."
        )
    values, classes = np.unique(y, return_inverse=True)
    return classes.astype(np.int32), len(values)
