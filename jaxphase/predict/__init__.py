"""Prediction: from measured losses and critical sizes to what to train next."""

from .allocation import Allocation, IsoFlop, RelativeToOptimum, allocate, isoflop, relative_to_optimum
from .surface import Surface, fit_surface

__all__ = [
    "Allocation",
    "IsoFlop",
    "RelativeToOptimum",
    "Surface",
    "allocate",
    "fit_surface",
    "isoflop",
    "relative_to_optimum",
]
