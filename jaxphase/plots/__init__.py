"""Figures: of the analysis of a sweep or of anyone's curves, and of the renormalization of a trained family."""

from jaxphase.plots.analyses import collapse, curves, fluctuations, phase_diagram, predict, write_figures
from jaxphase.plots.style import STYLE, save

__all__ = ["STYLE", "collapse", "curves", "fluctuations", "phase_diagram", "predict", "save", "write_figures"]
