"""What to measure next: the sweep that narrows an interval of prediction most for the floating-point operations."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxphase.errors import InputError

from .critical import CriticalModel, Prediction, columns_of, critical_size, predictive, rows_of
from .measurements import standard_errors
from .pooling import normals, quantile

FLOPS = 6  # per parameter and number (token) of training data, forward and backward
MARGIN = 10**0.5  # sizes reach half a decade beyond the interval, so that both sides of a transition are seen
ADAM_BYTES = 16  # per parameter: weight, gradient and two moments in float32


class Recommendation(NamedTuple):
    """A sweep worth running: models of `sizes` parameters, `seeds` of each, at one condition.

    flops it costs. decades and decades_after: width of the target's 95 % interval before and, expected, after it.
    memory: bytes of the largest model with its gradient and Adam's moments, without activations.
    """

    family: str
    objective: str
    data_size: float | None
    data_complexity: float | None
    sizes: tuple[int, ...]
    seeds: int
    flops: float
    decades: float
    decades_after: float
    memory: float
    prior: str


def recommend(
    model: CriticalModel,
    target: Prediction,
    *,
    families: Sequence[str] | None = None,
    objectives: Sequence[str] | None = None,
    data_sizes: Sequence[float] | None = None,
    data_complexities: Sequence[float] | None = None,
    seeds: Sequence[int] = (2, 4, 8),
    seeds_so_far: int = 4,
    n_sizes: int = 8,
    passes: float = 1.0,
    max_flops: float = math.inf,
    least: float = 0.5,
    count: int = 5,
) -> tuple[Recommendation, ...]:
    """The `count` sweeps that narrow the interval of `target`, a prediction for one condition, most per operation.

    Only sweeps that narrow it by the share `least` of the most that one on offer does count: without that, the best per
    operation is mostly so small a sweep that it changes nothing.
    Candidates are all combinations of families and objectives (those measured and those of the target), data_sizes
    (four over the measured range), data_complexities (the three quartiles measured) and seeds, that cost at most
    max_flops. A candidate's sizes are n_sizes even in the logarithm over its own 95 % interval and half a decade
    beyond; it costs the sum over sizes N and seeds of `6 N D`, D being `passes` times the data size (1 where no
    measurement has one, and costs are then relative). Its standard error is taken as the median one so far times
    sqrt(seeds_so_far / seeds).

    The narrowing is exact for given standard deviations: var - cov**2 / var_new, where var_new holds the scatter and
    the error of the new measurement; what it teaches about the standard deviations themselves is left out. The target's
    own scatter about the law remains, however much is measured. Sorted, the best first.
    """
    if np.ndim(target.size):
        raise InputError(f"target has shape {np.shape(target.size)}: give a prediction for one condition.")
    for name, value in (("max_flops", max_flops), ("passes", passes)):
        if not value > 0:
            raise InputError(f"{name} is {value:g}: give a positive number.")
    terms, data = model.terms, model.measurements
    if math.isfinite(max_flops) and target.data_size is None:
        raise InputError(f"max_flops is {max_flops:g}, but no data size is known and costs are relative: leave it out.")
    names = [
        _names("families", families, terms.families, target.family),
        _names("objectives", objectives, terms.objectives, target.objective),
    ]
    numbers = [
        data_sizes or _if_known(data.data_size, np.geomspace(*terms.domain["data_size"], 4)),
        data_complexities or _if_known(data.data_complexity, _quartiles(data.data_complexity)),
    ]
    conditions = list(itertools.product(*names, *numbers))
    sizes = [_sizes(model, condition, n_sizes) for condition in conditions]
    errors = np.median(standard_errors(data)) * np.sqrt(seeds_so_far / np.array(seeds))
    before, after = _narrowing(model, target, conditions, errors)
    offers = [
        Recommendation(*condition, own, repeats, flops, before, left, ADAM_BYTES * max(own), model.prior)
        for condition, own, row in zip(conditions, sizes, after, strict=True)
        for repeats, left in zip(seeds, row.tolist(), strict=True)
        if (flops := FLOPS * sum(own) * repeats * passes * (condition[2] or 1)) <= max_flops
    ]
    most = max((offer.decades - offer.decades_after for offer in offers), default=0.0)
    worth = [offer for offer in offers if offer.decades - offer.decades_after >= least * most]
    return tuple(sorted(worth, key=lambda offer: (offer.decades_after - offer.decades) / offer.flops)[:count])


def devices_needed(
    offer: Recommendation, *, device_flops: float, device_memory: float, seconds: float, utilization: float = 0.3
) -> int:
    """Devices for a sweep in `seconds`, each with device_flops operations a second, of which a share is achieved.

        max(ceil(flops / (utilization device_flops seconds)), ceil(memory / device_memory))

    device_memory in bytes. Activations are left out, and models are taken to be split over devices without loss.
    """
    by_time = offer.flops / (utilization * device_flops * seconds)
    return max(math.ceil(by_time), math.ceil(offer.memory / device_memory))


def _names(what: str, asked: Sequence[str] | None, known: tuple[str, ...], target: str) -> list[str]:
    possible = sorted({*known, target})
    for name in asked or ():
        if name not in possible:
            raise InputError(f"{what} has {name!r}: choose from {', '.join(possible)}.")
    return list(asked or possible)


def _if_known(measured: np.ndarray, values: np.ndarray) -> list:
    """The different values, or None where no measurement has one."""
    return sorted({float(f"{value:.3g}") for value in values}) if np.isfinite(measured).all() else [None]


def _quartiles(values: np.ndarray) -> np.ndarray:
    return np.quantile(values, (0.25, 0.5, 0.75), method="nearest")


def _sizes(model: CriticalModel, condition: tuple, count: int) -> tuple[int, ...]:
    """Even in the logarithm over the interval of prediction and a margin."""
    family, objective, data_size, data_complexity = condition
    expected = critical_size(
        model,
        family=family,
        objective=objective,
        data_size=data_size,
        data_complexity=data_complexity,
        new_family=family not in model.terms.families,
        new_objective=objective not in model.terms.objectives,
    )
    low, high = expected.interval
    return tuple(round(size) for size in np.geomspace(low / MARGIN, high * MARGIN, count))


def _narrowing(model: CriticalModel, target: Prediction, conditions: list, errors: np.ndarray):
    """Width of the target's 95 % interval in decades, and those expected after measuring, [conditions, errors]."""
    fitted = model.posterior
    asked = columns_of(target.family, target.objective, target.data_size, target.data_complexity)
    mean, variance = predictive(model, asked)
    [row], _ = rows_of(model.terms, asked, model.prior)
    new = np.concatenate([rows_of(model.terms, columns_of(*condition), model.prior)[0] for condition in conditions])
    covariance = fitted.covariance @ row @ new.T
    own = normals(fitted, new)[1] + fitted.deviations[:, 2:] ** 2
    left = variance[:, :, None] - covariance[:, :, None] ** 2 / (own[:, :, None] + errors**2)
    shape, left = left.shape[1:], left.reshape(len(mean), -1)
    before, after = (
        quantile(fitted.weight, mean, part, 0.975) - quantile(fitted.weight, mean, part, 0.025)
        for part in (variance, left)
    )
    return float(before[0]), after.reshape(shape)
