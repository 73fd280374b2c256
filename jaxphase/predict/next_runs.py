"""What to measure next: the sweep that narrows an interval of prediction most for the floating-point operations."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxphase.errors import InputError

from .critical import CriticalModel, Prediction, columns_of, critical_size, predictive, rows_of
from .measurements import GROUPS, OPTIONAL, Along, standard_errors
from .pooling import normals, quantile
from .terms import Terms

FLOPS = 6  # per parameter and number (token) of training data, forward and backward
MARGIN = 10**0.5  # sizes reach half a decade beyond the interval, so that both sides of a transition are seen
ADAM_BYTES = 16  # per parameter: weight, gradient and two moments in float32


class Recommendation(NamedTuple):
    """A sweep worth running: models of `sizes` parameters, `seeds` of each, at one condition; along "data" `sizes` are
    those of the data in rows, along "steps" the times at which to measure.

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
    model_size: float | None = None
    data: str | None = None
    along: Along = "model"

    @property
    def missing(self) -> str:
        """The number without which costs are only relative to one another, empty if they are operations."""
        if self.along == "steps":
            return "batch size"
        known = self.data_size if self.along == "model" else self.model_size
        return "" if known is not None else "data size" if self.along == "model" else "model size"


def recommend(
    model: CriticalModel,
    target: Prediction,
    *,
    families: Sequence[str] | None = None,
    objectives: Sequence[str] | None = None,
    data: Sequence[str] | None = None,
    data_sizes: Sequence[float] | None = None,
    data_complexities: Sequence[float] | None = None,
    model_sizes: Sequence[float] | None = None,
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
    Candidates are all combinations of families, objectives and data (those measured and those of the target),
    data_sizes and model_sizes (four over the measured range), data_complexities (the three quartiles measured) and
    seeds, that cost at most max_flops. A candidate's sizes are n_sizes even in the logarithm over its own 95 % interval
    and half a decade beyond; it costs the sum over sizes N and seeds of `6 N D`, D being `passes` times the data size.
    Of critical data sizes D are the sizes and N is the size of the model; of critical times the longest is trained, and
    `6 N steps` leaves out the batch. What no measurement has is 1, and costs are then relative. Its standard error is
    taken as the median one so far times sqrt(seeds_so_far / seeds).

    The narrowing is exact for given standard deviations: var - cov**2 / var_new, where var_new holds the scatter and
    the error of the new measurement; what it teaches about the standard deviations themselves is left out. The target's
    own scatter about the law remains, however much is measured. Sorted, the best first.
    """
    if np.ndim(target.size):
        raise InputError(f"target has shape {np.shape(target.size)}: give a prediction for one condition.")
    for name, value in (("max_flops", max_flops), ("passes", passes)):
        if not value > 0:
            raise InputError(f"{name} is {value:g}: give a positive number.")
    terms, found = model.terms, model.measurements
    asked = {"family": families, "objective": objectives, "data": data}
    given = {"data_size": data_sizes, "data_complexity": data_complexities, "model_size": model_sizes}
    names = {level: _names(level, asked[level], terms, getattr(target, level)) for level in GROUPS}
    numbers = {name: given[name] or _usual(name, getattr(found, name)) for name in OPTIONAL}
    axes = names | numbers
    conditions = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    sizes = [_sizes(model, condition, n_sizes) for condition in conditions]
    errors = np.median(standard_errors(found)) * np.sqrt(seeds_so_far / np.array(seeds))
    before, after = _narrowing(model, target, conditions, errors)
    offers = []
    for condition, own, row in zip(conditions, sizes, after, strict=True):
        largest = max(own) if target.along == "model" else condition["model_size"] or math.nan
        for repeats, left in zip(seeds, row.tolist(), strict=True):
            flops = repeats * _operations(target.along, condition, own, passes)
            costs = {"sizes": own, "seeds": repeats, "flops": flops, "memory": ADAM_BYTES * largest}
            widths = {"decades": before, "decades_after": left}
            offers.append(Recommendation(**condition, **costs, **widths, prior=model.prior, along=target.along))
    if math.isfinite(max_flops) and offers[0].missing:
        raise InputError(
            f"max_flops is {max_flops:g}, but no {offers[0].missing} is known and costs are relative: leave it out."
        )
    offers = [offer for offer in offers if offer.flops <= max_flops]
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


def _names(level: str, asked: Sequence[str] | None, terms: Terms, target: str | None) -> list[str | None]:
    """Those that a model tells apart, None where it does not."""
    if level not in terms.levels and not asked:
        return [None]
    possible = sorted({*terms.levels.get(level, ()), *([target] if target else [])})
    for name in asked or ():
        if name not in possible:
            what = {"family": "families", "objective": "objectives"}.get(level, level)
            raise InputError(f"{what} has {name!r}: choose from {', '.join(possible) or 'none'}.")
    return list(asked or possible)


def _usual(name: str, measured: np.ndarray) -> list[float | None]:
    """The numbers of candidates, or None where no measurement has one."""
    if not np.isfinite(measured).all():
        return [None]
    if name == "data_complexity":
        values = np.quantile(measured, (0.25, 0.5, 0.75), method="nearest")
    else:
        values = np.geomspace(measured.min(), measured.max(), 4)
    return sorted({float(f"{value:.3g}") for value in values})


def _operations(along: Along, condition: dict, sizes: tuple[int, ...], passes: float) -> float:
    """Of one seed, with 1 for what is not known."""
    if along == "model":
        return FLOPS * sum(sizes) * passes * (condition["data_size"] or 1)
    model = FLOPS * (condition["model_size"] or 1)
    return model * sum(sizes) * passes if along == "data" else model * max(sizes)


def _sizes(model: CriticalModel, condition: dict, count: int) -> tuple[int, ...]:
    """Even in the logarithm over the interval of prediction and a margin."""
    new = {f"new_{level}": condition[level] not in known for level, known in model.terms.levels.items()}
    low, high = critical_size(model, **condition, **new).interval
    return tuple(round(size) for size in np.geomspace(low / MARGIN, high * MARGIN, count))


def _narrowing(model: CriticalModel, target: Prediction, conditions: list, errors: np.ndarray):
    """Width of the target's 95 % interval in decades, and those expected after measuring, [conditions, errors]."""
    fitted = model.posterior
    asked = columns_of(**{name: getattr(target, name) for name in (*GROUPS, *OPTIONAL)})
    mean, variance = predictive(model, asked)
    [row], _ = rows_of(model.terms, asked, model.prior)
    new = np.concatenate([rows_of(model.terms, columns_of(**condition), model.prior)[0] for condition in conditions])
    covariance = fitted.covariance @ row @ new.T
    own = normals(fitted, new)[1] + fitted.deviations[:, -1:] ** 2
    left = variance[:, :, None] - covariance[:, :, None] ** 2 / (own[:, :, None] + errors**2)
    shape, left = left.shape[1:], left.reshape(len(mean), -1)
    before, after = (
        quantile(fitted.weight, mean, part, 0.975) - quantile(fitted.weight, mean, part, 0.025)
        for part in (variance, left)
    )
    return float(before[0]), after.reshape(shape)
