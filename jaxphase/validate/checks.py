"""One recovered number or word beside the exact one, and the table of many."""

import enum
import math
from collections.abc import Iterable
from typing import NamedTuple, SupportsFloat

from rich.table import Table

MAX_PULL = 4.0  # standard errors


class Check(NamedTuple):
    """A number or a word that was recovered, beside the exact one.

    Attributes:
        system: Name of the system.
        quantity: Name of the recovered quantity.
        value: The recovered number or word.
        error: Standard error, statistical and systematic together; NaN for words.
        exact: The exact number or word.
        pull: `(value - exact) / error`; NaN for words.
        precision: `error / |exact|`; NaN for words.
    """

    system: str
    quantity: str
    value: float | str
    error: float
    exact: float | str
    pull: float
    precision: float

    @property
    def right(self) -> bool:
        """Whether a word is the exact one, or a number within four standard errors of it."""
        return self.value == self.exact if isinstance(self.exact, str) else abs(self.pull) <= MAX_PULL


def number(system: str, quantity: str, value: SupportsFloat, error: SupportsFloat, exact: SupportsFloat) -> Check:
    """Check a number."""
    value, error, exact = float(value), float(error), float(exact)
    return Check(system, quantity, value, error, exact, (value - exact) / error, error / abs(exact))


def word(system: str, quantity: str, value: str | enum.Enum, exact: str | enum.Enum) -> Check:
    """Check a word, or a member of an enumeration by its name."""
    return Check(system, quantity, _spelled(value), math.nan, _spelled(exact), math.nan, math.nan)


def table(checks: Iterable[Check]) -> Table:
    """Make a table of checks, wrong ones in red.

    Args:
        checks: From `validate`.

    Returns:
        A table for `rich.print`, with a row for every check.
    """
    rows = Table(title="Recovered from simulations, and known exactly")
    rows.add_column("system")
    rows.add_column("quantity")
    for name in ("recovered", "error", "exact", "pull", "precision"):
        rows.add_column(name, justify="right")
    system = None
    for check in checks:
        if isinstance(check.value, str) or isinstance(check.exact, str):
            numbers = str(check.value), "", str(check.exact), "", ""
        else:
            numbers = (*_digits(check.value, check.error, check.exact), f"{check.pull:+.1f}", f"{check.precision:.1e}")
        first = "" if check.system == system else check.system
        rows.add_row(first, check.quantity, *numbers, style=None if check.right else "red")
        system = check.system
    return rows


def _spelled(value: str | enum.Enum) -> str:
    """The word itself, or the name of a member in lower case."""
    return value.name.lower().replace("_", " ") if isinstance(value, enum.Enum) else value


def _digits(value: float, error: float, exact: float) -> tuple[str, str, str]:
    """Format all three with two digits of the error, and at most eight decimals."""
    places = min(max(1 - math.floor(math.log10(error)), 0), 8) if error > 0 else 6
    return f"{value:.{places}f}", f"{error:.{places}f}", f"{exact:.{places}f}"
