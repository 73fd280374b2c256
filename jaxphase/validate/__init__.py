"""What is recovered of systems whose transitions are known exactly: simulated here and now, measured as any data are.

No measurement knows the answer. Control grids are what a user might guess, or for lattices what a first scan shows, to
three digits; estimates come from simulated outcomes through `jaxphase.scaling`; the exact answers of `jaxphase.systems`
stand beside them at the end.
"""

from .checks import WRONG, Check, table
from .run import validate
from .system import DEFAULT, LARGE, Effort

__all__ = ["DEFAULT", "LARGE", "WRONG", "Check", "Effort", "table", "validate"]
