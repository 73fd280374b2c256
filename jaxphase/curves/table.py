"""What every reader gives: rows of cells, each with its place in the file; and the numbers in cells."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxphase.errors import InputError

_SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_LISTED = 30


class Row(NamedTuple):
    """Cells by column, those that were not measured empty or left out.

    where: the place for messages, such as "row 3 of runs.csv". run: the name of the run, None where no file or header
    names it.
    """

    where: str
    run: str | None
    cells: Mapping[str, Any]


class Table(NamedTuple):
    """Rows of a file or folder. time: the column of training steps, None where the format does not say."""

    source: str
    columns: tuple[str, ...]
    rows: list[Row]
    time: str | None = None


def absent(cell: Any) -> bool:
    """Whether a cell says that nothing was measured; NaN does not."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def number(cell: Any, column: str, where: str, *, positive: bool = False) -> float:
    """The number in a cell, NaN for an absent or not finite one.

    positive: it must be positive and finite, and may have a suffix of size as in 125M or 1.3B.
    """
    if absent(cell):
        if positive:
            raise InputError(f"{column} is missing in {where}: give a positive number.")
        return math.nan
    value = _parsed(cell, positive)
    if value is None:
        text = repr(cell.strip() if isinstance(cell, str) else cell)
        raise InputError(f"{column} is {text:.60} in {where}: give a number.")
    if math.isfinite(value) and (value > 0 or not positive):
        return value
    if positive:
        raise InputError(f"{column} is {cell} in {where}: give a positive, finite number.")
    return math.nan


def is_number(cell: Any) -> bool:
    """Whether a cell is a number, NaN and infinity among them."""
    return _parsed(cell, False) is not None


def listed(names) -> str:
    """The names in a row, the first of them if they are many."""
    names = [str(name) for name in names]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (", ".join(names[:_LISTED]) or "none") + more


def _parsed(cell: Any, suffixed: bool) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    factor = 1.0
    if suffixed and isinstance(cell, str) and cell.strip()[-1].lower() in _SUFFIXES:
        cell = cell.strip()
        factor, cell = _SUFFIXES[cell[-1].lower()], cell[:-1]
    try:
        # 1.1 * 1e6 is 1100000.0000000002: sizes that are written alike should read alike.
        return float(f"{float(cell) * factor:.15g}") if factor != 1 else float(cell)
    except (ValueError, OverflowError):
        return None
