"""One recovered number or word beside the exact one, and the table of many."""

import math
from typing import NamedTuple

from rich.table import Table

WRONG = 4.0  # standard errors


class Check(NamedTuple):
    """A number or a word that was recovered, beside the exact one.

    error: standard error, statistical and systematic together. pull: (value - exact) / error. precision: error / exact.
    All three are NaN for words.
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
        return self.value == self.exact if isinstance(self.exact, str) else abs(self.pull) <= WRONG


def number(system: str, quantity: str, value, error, exact) -> Check:
    """The check of a number."""
    value, error, exact = float(value), float(error), float(exact)
    return Check(system, quantity, value, error, exact, (value - exact) / error, error / abs(exact))


def word(system: str, quantity: str, value: str, exact: str) -> Check:
    """The check of a word."""
    return Check(system, quantity, value, math.nan, exact, math.nan, math.nan)


def table(checks) -> Table:
    """A row for every check; those that are wrong are red."""
    rows = Table(title="Recovered from simulations, and known exactly")
    rows.add_column("system")
    rows.add_column("quantity")
    for name in ("recovered", "error", "exact", "pull", "precision"):
        rows.add_column(name, justify="right")
    system = None
    for check in checks:
        if isinstance(check.exact, str):
            numbers = check.value, "", check.exact, "", ""
        else:
            numbers = (*_digits(check.value, check.error, check.exact), f"{check.pull:+.1f}", f"{check.precision:.1e}")
        first = "" if check.system == system else check.system
        rows.add_row(first, check.quantity, *numbers, style=None if check.right else "red")
        system = check.system
    return rows


def _digits(value: float, error: float, exact: float) -> tuple[str, str, str]:
    """Numbers with as many digits as two of the error need, the exact one with at most eight."""
    places = min(max(1 - math.floor(math.log10(error)), 0), 8) if error > 0 else 6
    return f"{value:.{places}f}", f"{error:.{places}f}", f"{exact:.{places}f}"
