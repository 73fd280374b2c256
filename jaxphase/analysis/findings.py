"""What an analysis found: a finding for each curve, and all of it together. Data only; `jaxphase.words` says it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import xarray as xr

from jaxphase.analysis.evidence import Evidence
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.runtime.files import plain, write_json

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA = 3


class Interval(NamedTuple):
    """The ends of a 95 % interval."""

    low: float
    high: float


class Slope(NamedTuple):
    """The change of a metric per decade of size.

    Attributes:
        sizes: Where it was estimated, `[sizes]`.
        value: The slope there, in units of the metric per decade.
        standard_error: Its standard errors.
        steepest: The size at which the slope is largest.
        interval: The 95 % interval of that size.
    """

    sizes: tuple[float, ...]
    value: tuple[float, ...]
    standard_error: tuple[float, ...]
    steepest: float
    interval: Interval


class Break(NamedTuple):
    """A size at which a power law changes its exponent.

    Attributes:
        size: The size of the break.
        interval: Its 95 % interval.
        before: The exponent below it.
        after: The exponent above it.
    """

    size: float
    interval: Interval
    before: float
    after: float


class Boundary(NamedTuple):
    """The critical size of the order parameter in one group of curves; NaN where it has no transition."""

    group: float | None
    critical_size: float
    interval: Interval


@dataclass(frozen=True)
class Finding:
    """What one curve shows. Sizes are those along the curve, in the unit of the dataset's `x`.

    Attributes:
        metric: Its metric.
        group: Its second size, or None.
        kind: Its kind.
        critical_size: Center of a transition; NaN without one, like the next three.
        interval: Its 95 % interval.
        width: 10-90 % width of the change, in decades.
        bootstrap_se: Standard deviation of the center over seeds, in decades.
        delta_bic: Twice the log odds of a transition against the best smooth curve.
        bic: BIC of each kind, by name.
        straight_line_p: p-value of a straight line against one change of slope.
        straight_line_rejected: Its Benjamini-Hochberg decision at 5 %.
        exponent: Exponent of a power law, or NaN.
        exponent_se: Its standard error.
        parameters: Parameters of the fit of this kind; sizes are in decades for a sigmoid, and over `reference` for a
            power law.
        points: Number of values.
        sizes: Number of sizes.
        diverged: Number of diverged models, left out.
        slope: Slope at each size; None with too few points.
        breaks: Breaks of a broken power law.
        partner: The continuous metric that this one was compared with, or "".
        mirage: Whether the jump is in the metric or the models; None without jump or partner.
        detectors: Result of every detector by name; x is log10 size, for power laws size over `reference`.
    """

    metric: str
    group: float | None
    kind: CurveKind
    critical_size: float
    interval: Interval
    width: float
    bootstrap_se: float
    delta_bic: float
    bic: Mapping[str, float]
    straight_line_p: float
    straight_line_rejected: bool
    exponent: float
    exponent_se: float
    parameters: Mapping[str, Any]
    points: int
    sizes: int
    diverged: int
    slope: Slope | None = None
    breaks: tuple[Break, ...] = ()
    partner: str = ""
    mirage: MirageKind | None = None
    detectors: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_transition(self) -> bool:
        """Whether the curve has a critical size."""
        return self.kind.is_transition


@dataclass(frozen=True)
class Analysis:
    """All findings on a dataset. `jaxphase.headline`, `table` and `paragraph` put them into words.

    Attributes:
        dataset: The curves as analyzed, dims `(group, x, seed)` (`jaxphase.curves.curves_along`): at one step, without
            the models that had diverged.
        findings: One for each metric and group.
        order_parameter: The metric that headline, phase diagram and evidence are about.
        evidence: Whether its change is a transition or a crossover.
    """

    dataset: xr.Dataset
    findings: tuple[Finding, ...]
    order_parameter: str
    evidence: Evidence

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics with a finding, in their order."""
        return tuple(dict.fromkeys(finding.metric for finding in self.findings))

    @property
    def boundary(self) -> tuple[Boundary, ...]:
        """The critical size of the order parameter in each group."""
        return tuple(Boundary(one.group, one.critical_size, one.interval) for one in self.on(self.order_parameter))

    def on(self, metric: str) -> tuple[Finding, ...]:
        """The findings on one metric, one for each group; none for a metric that the analysis does not have."""
        return tuple(finding for finding in self.findings if finding.metric == metric)

    def to_dataframe(self) -> "DataFrame":
        """Give a row for each finding, in their order.

        Returns:
            A DataFrame with the columns metric; order_parameter, true if it is the order parameter; along, "model_size"
            or "data_size"; a column named after the other size, NaN where there is none; then the fields of `Finding`
            of that name. critical_low and critical_high are the ends of its interval; steepest, steepest_low and
            steepest_high are the steepest size of its slope and its interval. Kinds are words; a kind that does not
            apply is empty.
        """
        from pandas import DataFrame

        along, second = self.dataset.x.attrs["name"], self.dataset.group.attrs["name"]
        rows = [
            {
                "metric": found.metric,
                "order_parameter": found.metric == self.order_parameter,
                "along": along,
                second: math.nan if found.group is None else float(found.group),
                **_row(found),
            }
            for found in self.findings
        ]
        return DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Give everything but the dataset in the types of JSON; a number that is not finite is None.

        Returns:
            A dict that the JSON Schema `analysis.schema.json` of this package describes, field by field.
        """
        data = self.dataset
        return plain(
            {
                "schema": SCHEMA,
                "versions": {name: version(name) for name in ("jaxphase", "jax", "numpy")},
                "order_parameter": self.order_parameter,
                "step": data.step.item() if "step" in data.coords else None,
                "along": dict(data.x.attrs),
                "grouped_by": dict(data.group.attrs),
                "sizes": data.x.values,
                "labels": {name: _labels(data[name]) for name in self.metrics},
                "boundary": list(self.boundary),
                "findings": [vars(finding) for finding in self.findings],
                "evidence": vars(self.evidence),
            },
            pairs=(Interval,),
        )

    def to_json(self, path: str | Path) -> None:
        """Write `to_dict` to a file; InputError if it cannot be written."""
        write_json(self.to_dict(), path)


def _row(found: Finding) -> dict[str, Any]:
    """The numbers and words of a finding without its curve, flat."""
    slope = found.slope or Slope((), (), (), math.nan, Interval(math.nan, math.nan))
    numbers = ("width", "bootstrap_se", "delta_bic", "straight_line_p", "straight_line_rejected")
    return {
        "kind": found.kind.name.lower(),
        "critical_size": found.critical_size,
        "critical_low": found.interval.low,
        "critical_high": found.interval.high,
        **{name: getattr(found, name) for name in (*numbers, "exponent", "exponent_se")},
        "steepest": slope.steepest,
        "steepest_low": slope.interval.low,
        "steepest_high": slope.interval.high,
        "partner": found.partner,
        "mirage": "" if found.mirage is None else found.mirage.name.lower(),
        **{name: getattr(found, name) for name in ("points", "sizes", "diverged")},
    }


def _labels(values: xr.DataArray) -> dict[str, str]:
    """Long name and units, where there are any."""
    return {key: values.attrs[key] for key in ("long_name", "units") if key in values.attrs}
