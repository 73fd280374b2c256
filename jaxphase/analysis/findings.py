"""What an analysis has to say: a finding per curve, a sentence, a table, a file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import xarray as xr
from rich import box
from rich.markup import escape
from rich.table import Table

from jaxphase.analysis.evidence import Evidence
from jaxphase.curves import axis
from jaxphase.runtime.files import plain, write_json
from jaxphase.words.wording import SMOOTH, TRANSITIONS, exactly, in_figures, label, listed, size_unit

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA = 2


class Interval(NamedTuple):
    """The ends of a 95 % interval."""

    low: float
    high: float


class Slope(NamedTuple):
    """Change of a metric per decade of size, [sizes], with standard errors and where it is largest."""

    sizes: tuple[float, ...]
    value: tuple[float, ...]
    standard_error: tuple[float, ...]
    steepest: float
    interval: Interval


class Break(NamedTuple):
    """Where a power law over a floor changes its exponent, and the exponents on either side."""

    size: float
    interval: Interval
    before: float
    after: float


class Boundary(NamedTuple):
    """Where the order parameter changes at one data size; NaN where it has no transition."""

    data_size: float | None
    critical_size: float
    interval: Interval


@dataclass(frozen=True)
class Finding:
    """What one curve shows: a metric against model size at one data size (None where the curves have none).

    Of curves along data size (`curves.along_data`) model size and data size have changed places, here as everywhere.
    kind is a name of `detect.KINDS` or "too few points"; verdict says it in words, remark what limits it. critical_size
    and its interval are in the unit of `params`; width (10-90 %) and bootstrap_se, the standard deviation of the
    centre over resampled seeds, in decades of it. All four are NaN without a transition; exponent and exponent_se but
    for a power law. parameters are those of the fit of that kind, for a sigmoid in decades, for a power law
    `floor + amplitude * (size / reference) ** exponent`. delta_bic is the evidence for a transition over the best
    smooth curve, against it where negative. p_value is for a straight line in log size against one change of slope,
    and significant its Benjamini-Hochberg decision at 5 % over all curves. points, sizes: how many there were;
    diverged: how many models were left out.

    slope is None where there are too few points, breaks are those of a broken power law. mirage, of a metric with a
    transition and a continuous partner, is the verdict of `detect.mirage_test` on the two, partner the other's name.
    detectors holds what every detector of `jaxphase.detect` gave, by name, x being log10 of the size or, for power
    laws, the size over `reference`.
    """

    metric: str
    data_size: float | None
    kind: str
    verdict: str
    remark: str
    critical_size: float
    interval: Interval
    width: float
    bootstrap_se: float
    delta_bic: float
    bic: Mapping[str, float]
    p_value: float
    significant: bool
    exponent: float
    exponent_se: float
    parameters: Mapping[str, Any]
    points: int
    sizes: int
    diverged: int
    slope: Slope | None = None
    breaks: tuple[Break, ...] = ()
    partner: str = ""
    mirage: str = ""
    detectors: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_transition(self) -> bool:
        """Whether there is a critical size."""
        return self.kind in TRANSITIONS


@dataclass(frozen=True)
class Analysis:
    """The verdicts on a dataset, which is kept as analysed: at one step, without the models that had diverged.

    evidence is about the order parameter: whether its change is a transition or a crossover.
    """

    dataset: xr.Dataset
    findings: tuple[Finding, ...]
    order_parameter: str
    evidence: Evidence | None = None

    @property
    def boundary(self) -> tuple[Boundary, ...]:
        """The critical size of the order parameter at each data size."""
        return tuple(Boundary(found.data_size, found.critical_size, found.interval) for found in self.of_order())

    @property
    def headline(self) -> str:
        """The verdict on the order parameter, in one sentence."""
        found, data = self.of_order(), self.dataset
        where: dict[str, list[str]] = {}
        for finding in found:
            size = "" if finding.data_size is None else exactly(finding.data_size)
            where.setdefault(_phrase(finding, size_unit(data)), []).append(size)
        group = label(data, "data_size") if "data_size" in data.coords else ""
        parts = [f"{phrase} for {listed(sizes)} {group}" if group else phrase for phrase, sizes in where.items()]
        jumps = [finding for finding in found if finding.has_transition]
        mirages = [finding for finding in jumps if finding.mirage == "in the metric"]
        only = 0 < len(jumps) == len(mirages)
        if mirages:
            sizes = "" if only else f" for {listed([exactly(jump.data_size) for jump in mirages])} {group}"
            partner = label(data, mirages[0].partner)
            parts.append(f"the jump{sizes} is in the metric and not in the models, as {partner} drifts through it")
        second = axis(data, "data_size")
        if self.evidence and self.evidence.verdict not in ("none", "undecided"):
            whose = " of the metric" if only else ""
            parts.append(f"with {second} this is a {self.evidence.verdict}{whose}: {self.evidence.reasons[0]}")
        elif any(finding.kind == "sigmoid" for finding in found) and not only:
            parts.append(f"a crossover is no phase transition, which would sharpen with {second}")
        return f"{label(data, self.order_parameter)}: {'; '.join(parts)}."

    def of_order(self) -> tuple[Finding, ...]:
        """The findings on the order parameter, one per data size."""
        return tuple(finding for finding in self.findings if finding.metric == self.order_parameter)

    def to_dataframe(self) -> "DataFrame":
        """A row for each finding, in their order.

        Columns: metric; order_parameter, whether it is that; along, "model size" or "data size", what the curve is
        over; data_size, of the curve, NaN where there are none, or instead of it model_size of curves along data size;
        then the fields of `Finding` of that name, critical_low and critical_high being the ends of its interval, and
        steepest, steepest_low, steepest_high those of its slope. Sizes are in the unit of `params` (`size_unit`), NaN
        where there is no such number; partner, mirage and remark are empty where there is nothing to say.
        """
        from pandas import DataFrame

        along, second = axis(self.dataset, "params"), axis(self.dataset, "data_size").replace(" ", "_")
        rows = [
            {
                "metric": found.metric,
                "order_parameter": found.metric == self.order_parameter,
                "along": along,
                second: math.nan if found.data_size is None else float(found.data_size),
                **_row(found),
            }
            for found in self.findings
        ]
        return DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the dataset, in the types of JSON; a number that is not finite is None.

        The file `analysis.schema.json` of this package is its JSON Schema and says what each field is.
        """
        return plain(
            {
                "schema": SCHEMA,
                "versions": {name: version(name) for name in ("jaxphase", "jax", "numpy")},
                "order_parameter": self.order_parameter,
                "headline": self.headline,
                "step": self.dataset.step.item() if "step" in self.dataset.coords else None,
                "axis": axis(self.dataset, "params"),
                "size_unit": size_unit(self.dataset),
                "sizes": self.dataset.params.values,
                "labels": _labels(self.dataset, [finding.metric for finding in self.findings]),
                "boundary": list(self.boundary),
                "findings": [vars(finding) for finding in self.findings],
                "evidence": vars(self.evidence) if self.evidence else None,
            },
            pairs=(Interval,),
        )

    def to_json(self, path: str | Path) -> None:
        """Write `to_dict` to a file; InputError where that is not possible."""
        write_json(self.to_dict(), path)

    def table(self) -> Table:
        """Verdict, critical size with its 95 % interval, width and p-value of each curve, for a terminal."""
        data = self.dataset
        grouped = ["data_size"] if "data_size" in data.coords else []
        notes = ["p: of a straight line in log size; *: it bends (false discovery rate 5 %)."]
        notes += [f"{found.metric}{_at(found)}: {found.remark}." for found in self.findings if found.remark]
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        table.caption, table.caption_justify = escape("\n".join(notes)), "left"
        table.add_column("metric", no_wrap=True)
        for name in grouped:
            table.add_column(label(data, name).replace(" ", "\n"), justify="right", no_wrap=True)
        table.add_column("verdict", min_width=10, max_width=10)  # 80 columns in all, with the names of a sweep
        table.add_column(f"critical size,\n{size_unit(data)} [95 %]", justify="right", min_width=17)
        for heading in ("width,\ndecades", "p"):
            table.add_column(heading, justify="right", no_wrap=True)
        previous = ""
        for found in self.findings:
            name, previous = found.metric if found.metric != previous else "", found.metric
            size = [exactly(found.data_size) for _ in grouped]
            words = (SMOOTH | TRANSITIONS).get(found.kind, found.kind)
            width = f"{found.width:.2f}" if found.has_transition else ""
            style = "bold" if found.metric == self.order_parameter else None
            table.add_row(escape(name), *size, words, _place(found), width, _p_value(found), style=style)
        return table


