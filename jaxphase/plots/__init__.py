"""Figures of every result, one function each.

`plots.x(result, ax=ax)` draws in an Axes of yours, in your style; without `ax` it draws in a new figure in ours. Both
return the Axes. A new figure has a legend, and a color bar where there is one to read; in an Axes of yours everything
has its label, and `ax.legend()` draws one. `ax.figure` shows a new figure in a notebook, `save(ax.figure, path)` writes
it. `curves`, `pages` and `flow_pages` put panels together to whole pages.
"""

from .curve_panels import curve, derivative, residuals
from .fits import confidence_band, fit_band, fitted
from .flows import beta, coarse_loss, coupling, flow_diagram, spectrum
from .learning import delays, learning_curves, learning_times
from .order import binder, phase_diagram, susceptibility
from .pieces import breaks, segments
from .plan import padding
from .predict import allocation, isoflop, predictions
from .scaled_curves import collapse, crossings, scaled
from .style import STYLE, rendered, save, save_all
from .whole_pages import curves, flow_pages, pages, write_figures, write_flow_figures

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
    "rendered",
    "residuals",
    "save",
    "save_all",
    "scaled",
    "segments",
    "spectrum",
    "susceptibility",
    "write_figures",
    "write_flow_figures",
]
