"""Systems with exactly known transitions, simulated here, measured like any data, and compared with the answers.

No measurement uses the answer. Control values are a user's guess, or for lattices the result of a first scan, to three
digits. Estimates come from simulated outcomes through `jaxphase.scaling`, and the exact answers of `jaxphase.systems`
stand beside them at the end.

- `run`: `validate`, which simulates and judges all systems on all devices.
- `checks`: a recovered number or word beside the exact one, and the table of many.
- `system`: how much is simulated; `lattices`, `mean_field`, `networks`: the systems.
"""

from .checks import MAX_PULL, Check, table
from .run import validate
from .system import DEFAULT, LARGE, Effort

__all__ = ["DEFAULT", "LARGE", "MAX_PULL", "Check", "Effort", "table", "validate"]