def _row(found: Finding) -> dict[str, Any]:
    """The numbers and words of a finding without its curve, flat."""
    slope = found.slope or Slope((), (), (), math.nan, Interval(math.nan, math.nan))
    return {
        "kind": found.kind,
        "verdict": found.verdict,
        "critical_size": found.critical_size,
        "critical_low": found.interval.low,
        "critical_high": found.interval.high,
        **{name: getattr(found, name) for name in ("width", "bootstrap_se", "delta_bic", "p_value", "significant")},
        "exponent": found.exponent,
        "exponent_se": found.exponent_se,
        "steepest": slope.steepest,
        "steepest_low": slope.interval.low,
        "steepest_high": slope.interval.high,
        **{name: getattr(found, name) for name in ("partner", "mirage", "points", "sizes", "diverged", "remark")},
    }


def _at(finding: Finding) -> str:
    return "" if finding.data_size is None else f" at {exactly(finding.data_size)}"


def _phrase(finding: Finding, unit: str) -> str:
    """The verdict and where, as a part of a sentence."""
    if finding.kind == "sigmoid":
        return f"crossover (sigmoid) at {_place(finding)} {unit}"
    return f"no transition ({SMOOTH[finding.kind]})" if finding.kind in SMOOTH else finding.verdict


def _place(finding: Finding) -> str:
    if not finding.has_transition:
        return "no transition" if finding.kind in SMOOTH else ""
    low, high = map(in_figures, finding.interval)
    return f"{in_figures(finding.critical_size)} [{low}–{high}]"


def _p_value(finding: Finding) -> str:
    if math.isnan(finding.p_value):
        return ""
    shown = "<0.001" if finding.p_value < 0.001 else f"{finding.p_value:.3f}"
    return f"{shown}{'*' if finding.significant else ' '}"


def _labels(data: xr.Dataset, metrics: list[str]) -> dict[str, dict[str, str]]:
    """Long names and units of metrics and data sizes, where they have them."""
    named = {name: data[name].attrs for name in (*metrics, "data_size") if name in data.variables}
    kept = {name: {key: words[key] for key in ("long_name", "units") if key in words} for name, words in named.items()}
    return {name: words for name, words in kept.items() if words}
