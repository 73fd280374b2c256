"""Figures of every result, one function each: `plots.x(result, ax=None)` draws in an Axes of yours, in your style, or
in a new figure in ours, and returns the Axes.

A figure of its own has a legend, and a color bar where there is one to read; in an Axes of yours everything has its
label, and `ax.legend()` draws one. `ax.figure` shows the new figure in a notebook, `save(ax.figure, path)` writes it.
`curves`, `pages` and `flow_pages` put panels together to whole pages.
"""

from jaxphase.plots.breaks import breaks, segments
from jaxphase.plots.collapse import collapse, crossings, scaled
from jaxphase.plots.curves import curve, derivative, residuals
from jaxphase.plots.fits import confidence_band, fit_band, fitted
from jaxphase.plots.flows import beta, coarse_loss, coupling, flow_diagram, spectrum
from jaxphase.plots.learning import delays, learning_curves, learning_times
from jaxphase.plots.order import binder, phase_diagram, susceptibility
from jaxphase.plots.pages import curves, flow_pages, pages, write_figures, write_flow_figures
from jaxphase.plots.plan import padding
from jaxphase.plots.predict import allocation, isoflop, predictions
from jaxphase.plots.style import STYLE, save

__all__ = [
    "STYLE",
    "allocation",
    "beta",
    "binder",
    "breaks",
    "coarse_loss",
    "collapse",
    "confidence_band",
    "coupling",
    "crossings",
    "curve",
    "curves",
    "delays",
    "derivative",
    "fit_band",
    "fitted",
    "flow_diagram",
    "flow_pages",
    "isoflop",
    "learning_curves",
    "learning_times",
    "padding",
    "pages",
    "phase_diagram",
    "predictions",
    "residuals",
    "save",
    "scaled",
    "segments",
    "spectrum",
    "susceptibility",
    "write_figures",
    "write_flow_figures",
]
