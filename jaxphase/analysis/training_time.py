"""Training time as an axis: the steps and plateaus of a Dataset's curves, delays, and times against size."""

from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from rich import box
from rich.markup import escape
from rich.table import Table

from jaxphase.analysis.times import DELAYS, POWERS, Delay, Plateau, TimeLaw, delay, fit_time_law, half_time, plateaus
from jaxphase.curves import at_best_rate, metrics_of
from jaxphase.detect.plateaus import fit_steps
from jaxphase.errors import InputError
from jaxphase.runtime.files import write_json
from jaxphase.words.wording import exactly

# Numbers that `fit_steps` fits to the smooth part of a curve and to each step.
_SMOOTH, _STEP = 7, 3


class Event(NamedTuple):
    """A step of a curve: when, its 95 % interval, from 10 to 90 % of it, and by how much the metric changes."""

    time: float
    interval: tuple[float, float]
    begin: float
    end: float
    height: float
    height_se: float


@dataclass(frozen=True)
class LearningCurve:
    """What one metric does along training, in the mean over the seeds of one size; events is None if it has too few
    steps to judge. half_time is the mean over seeds, of the logarithm, of when half of the change is done."""

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
    """The half times of a metric against size ("size" at one data size, or "data_size" at one size)."""

    metric: str
    along: str
    at: float | None
    law: TimeLaw


@dataclass(frozen=True)
class TimeAnalysis:
    """What training time shows; delays are those of train_loss and val_loss where there are both."""

    curves: tuple[LearningCurve, ...]
    delays: tuple[SizeDelay, ...]
    laws: tuple[SizeLaw, ...]

    def table(self) -> Table:
        """A row for each metric at each size: number of steps, their times and heights, plateaus, and when half is
        done."""
        columns = "metric", "data size >", "size >", "steps >", "times [95 %] (change)", "plateaus", "half done at >"
        table = _tabular(*columns)
        for curve in self.curves:
            events = curve.events or ()
            steps = "too few points" if curve.events is None else str(len(events))
            words = (f"{e.time:.3g} [{e.interval[0]:.3g}, {e.interval[1]:.3g}] ({e.height:+.2g})" for e in events)
            half = f"{curve.half_time:.3g}" if np.isfinite(curve.half_time) else ""
            sizes = _exactly(curve.data_size), _exactly(curve.size)
            rests = "\n".join(f"{rest.begin:.3g} to {rest.end:.3g}" for rest in curve.plateaus)
            rests = rests or ("none" if curve.events is not None else "")
            table.add_row(escape(curve.metric), *sizes, steps, "\n".join(words), rests, half)
        return table

    def table_of_delays(self) -> Table:
        """How many times as late as training validation learns, with its 95 % interval, a row for each size."""
        table = _tabular("validation after training", "data size >", "size >", "times as late [95 %] >")
        for entry in self.delays:
            found, (low, high) = entry.delay, entry.delay.interval
            ratio = "" if found.kind == DELAYS[0] else f"{found.ratio:.3g} [{low:.3g}, {high:.3g}]"
            table.add_row(found.kind, _exactly(entry.data_size), _exactly(entry.size), ratio)
        return table

    def table_of_laws(self) -> Table:
        """The exponents of half times, where there were enough sizes to look for a power law; else their number."""
        table = _tabular("half time of", "against", "at >", "t ~ size^")
        few = sum(entry.law.kind == POWERS[0] for entry in self.laws)
        for entry in self.laws:
            if entry.law.kind != POWERS[0]:
                law = f"{entry.law.exponent:.2f} ± {entry.law.exponent_se:.2f}"
                along, other = ("size", "data size") if entry.along == "size" else ("data size", "size")
                at = "" if entry.at is None else f"{other} {exactly(entry.at)}"
                table.add_row(escape(entry.metric), along, at, law if entry.law.kind == POWERS[2] else entry.law.kind)
        table.caption = f"Without enough sizes: {few} of {len(self.laws)}." if few else None
        return table

    def to_json(self, path: str | Path) -> None:
        """Everything in a file; a number that there is not is null."""
        write_json(asdict(self), path)


def analyze_time(dataset: xr.Dataset, metric: str | None = None) -> TimeAnalysis:
    """Read what a sweep, or `curves.read(..., step="all")`, shows along its training steps.

    dataset: dims (learning_rate?, data_size?, size, seed, step) with coordinates params and step; of several learning
    rates the best for each size counts. metric: one of its metrics along step, by default all. A model that has
    diverged is missing from that step on. Steps are looked for in the mean over the seeds, which smears those that come
    at different times; half times are those of each seed. Raises InputError without training steps or for a metric that
    is not there.
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
        times = half_time(values[name], steps)
        curves += _curves(name, groups, sizes, values[name], times, steps)
        laws += [SizeLaw(name, "size", at, fit_time_law(sizes, times[i])) for i, at in enumerate(groups)]
        if len(groups) > 1:
            laws += [SizeLaw(name, "data_size", n, fit_time_law(groups, times[:, j])) for j, n in enumerate(sizes)]
    delays = []
    if {"train_loss", "val_loss"} <= set(names) and metric in (None, "train_loss", "val_loss"):
        pairs = product(enumerate(groups), enumerate(sizes))
        both = values["train_loss"], values["val_loss"]
        delays = [SizeDelay(g, float(n), delay(both[0][i, j], both[1][i, j], steps)) for (i, g), (j, n) in pairs]
    return TimeAnalysis(tuple(curves), tuple(delays), tuple(laws))


def _in_order(values: xr.DataArray, groups: list) -> np.ndarray:
    """[data sizes, sizes, seeds, steps]"""
    values = values if groups != [None] else values.expand_dims("data_size")
    return values.transpose("data_size", "size", "seed", "step").values.astype(float)


def _curves(name, groups, sizes, values, times, steps) -> list[LearningCurve]:
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


def _events(found) -> tuple[Event, ...] | None:
    if found.n_steps < 0:
        return None
    fields = (found.time, found.interval, found.begin, found.end, found.height, found.height_se)
    rows = zip(*(field[: int(found.n_steps)].tolist() for field in fields), strict=True)
    return tuple(Event(time, tuple(interval), *rest) for time, interval, *rest in rows)


def _plateaus(found, steps: np.ndarray) -> tuple[Plateau, ...]:
    """Those of the fitted curve, in the noise that it leaves; none where it is smooth, without a step."""
    count, points = int(found.n_steps), int(np.isfinite(found.fitted).sum())
    if count < 1:
        return ()
    noise = np.sqrt(found.sse[count] / max(points - _SMOOTH - _STEP * count, 1))
    return plateaus(steps, found.fitted, noise)


def _tabular(*columns: str) -> Table:
    """A table whose columns with > at the end are flush right."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), caption_justify="left")
    for name in columns:
        table.add_column(name.removesuffix(" >"), justify="right" if name.endswith(" >") else "left")
    return table


def _exactly(size: float | None) -> str:
    return "" if size is None else exactly(size)
