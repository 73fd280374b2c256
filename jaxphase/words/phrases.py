"""The phrases that sentences, tables and figures are made of: kinds, sizes, intervals, numbers with errors, odds."""

import math
from collections.abc import Iterable, Mapping, Sequence

import xarray as xr

from jaxphase.analysis import Analysis, Finding, Interval, TransitionKind
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.scaling import CollapseKind

KINDS = {
    CurveKind.CONSTANT: "constant",
    CurveKind.LINEAR: "linear in log size",
    CurveKind.POWER_LAW: "power law",
    CurveKind.BROKEN_POWER_LAW: "broken power law",
    CurveKind.SIGMOID: "crossover",
    CurveKind.STEP: "step",
    CurveKind.TOO_FEW_POINTS: "too few points",
}
TRANSITIONS = {
    TransitionKind.NONE: "no transition",
    TransitionKind.CROSSOVER: "crossover",
    TransitionKind.CONTINUOUS: "transition (continuous)",
    TransitionKind.FIRST_ORDER: "transition (first order)",
    TransitionKind.UNDECIDED: "undecided",
}
COLLAPSES = {
    CollapseKind.TRANSITION: "transition",
    CollapseKind.CROSSOVER: "crossover",
    CollapseKind.NO_COLLAPSE: "no collapse",
    CollapseKind.NOT_ENOUGH_DATA: "not enough data",
}
MIRAGES = {
    MirageKind.NO_JUMP: "no jump",
    MirageKind.IN_THE_METRIC: "in the metric",
    MirageKind.IN_THE_MODEL: "in the model",
    MirageKind.UNDECIDED: "undecided",
    MirageKind.TOO_FEW_POINTS: "too few points",
}
_CURVES = {CurveKind.LINEAR: "a straight line in log size", CurveKind.SIGMOID: "a sigmoid"}


def label(data: xr.Dataset, name: str) -> str:
    """The long name of a variable."""
    return data[name].attrs.get("long_name", name)


def axis(data: xr.Dataset) -> str:
    """The name of the axis that curves go over: "model size" or "data size"."""
    return data.x.attrs["long_name"]


def second_axis(data: xr.Dataset) -> str:
    """The name of the other size, which tells curves apart."""
    return data.group.attrs["long_name"]


def size_unit(data: xr.Dataset) -> str:
    """What the sizes along curves count, such as "parameters"."""
    return data.x.attrs["units"]


def group_unit(data: xr.Dataset) -> str:
    """What the sizes that tell curves apart count, such as "training samples"."""
    return data.group.attrs["units"]


def things(data: xr.Dataset) -> str:
    """What is small or large along the curves."""
    return "data sets" if data.x.attrs["name"] == "data_size" else "models"


def in_figures(size: float) -> str:
    """A size with three significant figures, as one writes it: 1,230 or 1.23e+08."""
    return f"{float(f'{size:.3g}'):,.0f}" if 100 <= size < 1e7 else f"{size:.3g}"


def exactly(size: float) -> str:
    """A size as it was given: 1,024 or 1.04858e+06."""
    return f"{size:,.6g}"


def place(size: float, interval: Interval | Sequence[float]) -> str:
    """A size with its 95 % interval in brackets, for tables, figures and headlines: 1,230 [1,100–1,400]."""
    low, high = map(in_figures, interval)
    return f"{in_figures(size)} [{low}–{high}]"


def place_in_sentence(size: float, interval: Interval | Sequence[float], unit: str) -> str:
    """A size in its unit with its interval, for sentences."""
    low, high = (in_figures(end) if math.isfinite(end) else "no bound" for end in interval)
    return f"{in_figures(size)} {unit} (95 % interval {low} to {high})"


def for_groups(data: xr.Dataset, findings: Sequence[Finding]) -> str:
    """The groups of some findings: `for 64 and 1,024 training images`; empty without groups."""
    sizes = [exactly(found.group) for found in findings if found.group is not None]
    return f"for {listed(sizes)} {group_unit(data)}" if sizes else ""


def listed(words: Sequence[str]) -> str:
    """Words in a row: a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def plural(count: int, noun: str) -> str:
    """A noun for that many."""
    return noun if count == 1 else f"{noun}s"


def capitalized(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def decades(width: float) -> str:
    """A ratio in decades, and as a factor."""
    return f"{width:.2f} decades (a factor of {10**width:,.3g})"


def number(value: float | None, form: str) -> str:
    """A number in a table, with a true minus sign; a dash where there is none."""
    return "—" if value is None or not math.isfinite(value) else f"{value:{form}}".replace("-", "−")


def with_error(value: float, error: float) -> str:
    """A number to the second figure of its error."""
    if not (math.isfinite(error) and error > 0):
        return f"{value:.3g}"
    decimals = max(1 - math.floor(math.log10(error)), 0)
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def with_unit(value: float, unit: str) -> str:
    """A value of a metric, with its unit in brackets if there is one."""
    return f"{value:.3g} ({unit})" if unit else f"{value:.3g}"


def p_value(p: float) -> str:
    """A p-value in a table; a dash where there is none."""
    return "< 0.001" if p < 0.001 else number(p, ".3f")


def probability(values: Iterable[float]) -> str:
    """One or a range, with the sign that goes before it: `< 0.001`, `= 0.250`, `= 0.250 to 0.400`, `> 0.999`."""
    values = sorted(map(float, values))
    low, high = ("< 0.001" if p < 0.001 else "> 0.999" if p > 0.999 else f"= {p:.3f}" for p in (values[0], values[-1]))
    return low if low == high else f"{low} to {high.removeprefix('= ')}"


def odds_of(delta_bic: float) -> str:
    """The odds whose logarithm is half of this."""
    exponent = abs(delta_bic) / 2
    return "more than a million to 1" if exponent > math.log(1e6) else f"{float(f'{math.exp(exponent):.2g}'):,g} to 1"


def curve(kind: CurveKind) -> str:
    """A kind of curve, with its article."""
    return _CURVES.get(kind, f"a {KINDS[kind]}")


def best(bic: Mapping[str, float], *, transition: bool) -> CurveKind:
    """The transition, or else the smooth kind, with the most evidence."""
    kinds = [kind for kind in CurveKind if (kind.is_transition if transition else kind.is_smooth)]
    return min(kinds, key=lambda kind: bic[kind.name.lower()] if math.isfinite(bic[kind.name.lower()]) else math.inf)


def size_range(analysis: Analysis) -> tuple[float, float]:
    """The smallest and the largest size along the curves."""
    return float(analysis.dataset.x.min()), float(analysis.dataset.x.max())
