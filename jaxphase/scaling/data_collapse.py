"""Do curves of several sizes fall on one another when they are scaled, A = L**exponent f((g - critical) L**(1/nu))?

A transition sharpens with size, so its curves collapse with 1/nu > 0; the curves of a crossover do not. The fit is
repeated in parts of the data (see `windows`), because the statistical errors of one fit do not cover its bias.
"""

import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt
from jaxtyping import Array, Float, Key

from jaxphase.scaling import master_curve
from jaxphase.scaling.quality import Table, quality, starts
from jaxphase.scaling.windows import (
    LEAST_POINTS,
    LEAST_SIZES,
    Windows,
    drift,
    fit_many,
    over_windows,
    repeated,
    resampled,
)


class CollapseKind(IntEnum):
    """Whether curves of several sizes fall on one, and sharpen."""

    TRANSITION = 0
    CROSSOVER = 1
    NO_COLLAPSE = 2
    NOT_ENOUGH_DATA = 3


STARTS = 12
POINTS_MULTIPLE = 64
# Standard errors by which 1/nu must exceed zero. More than 2, because without a critical point the fit still picks the
# best of all places.
SHARPENS = 3.0
MISFIT = 2.0  # largest chi-squared per degree of freedom of a collapse


class Collapse(NamedTuple):
    """A collapse `A = size**exponent f((control - critical) size**inverse_nu)`; every number is NaN without an answer.

    Attributes:
        kind: `CollapseKind`; see `collapse`.
        critical: Critical control.
        critical_se: Its statistical standard error.
        critical_sys: Its systematic standard error.
        critical_interval: Its 95 % interval from both errors, `[2]`.
        inverse_nu: 1/nu, with errors and interval as above.
        nu: Its reciprocal, with errors and interval as above; the interval has no upper end where 1/nu may be 0.
        exponent: Power of the size itself, `[observables]`, with errors `[observables]` and interval
            `[observables, 2]`: -beta/nu of a magnetization, gamma/nu of a susceptibility.
        covariance: Statistical and systematic covariance of (critical, inverse_nu, *exponent).
        quality: Quality S of Houdayer & Hartmann of all points, near 1 for a collapse.
        coverage: Share of the points that enter S.
        chi2_per_dof: Chi-squared per degree of freedom of the window with the largest weight.
        windows: The fits whose average is the answer.
    """

    kind: CollapseKind
    critical: float
    critical_se: float
    critical_sys: float
    critical_interval: Float[np.ndarray, "2"]
    inverse_nu: float
    inverse_nu_se: float
    inverse_nu_sys: float
    inverse_nu_interval: Float[np.ndarray, "2"]
    nu: float
    nu_se: float
    nu_sys: float
    nu_interval: Float[np.ndarray, "2"]
    exponent: Float[np.ndarray, " observables"]
    exponent_se: Float[np.ndarray, " observables"]
    exponent_sys: Float[np.ndarray, " observables"]
    exponent_interval: Float[np.ndarray, "observables 2"]
    covariance: Float[np.ndarray, "p p"]
    quality: float
    coverage: float
    chi2_per_dof: float
    windows: Windows

    def exponents(self, *names: str) -> tuple[dict[str, float], Float[np.ndarray, "k k"]]:
        """Exponents by name and their covariance, as `identify_universality_class` takes them.

        Args:
            *names: A name for the exponent of every observable, such as "beta/nu" or "gamma/nu". The sign of an
                exponent whose name begins with "beta" is reversed.

        Returns:
            The exponents, "1/nu" first, and their covariance, `[1 + observables, 1 + observables]`.
        """
        sign = np.array([1, *(-1 if name.startswith("beta") else 1 for name in names)])
        values = sign * [self.inverse_nu, *self.exponent]
        return dict(zip(("1/nu", *names), values.tolist(), strict=True)), self.covariance[1:, 1:] * np.outer(sign, sign)


