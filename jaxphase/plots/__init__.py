"""Figures: of the analysis of a sweep or of anyone's curves, and of the renormalization of a trained family."""

from jaxphase.plots.analyses import collapse, curves, fluctuations, phase_diagram, predict, write_figures
from jaxphase.plots.flows import coarse_loss, coarse_spectra, couplings_flow, flow_diagram, write_flow_figures
from jaxphase.plots.style import STYLE, save

__all__ = [
    "STYLE",
    "coarse_loss",
    "coarse_spectra",
    "collapse",
    "couplings_flow",
    "curves",
    "flow_diagram",
    "fluctuations",
    "phase_diagram",
    "predict",
    "save",
    "write_figures",
    "write_flow_figures",
]
