"""jaxphase: train whole families of models at once and tell phase transitions from crossovers and artifacts.

The public names are listed in `__init__.pyi`, where editors and type checkers read them too. Each is loaded when it is
first used, so that importing jaxphase costs no more than importing jax.
"""

from importlib.metadata import version

import jax  # noqa: F401  imported here once, so that what follows is only jaxphase's own cost
import lazy_loader

__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = version("jaxphase")
__all__ += ["__version__"]


def __dir__() -> list[str]:
    return sorted(__all__)