def collapse(
    size: npt.ArrayLike,
    control: npt.ArrayLike,
    value: npt.ArrayLike,
    error: npt.ArrayLike | None = None,
    *,
    observable: npt.ArrayLike | None = None,
    critical: float | None = None,
    nu: float | None = None,
    exponent: npt.ArrayLike | None = None,
    corrections: bool = False,
    resamples: int = 0,
    key: Key[Array, ""] | None = None,
) -> Collapse:
    """Find the critical control and the exponents for which curves of several sizes fall on one.

    Measurements that are not finite are left out. Error rates: see the page "Transition or crossover?".

    Args:
        size: Size, `[points]`.
        control: Control, `[points]`; for numbers of parameters or samples their logarithm.
        value: Measured value, `[points]`.
        error: Standard error, `[points]`; by default the scatter about the collapse.
        observable: Integers from 0, `[points]`, if several share critical and nu.
        critical: Fixed critical control.
        nu: Fixed nu.
        exponent: Fixed exponents, one or `[observables]`, NaN where free; 0 for a Binder cumulant.
        corrections: Whether to add `size**-omega` times a second curve.
        resamples: Number of refits for the covariance; 0 takes the curvature.
        key: Key of the refits.

    Returns:
        A `Collapse`, computed on the host in double precision. Its kind is TRANSITION if curves collapse and sharpen;
        CROSSOVER if 1/nu exceeds 0 by less than three errors; NO_COLLAPSE if chi-squared exceeds twice its degrees of
        freedom, critical lies outside the controls, or no fit has an optimum (all NaN); NOT_ENOUGH_DATA, all NaN, for
        fewer than 12 points or three sizes over a factor of 2.

    Raises:
        ValueError: If shapes differ, a size is not positive or an error is negative.

    Example:
        >>> found = jaxphase.scaling.collapse(size, control, value, error)
        >>> found.kind.name, found.critical, found.inverse_nu_interval
    """
    columns = _columns(size, control, value, error, observable)
    observables = int(columns["observable"].max(initial=0)) + 1
    sizes = np.unique(columns["size"])
    if len(sizes) < LEAST_SIZES or sizes[-1] < 2 * sizes[0] or len(columns["size"]) < LEAST_POINTS:
        return _no_answer(observables, CollapseKind.NOT_ENOUGH_DATA)
    fixed = {name: float(held) for name, held in (("critical", critical), ("nu", nu)) if held is not None}
    held = np.broadcast_to(np.asarray(np.nan if exponent is None else exponent, float), observables)
    random = np.random.default_rng(0 if key is None else np.asarray(jax.random.key_data(key)))
    with jax.enable_x64(True):
        return _collapse(columns, fixed, held, corrections, resamples, random)


def _collapse(
    columns: Mapping[str, Float[np.ndarray, " points"]],
    fixed: dict[str, float],
    exponent: Float[np.ndarray, " observables"],
    corrections: bool,
    resamples: int,
    random: np.random.Generator,
) -> Collapse:
    """The collapse of enough rows; `exponent` is NaN where it is free."""
    rows, units = _in_units(columns, len(exponent))
    if "critical" in fixed:
        fixed["critical"] = (fixed["critical"] - units.center) / units.half
    if "nu" in fixed:
        fixed["inverse_nu"] = 1 / fixed.pop("nu")
    tables = _tables(rows)
    begun = _begin(*starts(tables, fixed, exponent, STARTS), corrections)
    held = ["critical" in fixed, "inverse_nu" in fixed, *np.isfinite(exponent)]
    parameters = sum(leaf[0].size for leaf in jax.tree.leaves(begun))
    free = tuple(i for i in range(parameters) if i >= len(held) or not held[i])

    fits = fit_many(begun, free, rows, repeated(rows.weight, len(begun.critical)))
    chosen = np.argmin(np.where(np.isnan(fits.loss), np.inf, fits.loss))
    best = jax.tree.map(lambda leaf: leaf[chosen], fits)
    if not np.any(columns["error"]):
        rows = rows._replace(error=np.exp(best.theta.curve.log_jitter)[:, None] * np.ones_like(rows.error))
    windows, covariances, fits = over_windows(best.theta, free, rows)
    if not windows.weight.any():
        return _no_answer(len(exponent), CollapseKind.NO_COLLAPSE)
    statistical = np.einsum("w,wij->ij", windows.weight, np.where(np.isfinite(covariances), covariances, 0))
    if resamples:
        heaviest = jax.tree.map(lambda leaf: leaf[np.argmax(windows.weight)], fits)
        statistical = resampled(heaviest, free, rows, resamples, random)
    return _average(windows, covariances, statistical, units, tables)


