"""What all figures have in common: a style outside of global state, colors, legends, and how they are saved."""

import io
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from jaxphase.words.phrases import exactly

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "figure.dpi": 100,
}
# Of Okabe and Ito: told apart by the color-blind, for what has no order.
CATEGORIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DPI = 200  # of PNG images
LABELED = 6  # of many sizes, so many have their names in a legend


@contextmanager
def new_figure(width: float, height: float) -> Iterator["Figure"]:
    """A figure in our style, outside of global state."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


@contextmanager
def panel(ax: "Axes | None", width: float = 4.8, height: float = 3.7) -> Iterator["Axes"]:
    """The user's Axes, or those of a new figure in our style, which gets a legend of everything with a label."""
    if ax is not None:
        yield ax
        return
    with new_figure(width, height) as figure:
        ax = figure.subplots()
        yield ax
        legend(figure, [ax])


def figure_of(ax: "Axes") -> "Figure":
    """The figure that Axes are in."""
    from matplotlib.figure import Figure

    figure = ax.figure
    while not isinstance(figure, Figure):
        figure = figure.figure
    return figure


def legend(figure: "Figure", axes: Iterable["Axes"], above: Collection[str] = ()) -> None:
    """Draw one legend for several Axes, each label once and those of `key` last.

    Args:
        figure: The figure.
        axes: Its Axes.
        above: Labels to write above the axes; the others stand below.
    """
    from matplotlib.lines import Line2D

    entries = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    keys = {
        label for label, handle in entries.items() if isinstance(handle, Line2D) and not np.size(handle.get_xdata())
    }
    order = sorted(entries, key=lambda label: label in keys)
    places: dict[Any, bool] = {"outside upper center": True, "outside lower center": False}
    for place, is_above in places.items():
        names = [label for label in order if (label in above) == is_above]
        if names:
            handles = [entries[name] for name in names]
            columns = _columns([len(name) for name in names], figure.get_figwidth())
            figure.legend(handles, names, loc=place, ncols=columns, columnspacing=1.4)


def _columns(lengths: list[int], width: float) -> int:
    """The most columns in which entries with these numbers of letters fit on so many inches."""
    widths = 0.54 + 0.06 * np.array(lengths)
    fits = [sum(map(np.max, np.array_split(widths, n))) <= width for n in range(1, len(widths) + 1)]
    return max([n for n, fit in enumerate(fits, 1) if fit], default=1)


def key(ax: "Axes", label: str, **style: Any) -> None:
    """A gray legend entry for something that is drawn in several colors."""
    merged: dict[str, Any] = {"color": "0.4"} | style
    ax.plot([], [], label=label, **merged)


def headings(ax: "Axes", title: str, lines: Iterable[tuple[str, Any]] = ()) -> None:
    """A title at the left, and between it and the panel lines of words, each in its color."""
    import matplotlib as mpl

    lines, font = list(lines), mpl.rcParams["font.size"]
    ax.set_title(textwrap.fill(title, 34), loc="left", fontweight="bold", pad=5 + 1.22 * font * len(lines))
    for i, (words, color) in enumerate(reversed(lines)):
        place = {"xytext": (0, 3 + 1.22 * font * i), "xycoords": "axes fraction", "textcoords": "offset points"}
        ax.annotate(words, (0, 1), color=color, size=0.89 * font, va="bottom", **place)


def spaced(count: int, most: int = LABELED) -> list[int]:
    """Indices of at most `most` of `count` things, evenly spaced, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()


def few_labels(axis: "Axis", low: float, high: float) -> None:
    """Label a logarithmic axis at powers of ten, and between them where these are too few."""
    from matplotlib.ticker import LogFormatterSciNotation, LogLocator, MaxNLocator, NullFormatter

    decades = np.log10(high / low)
    between = (1.0,) if decades >= 2 else (1.0, 3.0) if decades >= 1 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=between) if decades >= 0.6 else MaxNLocator(4, steps=(1, 2, 5, 10)))
    plain = decades < 0.6 or (low >= 0.01 and high < 1e4)
    in_powers = LogFormatterSciNotation(minor_thresholds=(np.inf, np.inf))
    axis.set_major_formatter((lambda size, _: exactly(size)) if plain else in_powers)
    axis.set_minor_formatter(NullFormatter())


def span(ax: "Axes", interval: Sequence[float] | np.ndarray, **style: Any) -> None:
    """Shade an interval of x within the limits of the axis; nothing where it is unknown."""
    low, high = np.clip(interval, *ax.get_xlim())
    if low < high:
        ax.axvspan(low, high, **{"lw": 0, "zorder": 0} | style)


def bars(
    value: Sequence | np.ndarray, interval: Sequence | np.ndarray, low: float = -np.inf, high: float = np.inf
) -> Float[np.ndarray, "2 *shape"]:
    """Lengths [2, ...] of error bars from values [...] to the ends of their intervals [..., 2], up to low and high."""
    ends = np.clip(np.moveaxis(np.asarray(interval, float), -1, 0), low, high)
    return np.maximum((ends - np.asarray(value, float)) * np.reshape([-1, 1], (2, *[1] * np.ndim(value))), 0)


def save(figure: "Figure", path: str | Path) -> None:
    """Write a figure in the format of its path's ending: PNG with 200 dots per inch, or PDF with its fonts in it.

    Args:
        figure: The figure.
        path: The file, in a folder that exists.
    """
    import matplotlib as mpl

    dated = {"CreationDate": None} if Path(path).suffix == ".pdf" else None
    with mpl.rc_context({"pdf.fonttype": 42}):
        figure.savefig(path, dpi=DPI, metadata=dated)


def rendered(figure: "Figure") -> bytes:
    """Render a figure as PNG.

    Args:
        figure: The figure.

    Returns:
        The bytes of the image.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def save_all(figures: Mapping[str, "Figure"], folder: str | Path) -> dict[str, bytes]:
    """Write every figure as NAME.png and NAME.pdf.

    Args:
        figures: Figures by name.
        folder: A folder that exists.

    Returns:
        The PNG images by name.
    """
    images = {}
    for name, figure in figures.items():
        images[name] = rendered(figure)
        (Path(folder) / f"{name}.png").write_bytes(images[name])
        # Rendering has laid out the figure already, and the layout takes as long as the drawing.
        figure.set_layout_engine("none")
        save(figure, Path(folder) / f"{name}.pdf")
    return images


def colors(count: int) -> list[Any]:
    """Colors in order of size, distinct for the color-blind and on white."""
    from matplotlib import colormaps

    return (
        [colormaps["plasma"](place) for place in np.linspace(0.05, 0.62, count)] if count > 1 else ["#0b5394"][:count]
    )


def edges(centers: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Edges of cells, midway between their centers in the logarithm."""
    log = np.log(centers)
    middle = (log[1:] + log[:-1]) / 2
    return np.exp(np.concatenate([[2 * log[0] - middle[0]], middle, [2 * log[-1] - middle[-1]]]))
