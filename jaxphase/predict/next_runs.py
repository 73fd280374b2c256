"""What to measure next: the sweeps that narrow an interval of prediction most per floating-point operation.

A sweep costs `6 N D` operations per seed, summed over its model sizes N, with D the data seen in training. For a
critical data size the sum is over D, and for a critical training time the longest training counts, without the batch
size. A number that no measurement has counts as 1: costs are then relative.

For given standard deviations of the regression a new measurement narrows the predictive variance exactly to
`var - cov**2 / var_new`, where var_new includes the scatter and the error of the new measurement. The information that
it adds on the standard deviations themselves is neglected, and the scatter of the target itself remains. The most
efficient sweep is often too small to change anything, so sweeps that narrow too little are left out.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxphase.errors import InputError
from jaxphase.predict.measurements import COVARIATES, FACTORS, Along, Factor, standard_errors
from jaxphase.predict.pooling import project, quantile
from jaxphase.predict.regression import CriticalModel, Prediction, critical_size, predictive
from jaxphase.predict.terms import Prior, Terms, condition_columns, design_matrix

MARGIN = 10**0.5  # sizes reach half a decade beyond the interval, so that both sides of a transition are seen
_FLOPS = 6  # per parameter and number (token) of training data, forward and backward
_ADAM_BYTES = 16  # per parameter: weight, gradient and two moments in float32


class Recommendation(NamedTuple):
    """A sweep worth running at one condition.

    Attributes:
        family: Family of the models, None if the regression does not tell families apart.
        objective: Their objective, or None.
        data_size: Size of their data in rows, None if no measurement has one or it is what the sweep varies.
        data_complexity: Complexity of their data in bits per number, or None.
        sizes: Sizes to train at: of models in parameters, of data in rows, or steps at which to measure, by `along`.
        seeds: Number of models of each size.
        flops: Floating-point operations of the sweep; only relative to other sweeps if a factor is `missing`.
        decades: Width of the target's 95 % interval now.
        decades_after: Its expected width after the sweep.
        memory: Bytes of the largest model with its gradient and Adam's moments, without activations.
        prior: Prior of the regression, "none" or "article".
        model_size: Size of the models in parameters, None if no measurement has one or it is what the sweep varies.
        data: Name of their data, or None.
        along: The kind of critical size: "model_size", "data_size" or "steps".
    """

    family: str | None
    objective: str | None
    data_size: float | None
    data_complexity: float | None
    sizes: tuple[int, ...]
    seeds: int
    flops: float
    decades: float
    decades_after: float
    memory: float
    prior: Prior
    model_size: float | None = None
    data: str | None = None
    along: Along = "model_size"

    @property
    def missing(self) -> str:
        """The number without which `flops` is only relative, empty if it is known."""
        if self.along == "steps":
            return "batch size"
        if self.along == "model_size":
            return "" if self.data_size is not None else "data size"
        return "" if self.model_size is not None else "model size"


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
    min_gain: float = 0.5,
    count: int = 5,
) -> tuple[Recommendation, ...]:
    """Find the sweeps that narrow the interval of a prediction most per operation.

    Candidates are all combinations of the conditions and seeds below. Their sizes are evenly spaced in the logarithm
    over the 95 % interval of the candidate's own critical size and half a decade around it.

    Args:
        model: From `fit`.
        target: The prediction for one condition, from `critical_size`.
        families: Families to choose from, by default those measured and the target's.
        objectives: Objectives to choose from, likewise.
        data: Data sets to choose from, likewise.
        data_sizes: Data sizes to choose from, by default four over the measured range.
        data_complexities: Complexities to choose from, by default the measured quartiles.
        model_sizes: Model sizes to choose from, by default four over the measured range.
        seeds: Numbers of seeds to choose from.
        seeds_so_far: Seeds behind each measurement; a new one has the median error so far times
            `sqrt(seeds_so_far / seeds)`.
        n_sizes: Number of sizes of a sweep.
        passes: How often a sweep goes over its data.
        max_flops: Most operations of a sweep.
        min_gain: Least narrowing, as a share of the best sweep's narrowing.
        count: Most sweeps to return.

    Returns:
        The sweeps, the best first.

    Raises:
        InputError: If the target is not one condition, or an option cannot be used.

    Example:
        >>> [best, *_] = jaxphase.predict.recommend(model, target, max_flops=1e18)
    """
    _check_options(target, passes, max_flops)
    measurements = model.measurements
    names = {
        factor: _levels(factor, asked, model.terms, getattr(target, factor))
        for factor, asked in zip(FACTORS, (families, objectives, data), strict=True)
    }
    numbers = {
        name: asked or _usual(name, getattr(measurements, name))
        for name, asked in zip(COVARIATES, (data_sizes, data_complexities, model_sizes), strict=True)
    }
    axes: dict[str, Sequence[Any]] = {**names, **numbers}
    conditions = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    error = np.median(standard_errors(measurements)) * np.sqrt(seeds_so_far / np.array(seeds))
    before, after = _narrowing(model, target, conditions, error)
    sweeps = []
    for condition, row in zip(conditions, after.tolist(), strict=True):
        sizes = _sizes(model, condition, n_sizes)
        flops = _flops_per_seed(target.along, condition, sizes, passes)
        largest = max(sizes) if target.along == "model_size" else condition["model_size"] or math.nan
        for repeats, width in zip(seeds, row, strict=True):
            sweep = Recommendation(
                **condition,
                sizes=sizes,
                seeds=repeats,
                flops=repeats * flops,
                decades=before,
                decades_after=width,
                memory=_ADAM_BYTES * largest,
                prior=model.prior,
                along=target.along,
            )
            sweeps.append(sweep)
    return _best(sweeps, max_flops, min_gain, count)


def _check_options(target: Prediction, passes: float, max_flops: float) -> None:
    """Refuse a target of several conditions, and options that are not positive."""
    if np.ndim(target.size):
        raise InputError(f"target has shape {np.shape(target.size)}: give a prediction for one condition.")
    for name, value in (("max_flops", max_flops), ("passes", passes)):
        if not value > 0:
            raise InputError(f"{name} is {value:g}: give a positive number.")


def _best(sweeps: list[Recommendation], max_flops: float, min_gain: float, count: int) -> tuple[Recommendation, ...]:
    """The sweeps that narrow most per operation, among those that are affordable and narrow enough."""
    if math.isfinite(max_flops) and sweeps[0].missing:
        raise InputError(
            f"max_flops is {max_flops:g}, but no {sweeps[0].missing} is known and costs are relative: leave it out."
        )
    sweeps = [sweep for sweep in sweeps if sweep.flops <= max_flops]
    most = max((sweep.decades - sweep.decades_after for sweep in sweeps), default=0.0)
    worth = [sweep for sweep in sweeps if sweep.decades - sweep.decades_after >= min_gain * most]
    return tuple(sorted(worth, key=lambda sweep: (sweep.decades_after - sweep.decades) / sweep.flops)[:count])


def _levels(
    factor: Factor, asked: Sequence[str] | None, terms: Terms, target: str | None
) -> Sequence[str] | Sequence[None]:
    """The levels of a factor to choose from, None if the model has no such factor."""
    if factor not in terms.levels and not asked:
        return [None]
    possible = sorted({*terms.levels.get(factor, ()), *filter(None, [target])})
    for name in asked or ():
        if name not in possible:
            option = {"family": "families", "objective": "objectives"}.get(factor, factor)
            raise InputError(f"{option} has {name!r}: choose from {', '.join(possible) or 'none'}.")
    return list(asked or possible)


def _usual(name: str, measured: Float[np.ndarray, " n"]) -> Sequence[float] | Sequence[None]:
    """Values of a covariate over the measured range, None if no measurement has one."""
    if not np.isfinite(measured).all():
        return [None]
    if name == "data_complexity":
        values = np.quantile(measured, (0.25, 0.5, 0.75), method="nearest")
    else:
        values = np.geomspace(measured.min(), measured.max(), 4)
    return sorted({float(f"{value:.3g}") for value in values})


def _flops_per_seed(along: Along, condition: dict[str, Any], sizes: tuple[int, ...], passes: float) -> float:
    """Operations of one seed at all sizes, with 1 for what is not known."""
    if along == "model_size":
        return _FLOPS * sum(sizes) * passes * (condition["data_size"] or 1)
    per_sample = _FLOPS * (condition["model_size"] or 1)
    return per_sample * sum(sizes) * passes if along == "data_size" else per_sample * max(sizes)


def _sizes(model: CriticalModel, condition: dict[str, Any], count: int) -> tuple[int, ...]:
    """Sizes that are even in the logarithm over the interval of prediction and a margin."""
    new: dict[str, Any] = {
        f"new_{factor}": condition[factor] not in levels for factor, levels in model.terms.levels.items()
    }
    low, high = critical_size(model, **condition, **new).interval
    return tuple(round(size) for size in np.geomspace(low / MARGIN, high * MARGIN, count))


def _narrowing(
    model: CriticalModel, target: Prediction, conditions: list[dict[str, Any]], error: Float[np.ndarray, " seeds"]
) -> tuple[float, Float[np.ndarray, "conditions seeds"]]:
    """Width of the target's 95 % interval in decades, and its expected widths after one measurement more."""
    fitted = model.posterior
    asked = condition_columns(**{name: getattr(target, name) for name in (*FACTORS, *COVARIATES)})
    mean, variance = predictive(model, asked)
    [row], _ = design_matrix(model.terms, asked, model.prior)
    rows = [design_matrix(model.terms, condition_columns(**one), model.prior)[0] for one in conditions]
    new = np.concatenate(rows)
    covariance = fitted.covariance @ row @ new.T
    new_variance = project(fitted, new)[1] + fitted.deviations[:, -1:] ** 2
    left = variance[:, :, None] - covariance[:, :, None] ** 2 / (new_variance[:, :, None] + error**2)
    shape, left = left.shape[1:], left.reshape(len(mean), -1)
    before, after = (
        quantile(fitted.weight, mean, part, 0.975) - quantile(fitted.weight, mean, part, 0.025)
        for part in (variance, left)
    )
    return float(before[0]), after.reshape(shape)
