"""Hysteresis: whether a system remembers from which side its control came, as it does at a first-order transition.

Two branches over the same controls, one with the control rising and one with it falling, or one from the ordered and
one from the disordered start. At a first-order transition each stays in its phase up to its own spinodal.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from jaxphase.detect.status import NOT_IDENTIFIED, OK, TOO_FEW_POINTS

LEAST_SEEDS = 4
LEAST_CONTROLS = 3
DRAWS = 1999
LEVEL = 0.05  # of a false difference of the branches, over all controls together


class Hysteresis(NamedTuple):
    """The loop between two branches; see `hysteresis`."""

    width: float
    width_se: float
    interval: np.ndarray  # [2]
    p_value: float
    low: float
    high: float
    status: int


def hysteresis(control, up, down, *, least: float | None = None, seed: int = 0) -> Hysteresis:
    """Judge an observable while the control rises, up [controls, seeds], and while it falls, down [controls, seeds].

    width is by how much up lags behind down in the control: the area between the means of the branches over the height
    of the change, `integral of (up - down) / (first - last)`, first and last being the means of both branches at the
    lowest and the highest control, which should be outside of the loop. It is the distance of the jumps if the branches
    are level before and after, and negative if up runs ahead. width_se is that of a jackknife over seeds, the interval
    (95 %) has Student's t. p_value: of a lag of at most `least`, from exchanging seeds between the branches 1,999
    times, drawn with `seed`; least is a tenth of the distance of two controls if None, as a system that is nearly at
    rest lags a little. low, high: if p_value is below 0.05 the outermost controls at which the branches differ, at 5 %
    for all controls together: about the spinodals, for systems that jump there; else NaN.

    A continuous transition lags too where the control moves faster than the system relaxes, by less the slower it
    moves: let it rest, or compare two speeds. A value that is not finite counts as the mean of its branch there, a
    control without values in a branch is left out. status 2: first and last are the same, the width is NaN; 3, all NaN:
    fewer than four seeds in a branch or three controls. Raises ValueError for shapes that do not match.

    Of 400 steep loops with 4, 8 and 16 seeds (41 controls, width 0.2, jumps that scatter by 0.03) the interval held
    98.5, 98.5 and 95.5 % of the widths, and p_value was always below 0.05; of 400 pairs without a loop it was in 2.8,
    3.0 and 4.2 %, and of 400 loops of a width of 0.02, less than that scatter, in 13, 26 and 47 %.
    """
    control, up, down = (np.asarray(values, float) for values in (control, up, down))
    if control.ndim != 1 or any(branch.ndim != 2 or len(branch) != len(control) for branch in (up, down)):
        shapes = f"got {up.shape} and {down.shape} with control {control.shape}"
        raise ValueError(f"up and down must be [controls, seeds], {shapes}")
    there = np.isfinite(up).any(axis=1) & np.isfinite(down).any(axis=1) & np.isfinite(control)
    order = np.flatnonzero(there)[np.argsort(control[there])]
    control, up, down = control[order], _filled(up[order]), _filled(down[order])
    if len(control) < LEAST_CONTROLS or min(up.shape[1], down.shape[1]) < LEAST_SEEDS:
        return Hysteresis(np.nan, np.nan, np.full(2, np.nan), np.nan, np.nan, np.nan, TOO_FEW_POINTS)

    gaps = np.diff(control)
    length = (np.append(gaps, 0) + np.append(0, gaps)) / 2
    (area, height), (_, height_se, width_se) = _jackknife(length, up, down)
    least = gaps.mean() / 10 if least is None else least
    p_value, apart = _exchanged(length * np.sign(height), up, down, least * abs(height), np.random.default_rng(seed))
    low, high = control[apart][[0, -1]] if p_value < LEVEL and apart.any() else (np.nan, np.nan)
    dof = min(up.shape[1], down.shape[1]) - 1
    reach = stdtrit(dof, 0.975)
    known = abs(height) > reach * height_se
    width, width_se = (area / height, width_se) if known else (np.nan, np.nan)
    interval = width + reach * width_se * np.array([-1, 1])
    return Hysteresis(width, width_se, interval, p_value, low, high, OK if known else NOT_IDENTIFIED)


def _filled(branch: np.ndarray) -> np.ndarray:
    """Values [controls, seeds] with the mean of each control where one is missing, seeds without any left out."""
    branch = branch[:, np.isfinite(branch).any(axis=0)]
    there = np.isfinite(branch)
    mean = np.where(there, branch, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.where(there, branch, mean[:, None])


def _jackknife(length: np.ndarray, up: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area and height, and the standard errors of these and of their quotient, from leaving out one seed at a time."""

    def measured(up, down):
        both = (up + down) / 2
        return np.stack([length @ (up - down), both[0] - both[-1]])  # of mean branches [controls, ...]

    means = [branch.mean(axis=1, keepdims=True) for branch in (up, down)]
    variance = np.zeros(3)
    for i, branch in enumerate((up, down)):
        n = branch.shape[1]
        without = [mean + (mean - branch) / (n - 1) if i == j else mean for j, mean in enumerate(means)]
        area, height = measured(*without)
        quotient = area / np.where(height == 0, np.nan, height)
        variance += (n - 1) ** 2 / n * np.var([area, height, quotient], axis=1, ddof=1)  # (n - 1) / n * sum of squares
    return measured(*means)[:, 0], np.sqrt(variance)


def _exchanged(
    length: np.ndarray, up: np.ndarray, down: np.ndarray, least: float, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """p-value of an area of at most `least`, and at which controls [controls] the branches differ, when seeds are
    exchanged by lot."""
    values, n = np.concatenate([up, down], axis=1), up.shape[1]
    scatter = values.std(axis=1)
    unit = np.where(scatter > 0, scatter, 1)
    first = np.arange(values.shape[1]) < n
    labels = np.stack([first, *(rng.permutation(first) for _ in range(DRAWS))])
    share = labels / n - ~labels / (values.shape[1] - n)  # [1 + draws, seeds], the branches as they are first
    lag = share @ (length @ values - least * first)
    p_value = np.mean(lag >= lag[0] - 1e-9 * np.abs(lag).max())
    largest = np.max(np.abs(share @ values.T) / unit, axis=1)
    bound = np.sort(largest)[-int(LEVEL * len(largest)) - 1]
    return float(p_value), np.abs(share[0] @ values.T) / unit > bound
