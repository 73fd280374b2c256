"""Hysteresis: whether a system remembers from which side its control came, as it does at a first-order transition.

There are two branches over the same controls: one with the control rising and one with it falling, or one from the
ordered and one from the disordered start. At a first-order transition each branch stays in its phase up to its own
spinodal.

The width of the loop is the area between the mean branches over the height of the change,
`integral of (up - down) / (first - last)`. Here first and last are the means of both branches at the lowest and the
highest control, which should lie outside the loop.
"""

from typing import NamedTuple

import jax
import numpy as np
import numpy.typing as npt
from jaxtyping import Array, Bool, Float, Key
from scipy.special import stdtrit

from jaxphase.detect.status import Status

LEAST_SEEDS = 4
LEAST_CONTROLS = 3
DRAWS = 1999
LEVEL = 0.05  # probability of a false difference of the branches, over all controls together


class Hysteresis(NamedTuple):
    """The loop between two branches.

    Attributes:
        width: How far the rising branch lags, in units of the control; negative if it runs ahead. Between level
            branches this is the distance of the jumps.
        width_se: Its standard error, from a jackknife over seeds.
        interval: Its 95 % interval, with Student's t, `[2]`.
        p_value: p-value of a loop no wider than the tolerance.
        low: Lowest control at which the branches differ, at 5 % for all controls together: about a spinodal. NaN unless
            p_value is below 0.05.
        high: Highest such control.
        status: `Status`; see `hysteresis`.
    """

    width: float
    width_se: float
    interval: Float[np.ndarray, "2"]
    p_value: float
    low: float
    high: float
    status: Status


def hysteresis(
    control: npt.ArrayLike,
    up: npt.ArrayLike,
    down: npt.ArrayLike,
    *,
    tolerance: float | None = None,
    key: Key[Array, ""] | None = None,
) -> Hysteresis:
    """Measure the loop of an observable between a rising and a falling control.

    The width is in units of the control; the p-value comes from exchanging seeds between the branches. A continuous
    transition lags too where the control moves faster than the system relaxes: let the system come to rest, or compare
    two speeds. Error rates: see the page "Transition or crossover?".

    Args:
        control: Control, `[controls]`, in any order; the lowest and the highest should lie outside the loop.
        up: Observable while the control rises, `[controls, seeds]`. A value that is not finite is replaced by the mean
            of its branch there; a control without values in a branch is left out.
        down: Observable while it falls, `[controls, seeds]`; the number of seeds may differ.
        tolerance: Widest loop that counts as none; by default a tenth of the mean distance of two controls.
        key: Key of the exchanges.

    Returns:
        A `Hysteresis`, computed on the host. The status is NOT_IDENTIFIED, with width NaN, if the observable does not
        differ between the lowest and the highest control, and TOO_FEW_POINTS, with NaN, for fewer than four seeds in a
        branch or three controls.

    Raises:
        ValueError: If the shapes do not match.

    Example:
        >>> loop = jaxphase.scaling.hysteresis(control, up, down)
        >>> loop.width, loop.interval, loop.p_value
    """
    control, up, down = (np.asarray(values, float) for values in (control, up, down))
    if control.ndim != 1 or any(branch.ndim != 2 or len(branch) != len(control) for branch in (up, down)):
        shapes = f"got {up.shape} and {down.shape} with control {control.shape}"
        raise ValueError(f"up and down must be [controls, seeds], {shapes}")
    there = np.isfinite(up).any(axis=1) & np.isfinite(down).any(axis=1) & np.isfinite(control)
    order = np.flatnonzero(there)[np.argsort(control[there])]
    control, up, down = control[order], _filled(up[order]), _filled(down[order])
    if len(control) < LEAST_CONTROLS or min(up.shape[1], down.shape[1]) < LEAST_SEEDS:
        return Hysteresis(np.nan, np.nan, np.full(2, np.nan), np.nan, np.nan, np.nan, Status.TOO_FEW_POINTS)

    gaps = np.diff(control)
    length = (np.append(gaps, 0) + np.append(0, gaps)) / 2
    (area, height), (_, height_se, width_se) = _jackknife(length, up, down)
    lag = abs(height) * (gaps.mean() / 10 if tolerance is None else tolerance)
    random = np.random.default_rng(0 if key is None else np.asarray(jax.random.key_data(key)))
    p_value, apart = _exchanged(length * np.sign(height), up, down, lag, random)
    low, high = control[apart][[0, -1]] if p_value < LEVEL and apart.any() else (np.nan, np.nan)
    dof = min(up.shape[1], down.shape[1]) - 1
    reach = stdtrit(dof, 0.975)
    known = abs(height) > reach * height_se
    width, width_se = (area / height, width_se) if known else (np.nan, np.nan)
    interval = width + reach * width_se * np.array([-1, 1])
    return Hysteresis(width, width_se, interval, p_value, low, high, Status.OK if known else Status.NOT_IDENTIFIED)


def _filled(branch: Float[np.ndarray, "controls seeds"]) -> Float[np.ndarray, "controls present"]:
    """Values with the mean of each control where one is missing, without the seeds that have none."""
    branch = branch[:, np.isfinite(branch).any(axis=0)]
    there = np.isfinite(branch)
    mean = np.where(there, branch, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.where(there, branch, mean[:, None])


def _jackknife(
    length: Float[np.ndarray, " controls"], up: Float[np.ndarray, "controls n"], down: Float[np.ndarray, "controls m"]
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "3"]]:
    """Area and height, and the standard errors of both and of their quotient, leaving out one seed at a time."""

    def measured(up, down):
        """Area and height of mean branches `[controls, ...]`."""
        both = (up + down) / 2
        return np.stack([length @ (up - down), both[0] - both[-1]])

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
    length: Float[np.ndarray, " controls"],
    up: Float[np.ndarray, "controls n"],
    down: Float[np.ndarray, "controls m"],
    tolerance: float,
    random: np.random.Generator,
) -> tuple[float, Bool[np.ndarray, " controls"]]:
    """p-value of an area no larger than the tolerance, and where the branches differ, by exchanging seeds at random."""
    values, n = np.concatenate([up, down], axis=1), up.shape[1]
    scatter = values.std(axis=1)
    unit = np.where(scatter > 0, scatter, 1)
    first = np.arange(values.shape[1]) < n
    labels = np.stack([first, *(random.permutation(first) for _ in range(DRAWS))])
    share = labels / n - ~labels / (values.shape[1] - n)  # [1 + draws, seeds]; row 0 has the true branches
    lag = share @ (length @ values - tolerance * first)
    p_value = np.mean(lag >= lag[0] - 1e-9 * np.abs(lag).max())
    largest = np.max(np.abs(share @ values.T) / unit, axis=1)
    bound = np.sort(largest)[-int(LEVEL * len(largest)) - 1]
    return float(p_value), np.abs(share[0] @ values.T) / unit > bound
