"""Renormalization: exact maps, trained networks and their activations, coarse-grained and followed."""

from .coarse_grain import METHODS, Coarse, coarse_grain
from .couplings import Couplings, couplings

__all__ = ["METHODS", "Coarse", "Couplings", "coarse_grain", "couplings"]
