"""The verdicts on all curves as a table, for a terminal and for a page."""

from rich.table import Table

from jaxphase.analysis import Analysis, Finding
from jaxphase.curves import has_groups
from jaxphase.words.grid import Grid, printed
from jaxphase.words.headlines import remark
from jaxphase.words.phrases import KINDS, MIRAGES, axis, exactly, group_unit, number, p_value, place, size_unit

_ON_A_PAGE = ("ΔBIC", "the jump is")  # columns that a terminal has no room for


def table(analysis: Analysis) -> Table:
    """Make a table of the verdict on every curve, to print in a terminal with rich.

    Args:
        analysis: The analysis.

    Returns:
        Verdict, critical size with its 95 % interval, width and the p-value of a straight line, a row for each curve,
        with notes on what limits the verdicts.

    Example:
        >>> rich.print(jaxphase.table(analysis))
    """
    grid = verdict_grid(analysis)
    metrics = ["", *(row[0] for row in grid.rows)]
    rows = [("" if row[0] == before else row[0], *row[1:]) for before, row in zip(metrics, grid.rows, strict=False)]
    return printed(grid._replace(rows=rows), [heading for heading in grid.headings if heading not in _ON_A_PAGE])


def verdict_grid(analysis: Analysis) -> Grid:
    """The numbers of every curve, and notes on them."""
    data, grouped = analysis.dataset, has_groups(analysis.dataset)
    headings = (
        "metric",
        "verdict",
        *([group_unit(data).replace(" ", "\n")] if grouped else []),
        f"critical size,\n{size_unit(data)} [95\N{NO-BREAK SPACE}%]",
        "width,\ndecades",
        "p of a\nline",
        *_ON_A_PAGE,
    )
    rows = []
    notes = ["p of a line: of a straight line in log size; *: rejected (false discovery rate 5 %)."]
    for found in analysis.findings:
        group = [exactly(found.group)] if grouped and found.group is not None else []
        rows.append((found.metric, KINDS[found.kind], *group, *_numbers(found)))
        if said := remark(analysis, found):
            notes.append(f"{found.metric}{f' at {group[0]}' if group else ''}: {said}.")
    bold = frozenset(i for i, found in enumerate(analysis.findings) if found.metric == analysis.order_parameter)
    return Grid(headings, rows, (0, 1), bold, tuple(notes), f"Every metric against {axis(data)}")


def _numbers(found: Finding) -> tuple[str, ...]:
    where = "no\N{NO-BREAK SPACE}transition" if found.kind.is_smooth else "—"
    return (
        place(found.critical_size, found.interval) if found.has_transition else where,
        number(found.width, ".2f"),
        p_value(found.straight_line_p) + "*" * found.straight_line_rejected,
        number(found.delta_bic, "+.1f"),
        "—" if found.mirage is None else MIRAGES[found.mirage],
    )
