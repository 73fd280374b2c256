"""Training time as an axis: the steps and plateaus of a Dataset's curves, delays, and times against size."""

from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from jaxphase.analysis.plateaus import Plateau, find_plateaus
from jaxphase.analysis.times import Delay, TimeLaw, delay, fit_time_law, half_time
from jaxphase.curves import at_best_rate, metrics_of
from jaxphase.detect import Steps, fit_steps
from jaxphase.errors import InputError
from jaxphase.runtime.files import write_json

# Parameters that `fit_steps` fits to the smooth part of a curve and to each step.
_SMOOTH, _STEP = 7, 3


class Event(NamedTuple):
    """A step of a learning curve.

    Attributes:
        time: When half of it is done, in training steps.
        interval: Its 95 % interval.
        begin: When 10 % of it is done.
        end: When 90 % of it is done.
        height: How much the metric changes.
        height_se: Its standard error.
    """

    time: float
    interval: tuple[float, float]
    begin: float
    end: float
    height: float
    height_se: float


@dataclass(frozen=True)
class LearningCurve:
    """What one metric does along training, in the mean over the seeds of one size.

    Attributes:
        metric: The metric.
        data_size: The data size; None where the curves have none.
        size: The model size.
        events: Steps of the mean curve; None if it has too few points to judge.
        plateaus: Plateaus of the fitted curve.
        half_time: When half of the change is done, in training steps: the geometric mean over seeds.
        log_half_time_se: Standard error of its logarithm.
    """

    metric: str
    data_size: float | None
    size: float
    events: tuple[Event, ...] | None
    plateaus: tuple[Plateau, ...]
    half_time: float
    log_half_time_se: float


@dataclass(frozen=True)
class SizeDelay:
    """The delay from training to validation at one size."""

    data_size: float | None
    size: float
    delay: Delay


@dataclass(frozen=True)
class SizeLaw:
    """The law of the half times of a metric against one size.

    Attributes:
        metric: The metric.
        along: "size" or "data_size".
        at: The other size; None where the curves have none.
        law: The law.
    """

    metric: str
    along: str
    at: float | None
    law: TimeLaw


@dataclass(frozen=True)
class TimeAnalysis:
    """What training time shows.

    Attributes:
        curves: Each metric at each size.
        delays: Delays from train_loss to val_loss at each size, where both exist.
        laws: Laws of half times against sizes.
    """

    curves: tuple[LearningCurve, ...]
    delays: tuple[SizeDelay, ...]
    laws: tuple[SizeLaw, ...]

    def to_json(self, path: str | Path) -> None:
        """Write everything to a file; a number that is not finite is null. InputError if it cannot be written."""
        write_json(asdict(self), path)


