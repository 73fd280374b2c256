"""What the tables share: their register, their form, and how numbers are written in them."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).parents[3]

TABLES: dict[str, tuple[str, Callable[[dict], str]]] = {}


def table_of(file: str, name: str | None = None) -> Callable:
    """Register a function as the table of its own name, or of `name`, made from a JSON file of the repository."""

    def register(write: Callable[[dict], str]) -> Callable[[dict], str]:
        TABLES[name or write.__name__] = file, write
        return write

    return register


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    headings = list(headings)
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def percent(share: float | None) -> str:
    """A share of one in percent, with three digits."""
    if share is None or math.isnan(share):
        return "–"
    return f"{100 * share:.3g}" if share < 1 else "100"


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many digits, a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if 1000 <= abs(rounded) < 1e7 else f"{rounded:.{digits}g}"


def with_error(value: float | None, error: float | None) -> str:
    """A value and its standard error, both to the second digit of the error."""
    if value is None or error is None or not error > 0:
        return number(value)
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def seconds(value: float) -> str:
    """A time, in milliseconds below a tenth of a second."""
    if value < 0.1:
        return f"{number(1000 * value)} ms"
    return f"{value:,.0f} s" if value >= 100 else f"{number(value)} s"


def times(ratio: float) -> str:
    """How many times as long: two digits, thousands set apart."""
    return f"{float(f'{ratio:.2g}'):,.0f}" if ratio >= 10 else f"{ratio:.2g}"
