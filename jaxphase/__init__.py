"""jaxphase: train whole families of models at once and tell phase transitions from crossovers and artefacts.

Everything is loaded when first used, so that importing jaxphase costs no more than importing jax.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

import jax  # noqa: F401  imported here once, so that what follows is only jaxphase's own cost

__version__ = version("jaxphase")

_HOME = {
    "Analysis": "analysis",
    "InputError": "errors",
    "PhaseTransitionConfig": "config",
    "SweepSpec": "config",
    "TimeAnalysis": "learning",
    "analyze": "analysis",
    "analyze_time": "learning",
    "delay": "times",
    "load_analysis": "report",
    "paragraph": "paragraphs",
    "read": "curves",
    "read_csv": "curves",
    "use_all_cores": "cores",
    "write_report": "report",
}
_MODULES = (
    *("curves", "detect", "evaluate", "flows", "learning", "plots", "predict", "renormalize", "rg", "scaling"),
    *("sweep", "systems", "times"),
)

__all__ = ["__version__", *_HOME, *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"jaxphase.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"jaxphase.{name}")
    raise AttributeError(f"module 'jaxphase' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