def analyze_time(dataset: xr.Dataset, metric: str | None = None) -> TimeAnalysis:
    """Find steps, plateaus, delays and laws of time in learning curves.

    Steps are found in the mean over seeds, which smears steps that come at different times; half times are measured for
    each seed.

    Args:
        dataset: Dims `(learning_rate?, data_size?, size, seed, step)` with the coordinates `params` and `step`, of a
            sweep or of `jaxphase.read(..., step="all")`. Of several learning rates the best for each size counts. A
            model that has diverged is missing from that step on.
        metric: One of its metrics, by default all.

    Returns:
        A `TimeAnalysis`.

    Raises:
        InputError: If there are no training steps, or no such metric.

    Example:
        >>> times = jaxphase.analyze_time(jaxphase.read("runs/", run="gpt-{size}-seed{seed}", step="all"))
    """
    dataset = at_best_rate(dataset)
    if "step" not in dataset.dims:
        raise InputError('the curves have no axis of training steps: read them with step="all".')
    names = tuple(name for name in metrics_of(dataset) if "step" in dataset[name].dims)
    if metric is not None and metric not in names:
        raise InputError(f"metric is {metric!r}: choose one of {', '.join(names)}.")
    if "diverged_at" in dataset:
        alive = (dataset.diverged_at < 0) | (dataset.step < dataset.diverged_at)
        dataset = dataset.assign({name: dataset[name].where(alive) for name in names})
    steps, sizes = np.asarray(dataset.step, float), np.asarray(dataset.params, float)
    groups = dataset.data_size.values.tolist() if "data_size" in dataset.dims else [None]
    values = {name: _in_order(dataset[name], groups) for name in names}

    curves, laws = [], []
    for name in names if metric is None else (metric,):
        times = half_time(steps, values[name])
        curves += _curves(name, groups, sizes, values[name], times, steps)
        laws += [SizeLaw(name, "size", at, fit_time_law(sizes, times[i])) for i, at in enumerate(groups)]
        if len(groups) > 1:
            laws += [
                SizeLaw(name, "data_size", n, fit_time_law(np.asarray(groups, float), times[:, j]))
                for j, n in enumerate(sizes)
            ]
    delays = []
    if {"train_loss", "val_loss"} <= set(names) and metric in (None, "train_loss", "val_loss"):
        pairs = product(enumerate(groups), enumerate(sizes))
        both = values["train_loss"], values["val_loss"]
        delays = [SizeDelay(g, float(n), delay(steps, both[0][i, j], both[1][i, j])) for (i, g), (j, n) in pairs]
    return TimeAnalysis(tuple(curves), tuple(delays), tuple(laws))


def _in_order(values: xr.DataArray, groups: list) -> Float[np.ndarray, "groups sizes seeds steps"]:
    values = values if groups != [None] else values.expand_dims("data_size")
    return values.transpose("data_size", "size", "seed", "step").values.astype(float)


def _curves(
    name: str,
    groups: list,
    sizes: Float[np.ndarray, " sizes"],
    values: Float[np.ndarray, "groups sizes seeds steps"],
    times: Float[np.ndarray, "groups sizes seeds"],
    steps: Float[np.ndarray, " steps"],
) -> list[LearningCurve]:
    """One metric at every size."""
    present = np.isfinite(values)
    mean = np.where(present, values, 0).sum(axis=2) / np.where(present.any(axis=2), present.sum(axis=2), np.nan)
    found = fit_steps(steps, mean)
    found = found._replace(**{field: np.asarray(entry, float) for field, entry in found._asdict().items()})
    curves = []
    for i, j in np.ndindex(mean.shape[:2]):
        one = type(found)(*(field[i, j] for field in found))
        log_t = np.log(times[i, j][np.isfinite(times[i, j])])
        seeds = len(log_t)
        curves.append(
            LearningCurve(
                metric=name,
                data_size=groups[i],
                size=float(sizes[j]),
                events=_events(one),
                plateaus=_plateaus(one, steps),
                half_time=float(np.exp(log_t.mean())) if seeds else np.nan,
                log_half_time_se=float(log_t.std(ddof=1) / seeds**0.5) if seeds > 1 else np.nan,
            )
        )
    return curves


def _events(found: Steps) -> tuple[Event, ...] | None:
    if found.n_steps < 0:
        return None
    fields = (found.time, found.interval, found.begin, found.end, found.height, found.height_se)
    rows = zip(*(field[: int(found.n_steps)].tolist() for field in fields), strict=True)
    return tuple(Event(time, tuple(interval), *rest) for time, interval, *rest in rows)


def _plateaus(found: Steps, steps: Float[np.ndarray, " steps"]) -> tuple[Plateau, ...]:
    """Plateaus of the fitted curve; a smooth curve, without a step, has none."""
    count, points = int(found.n_steps), int(np.isfinite(found.fitted).sum())
    if count < 1:
        return ()
    noise = float(np.sqrt(found.sse[count] / max(points - _SMOOTH - _STEP * count, 1)))
    return find_plateaus(steps, found.fitted, noise)