class _Units(NamedTuple):
    """Middle of the control and half of its range."""

    center: float
    half: float


def _columns(
    size: npt.ArrayLike,
    control: npt.ArrayLike,
    value: npt.ArrayLike,
    error: npt.ArrayLike | None,
    observable: npt.ArrayLike | None,
) -> dict[str, Float[np.ndarray, " points"]]:
    """Finite rows, in rising order of the control."""
    given = {"size": size, "control": control, "value": value, "error": error, "observable": observable}
    columns = {
        name: np.zeros(np.shape(value)) if column is None else np.asarray(column, float)
        for name, column in given.items()
    }
    shapes = {name: column.shape for name, column in columns.items()}
    if len(set(shapes.values())) > 1 or columns["size"].ndim != 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"The columns must have one shape [points], got {listed}")
    present = np.all([np.isfinite(column) for column in columns.values()], axis=0)
    if np.any(columns["size"][present] <= 0):
        raise ValueError(f"size must be positive, got {columns['size'][present].min():g}")
    if np.any(columns["error"][present] < 0):
        raise ValueError(f"error must not be negative, got {columns['error'][present].min():g}")
    order = np.lexsort([columns["control"], columns["size"]])
    return {name: column[order][present[order]] for name, column in columns.items()}


def _in_units(
    columns: Mapping[str, Float[np.ndarray, " points"]], observables: int
) -> tuple[master_curve.Rows, _Units]:
    """Rows in units of order one, and these units."""
    low, high = columns["control"].min(), columns["control"].max()
    which = columns["observable"].astype(int)
    largest = np.array([np.max(np.abs(columns["value"][which == k]), initial=0) for k in range(observables)])
    scale = np.where(largest > 0, largest, 1)
    units = _Units((low + high) / 2, (high - low) / 2 or 1.0)
    columns = {
        "log_size": np.log(columns["size"] / columns["size"].max()),
        "control": (columns["control"] - units.center) / units.half,
        "value": columns["value"] / scale[which],
        "error": columns["error"] / scale[which],
        "weight": np.ones(len(which)),
    }
    # Padded with points of no weight, so that one program serves many sets of rows.
    length = -(-np.bincount(which).max() // POINTS_MULTIPLE) * POINTS_MULTIPLE
    filled = {name: np.full((observables, length), float(name == "error")) for name in columns}
    for k in range(observables):
        for name, column in columns.items():
            filled[name][k, : np.sum(which == k)] = column[which == k]
    return master_curve.Rows(**filled), units


def _tables(rows: master_curve.Rows) -> Table:
    """The rows of every observable, `[observables, sizes, points]`, padded with points at an infinite control."""
    log_sizes, control, value, error, weight = map(np.asarray, rows)
    present = weight > 0
    sizes = np.unique(log_sizes[present])
    cells = [[here & (log_size == size) for size in sizes] for here, log_size in zip(present, log_sizes, strict=True)]
    width = max(cell.sum() for row in cells for cell in row)

    def table(column, filler):
        full = np.full((len(cells), len(sizes), width), filler)
        for k, row in enumerate(cells):
            for i, cell in enumerate(row):
                full[k, i, : cell.sum()] = column[k][cell]
        return full

    # Without errors all points have the same weight.
    error = np.where(error > 0, error, 0.01)
    log_size = np.tile(sizes, (len(cells), 1))
    return Table(log_size, table(control, np.inf), table(value, 0.0), table(error, 1.0))


def _begin(
    critical: Float[np.ndarray, " starts"],
    inverse_nu: Float[np.ndarray, " starts"],
    exponent: Float[np.ndarray, "starts observables"],
    corrections: bool,
) -> master_curve.Theta:
    """Where the fits start, `[starts, ...]`."""
    like = np.zeros_like(exponent)
    curve = master_curve.Curve(exponent, like - 0.5, like - 1.5, like - 1.0, like - 5.0)
    return master_curve.Theta(critical, inverse_nu, curve, np.zeros(len(critical)) if corrections else None)


def _average(
    windows: Windows,
    covariances: Float[np.ndarray, "windows p p"],
    statistical: Float[np.ndarray, "p p"],
    units: _Units,
    tables: Table,
) -> Collapse:
    """The average over all windows in the caller's units, with its errors and its kind."""
    observables = windows.exponent.shape[1]
    answers = np.column_stack([windows.critical, windows.inverse_nu, windows.exponent])
    weight, used = windows.weight[:, None], windows.weight > 0
    to_units = np.array([units.half, *np.ones(1 + observables)])
    mean = np.sum(answers[used] * weight[used], axis=0)
    away = (answers[used] - mean) * to_units
    statistical = statistical * np.outer(to_units, to_units)
    systematic = np.einsum("w,wi,wj->ij", windows.weight[used], away, away)
    systematic += drift(answers, covariances, windows, mean, np.asarray(np.exp(tables.log_size[0]))) * np.outer(
        to_units, to_units
    )
    covariance = statistical + systematic

    quality_of, coverage = (np.mean(part) for part in _qualities(tables, *mean[:2], mean[2:]))
    heaviest = np.argmax(windows.weight)
    chi2 = windows.chi2[heaviest] / windows.dof[heaviest]
    center = mean * to_units + np.array([units.center, *np.zeros(1 + observables)])
    se, sys, both = (np.sqrt(np.diagonal(part)) for part in (statistical, systematic, covariance))
    interval = center[:, None] + 1.96 * both[:, None] * np.array([-1, 1])
    return Collapse(
        kind=_kind(mean, both / to_units, chi2),
        critical=float(center[0]),
        critical_se=float(se[0]),
        critical_sys=float(sys[0]),
        critical_interval=interval[0],
        inverse_nu=float(center[1]),
        inverse_nu_se=float(se[1]),
        inverse_nu_sys=float(sys[1]),
        inverse_nu_interval=interval[1],
        nu=1 / float(center[1]),
        nu_se=float(se[1] / center[1] ** 2),
        nu_sys=float(sys[1] / center[1] ** 2),
        nu_interval=_reciprocal(interval[1]),
        exponent=center[2:],
        exponent_se=se[2:],
        exponent_sys=sys[2:],
        exponent_interval=interval[2:],
        covariance=covariance,
        quality=float(quality_of),
        coverage=float(coverage),
        chi2_per_dof=float(chi2),
        windows=windows._replace(
            critical=windows.critical * units.half + units.center, critical_se=windows.critical_se * units.half
        ),
    )


def _reciprocal(interval: Float[np.ndarray, "2"]) -> Float[np.ndarray, "2"]:
    """The interval of nu from that of 1/nu; infinite above where the latter reaches zero."""
    low, high = interval
    return np.array([1 / high if high > 0 else np.nan, 1 / low if low > 0 else np.inf])


_qualities = jax.jit(jax.vmap(quality, (0, None, None, 0)))


def _kind(mean: Float[np.ndarray, " p"], error: Float[np.ndarray, " p"], chi2_per_dof: float) -> CollapseKind:
    """The verdict on an answer in the units of the rows."""
    if chi2_per_dof > MISFIT:
        return CollapseKind.NO_COLLAPSE
    if not mean[1] > SHARPENS * error[1] and error[1] > 0:
        return CollapseKind.CROSSOVER
    return CollapseKind.TRANSITION if abs(mean[0]) <= 1 else CollapseKind.NO_COLLAPSE


def _no_answer(observables: int, kind: CollapseKind) -> Collapse:
    """A result of this kind without numbers."""
    shapes = {"exponent_interval": (observables, 2), "covariance": (2 + observables, 2 + observables)}
    shapes |= dict.fromkeys(("exponent", "exponent_se", "exponent_sys"), (observables,))
    shapes |= dict.fromkeys(("critical_interval", "inverse_nu_interval", "nu_interval"), (2,))
    fields: dict[str, Any] = dict.fromkeys(Collapse._fields, math.nan)
    fields |= {name: np.full(shape, np.nan) for name, shape in shapes.items()}
    return Collapse(**fields | {"kind": kind, "windows": Windows(*[np.zeros(0)] * len(Windows._fields))})
