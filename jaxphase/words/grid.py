"""A table of words: what a terminal prints and a page shows."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.markup import escape
from rich.table import Table


class Grid(NamedTuple):
    """A table.

    Attributes:
        headings: The heading of each column.
        rows: A cell for each column in every row.
        left: The columns that are flush left, as they hold words.
        bold: The rows to stress.
        notes: Sentences below the table.
        title: A phrase above it.
    """

    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    left: tuple[int, ...] = (0,)
    bold: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    title: str = ""


def printed(grid: Grid, columns: Sequence[str] | None = None) -> Table:
    """A table for a terminal, with the columns of these headings or all."""
    kept = [i for i, heading in enumerate(grid.headings) if columns is None or heading in columns]
    table = Table(title=grid.title or None, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for i in kept:
        # Where a table is too wide its cells wrap between words, except for the names at its left.
        words = [
            word for text in (grid.headings[i], *(row[i] for row in grid.rows)) for word in re.split("[ \n]", text)
        ]
        table.add_column(
            escape(grid.headings[i]),
            justify="left" if i in grid.left else "right",
            no_wrap=i == 0,
            min_width=max(map(len, words)),
        )
    for number, row in enumerate(grid.rows):
        table.add_row(*(escape(row[i]) for i in kept), style="bold" if number in grid.bold else None)
    if grid.notes:
        table.caption, table.caption_justify = escape("\n".join(grid.notes)), "left"
    return table
