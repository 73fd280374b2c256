"""The pieces of a curve that was cut where it changes, and how probable a break is at each place."""

import itertools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import ArrayLike, Float

from jaxphase.analysis import Analysis
from jaxphase.detect import Segmentation
from jaxphase.errors import InputError
from jaxphase.plots.curve_panels import draw_seeds
from jaxphase.plots.fits import SHADE, half_width, shade
from jaxphase.plots.measured import findings_on, named, one_by_one, size_axis, sizes_of, values_of
from jaxphase.plots.style import key, panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FULL = 0.25  # of the height of a panel, that a probability of 1 has
_DEGREES = {"constant": 0, "linear": 1}
_ALONG = 33  # places along a piece at which its band is drawn


def breaks(analysis: Analysis, metric: str, *, ax: "Axes | None" = None) -> "Axes":
    """Draw a metric against size in pieces of one level, as `detect.segment` cut it, a color for each group.

    Each piece has its 95 % band, given the breaks. The shaded area at the bottom shows the posterior probability of a
    break between two sizes; a quarter of the height of the panel is a probability of 1.

    Args:
        analysis: The analysis.
        metric: One of its metrics.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: If the analysis does not have the metric.
    """
    findings = findings_on(analysis, metric)
    sizes, data = sizes_of(analysis), analysis.dataset
    with panel(ax, 5.4, 3.8) as axes:
        size_axis(axes, data)
        for finding, color, name in one_by_one(analysis, findings):
            found = finding.detectors.get("segment")
            if found is None:
                raise InputError(f"the finding on {metric} has no segmentation: analyze the curves again.")
            values = values_of(analysis, finding)
            draw_seeds(axes, sizes, values, color, name)
            x = np.tile(sizes, values.shape[1])
            _pieces(axes, found, x, values.T.ravel(), color=color, log=True)
        title, unit = named(data, metric)
        axes.set_title(title, loc="left", fontweight="bold")
        axes.set_ylabel(unit)
        _keys(axes)
    return axes


def segments(
    found: Segmentation,
    x: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    cost: Literal["constant", "linear"] = "constant",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw one curve, the pieces into which `detect.segment` cut it, and its breaks; bands and area are as in `breaks`.

    Args:
        found: `detect.segment(x, y, weight=weight, cost=cost)` of one curve.
        x: Positions, `[n]`.
        y: Values, `[n]`.
        weight: Relative inverse variances, `[n]`.
        cost: The kind of piece.
        ax: The Axes to draw in, by default those of a new figure in our style.

    Returns:
        The Axes.

    Raises:
        InputError: For several curves at once, or a segmentation without an answer.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if np.ndim(found.status) or x.ndim != 1 or x.shape != y.shape:
        raise InputError(
            f"x {x.shape}, y {y.shape} and the segmentation {np.shape(found.status)} are not of one curve: give one "
            "curve [n] and its own segmentation."
        )
    if found.n_breaks < 0:
        raise InputError(f"the segmentation has no answer (status {int(found.status)}): it takes more points.")
    with panel(ax, 4.8, 3.4) as axes:
        axes.plot(x, y, "o", ms=3, mew=0, color="0.5", zorder=2)
        _pieces(axes, found, x, y, color="#0b5394", weight=weight, degree=_DEGREES[cost])
        _keys(axes, color="#0b5394")
        axes.set(xlabel="x", ylabel="y")
    return axes


def _pieces(
    ax: "Axes",
    found: Segmentation,
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    *,
    color: Any,
    log: bool = False,
    weight: ArrayLike | None = None,
    degree: int = 0,
) -> None:
    """Draw the level or line of each piece, and the probabilities of breaks; with `log` breaks are log10 of x."""
    from matplotlib.patches import StepPatch

    count, probability = int(found.n_breaks), np.asarray(found.break_probability, float)
    weight = np.ones_like(y) if weight is None else np.asarray(weight, float)
    present = np.isfinite(x) & np.isfinite(y) & (weight > 0)
    ends = np.unique(x[present])
    if np.isfinite(probability[present]).any():
        between = [_FULL * np.nanmax(probability[present & (x == end)]) for end in ends[:-1]]
        area = {"fill": True, "color": color, "alpha": 0.3, "lw": 0, "zorder": 1}
        # Not `Axes.stairs`, which would have the y of the data begin at 0.
        ax.add_patch(StepPatch(between, ends, transform=ax.get_xaxis_transform(), **area))
    if count < 0:
        return
    places = np.asarray(found.breaks, float)[count, :count]
    cut = np.array([ends[0], *(10**places if log else places), ends[-1]])
    root, piece = np.sqrt(weight[present]), np.searchsorted(cut[1:-1], x[present])  # breaks lie between points
    columns, values = root[:, None] * _columns(x[present], piece, cut, degree), root * y[present]
    best = np.linalg.lstsq(columns, values)[0]
    for i, (low, high) in enumerate(itertools.pairwise(cut)):
        along = np.linspace(low, high, _ALONG)
        wanted = _columns(along, np.full(_ALONG, i), cut, degree)
        level, half = wanted @ best, half_width(columns, wanted, values - columns @ best)
        ax.plot(along[[0, -1]], level[[0, -1]], color=color, lw=1.6, zorder=3, solid_capstyle="butt")
        shade(ax, along, level - half, level + half, color)
    for place in cut[1:-1]:
        ax.axvline(place, color=color, lw=1, ls=":", zorder=1)


def _columns(
    x: Float[np.ndarray, " n"], piece: np.ndarray, cut: Float[np.ndarray, " ends"], degree: int
) -> Float[np.ndarray, "n columns"]:
    """The powers of x up to a degree in the columns of the piece that x is in, zero in those of the others."""
    power = ((x - cut[0]) / (cut[-1] - cut[0]))[:, None, None] ** np.arange(degree + 1)
    return np.where(piece[:, None, None] == np.arange(len(cut) - 1)[:, None], power, 0).reshape(len(x), -1)


def _keys(ax: "Axes", color: str = "0.4") -> None:
    """The legend of pieces and breaks."""
    key(ax, "pieces", lw=1.6, color=color)
    key(ax, "95 % band of the pieces", lw=6, alpha=SHADE, color=color)
    key(ax, "break", lw=1, ls=":", color=color)
    key(ax, "probability of a break (quarter height: 1)", lw=6, alpha=0.3, color=color)
