"""What all figures have in common: a style that no global state knows of, colours, and how they are saved."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "figure.dpi": 100,
}


@contextmanager
def new_figure(width: float, height: float) -> Iterator["Figure"]:
    """A figure in our style that no global state knows of."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def few_labels(panel: "Axes") -> None:
    """On a logarithmic axis of sizes over a decade or more powers of ten: labels between would run into each other."""
    from matplotlib.ticker import LogFormatterSciNotation

    panel.xaxis.set_minor_formatter(LogFormatterSciNotation(minor_thresholds=(0.8, 0.3)))


def save(figure: "Figure", path: str | Path) -> None:
    """Write a figure in the format of its path's ending: PNG with 200 dots per inch, or PDF with its fonts in it."""
    import matplotlib as mpl

    dated = {"CreationDate": None} if Path(path).suffix == ".pdf" else None
    with mpl.rc_context({"pdf.fonttype": 42}):
        figure.savefig(path, dpi=200, metadata=dated)


def save_all(figures: Mapping[str, "Figure"], folder: str | Path) -> None:
    """Every figure as NAME.png and NAME.pdf in a folder that exists."""
    for name, figure in figures.items():
        for ending in ("png", "pdf"):
            save(figure, Path(folder) / f"{name}.{ending}")


def colors(count: int) -> list:
    """Colours in order of data size that stay apart for the colour-blind and on white."""
    from matplotlib import colormaps

    return (
        [colormaps["plasma"](place) for place in np.linspace(0.05, 0.62, count)] if count > 1 else ["#0b5394"][:count]
    )


def edges(centers: np.ndarray) -> np.ndarray:
    """Edges of cells, midway between their centres in the logarithm."""
    log = np.log(centers)
    middle = (log[1:] + log[:-1]) / 2
    return np.exp(np.concatenate([[2 * log[0] - middle[0]], middle, [2 * log[-1] - middle[-1]]]))
