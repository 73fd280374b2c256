"""The table that every reader gives: rows of cells with their place in the file; and the numbers in cells."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jaxphase.errors import InputError

_SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_LISTED = 30


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        where: Its place for messages, such as "row 3 of runs.csv".
        run: The name of its run, None where no file or header names it.
        cells: Cells by column; those that were not measured are empty or left out.
    """

    where: str
    run: str | None
    cells: Mapping[str, Any]


class Table(NamedTuple):
    """The rows of a file or folder.

    Attributes:
        source: The file or folder.
        columns: The names of the columns.
        rows: The rows.
        time: The column of training steps, None where the format has no such column.
    """

    source: str
    columns: tuple[str, ...]
    rows: list[Row]
    time: str | None = None


def absent(cell: Any) -> bool:
    """Whether a cell says that nothing was measured; NaN does not."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def number(cell: Any, column: str, where: str, *, positive: bool = False) -> float:
    """Read the number in a cell.

    Args:
        cell: The cell.
        column: Its column, for messages.
        where: Its place, for messages.
        positive: Whether it must be positive and finite; it may then have a suffix as in 125M or 1.3B.

    Returns:
        The number; NaN for an absent cell and for one that is not finite.

    Raises:
        InputError: If it is not a number, or not positive where it must be.
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


def listed(names: Iterable[object]) -> str:
    """The names in a row; of many names only the first ones."""
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
