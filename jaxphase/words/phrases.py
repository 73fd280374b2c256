"""Phrases that sentences are made of: sizes, numbers with errors, odds."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr

from jaxphase.analysis import Analysis
from jaxphase.analysis.findings import Finding, Interval
from jaxphase.curves import axis
from jaxphase.words.wording import SMOOTH, TRANSITIONS, exactly, in_figures, label, listed

_CURVES = {"linear": "a straight line in log size", "sigmoid": "a sigmoid"}


def place(size: float, interval: Interval, unit: str) -> str:
    """A size in a unit, with its interval."""
    low, high = (in_figures(end) if math.isfinite(end) else "no bound" for end in interval)
    return f"{in_figures(size)} {unit} (95 % interval {low} to {high})"


def at_data_sizes(data: xr.Dataset, findings: list[Finding]) -> str:
    """`for 64 and 1,024 training images`, empty where there are no data sizes."""
    sizes = [exactly(found.data_size) for found in findings if found.data_size is not None]
    return f"for {listed(sizes)} {label(data, 'data_size')}" if sizes else ""


def decades(width: float) -> str:
    """A ratio in decades, and as a factor."""
    return f"{width:.2f} decades (a factor of {10**width:,.3g})"


def with_error(number: float, error: float) -> str:
    """A number to the second figure of its error."""
    if not (math.isfinite(error) and error > 0):
        return f"{number:.3g}"
    decimals = max(1 - math.floor(math.log10(error)), 0)
    return f"{number:.{decimals}f} ± {error:.{decimals}f}"


def value(number: float, unit: str) -> str:
    """A value of a metric, with its unit in brackets if there is one."""
    return f"{number:.3g} ({unit})" if unit else f"{number:.3g}"


def plural(count: int, noun: str) -> str:
    """A noun for that many."""
    return noun if count == 1 else f"{noun}s"


def things(data: xr.Dataset) -> str:
    """What is small or large along the curves."""
    return "data sets" if axis(data, "params") == "data size" else "models"


def size_range(analysis: Analysis) -> tuple[float, float]:
    """The smallest and the largest size."""
    params = np.asarray(analysis.dataset.params, float)
    return float(params.min()), float(params.max())


def odds_of(delta_bic: float) -> str:
    """The odds that twice their logarithm stands for."""
    exponent = abs(delta_bic) / 2
    return "more than a million to 1" if exponent > math.log(1e6) else f"{float(f'{math.exp(exponent):.2g}'):,g} to 1"


def probability(values: Iterable[float]) -> str:
    """One or a range, with the sign that goes before it: `< 0.001`, `= 0.250`, `= 0.250 to 0.400`, `> 0.999`."""
    values = sorted(map(float, values))
    low, high = ("< 0.001" if p < 0.001 else "> 0.999" if p > 0.999 else f"= {p:.3f}" for p in (values[0], values[-1]))
    return low if low == high else f"{low} to {high.removeprefix('= ')}"


def curve(kind: str) -> str:
    """A kind of curve, with its article."""
    return _CURVES.get(kind, f"a {(SMOOTH | TRANSITIONS)[kind]}")


def best(bic: Mapping[str, float], kinds: Iterable[str]) -> str:
    """The one of these kinds that has the most evidence."""
    return min(kinds, key=lambda kind: bic[kind] if math.isfinite(bic[kind]) else math.inf)
