"""From measured curves to findings: is there a transition in model or data size, where, how wide, and how sure?"""

import math
import tomllib
from collections.abc import Mapping
from itertools import product
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from jaxphase import detect
from jaxphase.analysis.evidence import transition_evidence
from jaxphase.analysis.findings import Analysis, Break, Finding, Interval, Slope
from jaxphase.analysis.fits import Fits, run_detectors
from jaxphase.curves import Along, at_step, curves_along, has_groups, metrics_of
from jaxphase.detect import CurveKind, MirageKind, Status
from jaxphase.detect.distributions import student_t_975
from jaxphase.errors import InputError

# Thresholded metrics of a sweep, and the continuous metrics of the same readout.
PARTNERS = {"accuracy": "probe_cross_entropy"}


def analyze(
    data: xr.Dataset,
    *,
    along: Along = "model_size",
    order_parameter: str | None = None,
    partners: Mapping[str, str] | None = None,
    step: float | None = None,
) -> Analysis:
    """Judge every metric against the logarithm of model size or data size.

    Each group (each data size, say) is judged by itself; all seeds are points of one curve. The interval of a critical
    size covers the 95 % intervals of the fit and of a bootstrap over seeds.

    Args:
        data: Dims `(learning_rate?, data_size?, size, seed, step?)` with the coordinate `params` along size, from
            `jaxphase.sweep.run` or `jaxphase.read`. Of several learning rates the best per size counts.
        along: The size that curves go over, "model_size" or "data_size"; the other size tells curves apart.
        order_parameter: The metric of headline, phase diagram and evidence; by default the one in the sweep's spec,
            else mutual_information, else the first.
        partners: For each thresholded metric, such as accuracy, the continuous one that tells whether a jump is in the
            models; by default accuracy and probe_cross_entropy where both exist.
        step: The checkpoint to judge, by default the last. Models that have diverged by then are left out and counted.

    Returns:
        An `Analysis`. A curve that cannot be judged has the kind `CurveKind.TOO_FEW_POINTS`. Its evidence says whether
        a change of the order parameter is a transition, from three groups on.

    Raises:
        InputError: For a dataset without curves, or a metric or step that is not there.

    Example:
        >>> analysis = jaxphase.analyze(jaxphase.read("runs.csv"))
        >>> print(jaxphase.headline(analysis))
    """
    data = at_step(curves_along(data, along), step)
    names = metrics_of(data)
    order_parameter = _order_parameter(order_parameter, names, data)
    partners = _partners(partners, names)
    curves = data[list(names)].to_dataarray("metric").transpose("metric", "group", "seed", "x")
    values = curves.values.astype(float).reshape(-1, *curves.shape[2:])
    x = np.asarray(data.x, float)
    reference = float(np.exp(np.mean(np.log(x))))
    nothing = np.full(curves.shape[1:], np.nan)
    partner = np.stack([curves.sel(metric=partners[name]).values if name in partners else nothing for name in names])
    fits = run_detectors(np.log10(x), x / reference, values, partner.astype(float).reshape(values.shape))
    rejected = np.asarray(detect.benjamini_hochberg(fits.change_test.p_value))

    groups = data.group.values.tolist() if has_groups(data) else [None]
    diverged = data.diverged.broadcast_like(curves[0]).sum(("x", "seed")).values
    findings = []
    for i, (name, (j, group)) in enumerate(product(names, enumerate(groups))):
        present = np.isfinite(values[i])
        details = {
            "metric": name,
            "group": group,
            "straight_line_rejected": bool(rejected[i]),
            "points": int(present.sum()),
            "sizes": len(set(x[present.any(axis=0)])),
            "diverged": int(diverged[j]),
            "partner": partners.get(name, ""),
        }
        fit = jax.tree.map(lambda field, i=i: field[i], fits)
        findings.append(_finding(fit, x, reference, details))
    changes = any(found.has_transition for found in findings if found.metric == order_parameter)
    outcomes = curves.sel(metric=order_parameter).transpose("group", "x", "seed").values.astype(float)
    evidence = transition_evidence(x, outcomes, np.asarray(data.group, float), metric=order_parameter, changes=changes)
    return Analysis(data, tuple(findings), order_parameter, evidence)


def _finding(fit: Fits, x: Float[np.ndarray, " sizes"], reference: float, details: dict[str, Any]) -> Finding:
    """The finding of one curve, whose fields are numbers."""
    verdict, seeds, kind = fit.classify, fit.bootstrap, CurveKind(int(fit.classify.kind))
    found = kind.is_transition
    ends = np.fmin(verdict.interval, seeds.interval.center)[0], np.fmax(verdict.interval, seeds.interval.center)[1]
    critical, low, high = _sizes((verdict.center, *(ends if found else (np.nan, np.nan))))
    law = fit.fit_power_law
    exponent = (law.exponent, law.exponent_se) if kind == CurveKind.POWER_LAW else (np.nan, np.nan)
    judged = (one for one in CurveKind if one != CurveKind.TOO_FEW_POINTS)
    return Finding(
        kind=kind,
        critical_size=critical,
        interval=Interval(low, high),
        width=float(verdict.width),
        bootstrap_se=float(seeds.standard_error.center) if found else math.nan,
        delta_bic=float(verdict.delta_bic),
        bic={one.name.lower(): float(value) for one, value in zip(judged, verdict.bic, strict=True)},
        straight_line_p=float(fit.change_test.p_value),
        exponent=float(exponent[0]),
        exponent_se=float(exponent[1]),
        parameters=_parameters(kind, fit, reference),
        slope=_slope(fit.gradients, x),
        breaks=_breaks(fit.fit_broken_power_law, reference, details["points"])
        if kind == CurveKind.BROKEN_POWER_LAW
        else (),
        mirage=MirageKind(int(fit.mirage_test.kind)) if found and details["partner"] else None,
        detectors={name: result for name, result in fit._asdict().items() if name != "bootstrap"},
        **details,
    )


def _parameters(kind: CurveKind, fit: Fits, reference: float) -> dict[str, Any]:
    """The parameters of the fit of that kind, from which a curve can be drawn."""
    names, result = {
        CurveKind.SIGMOID: (("center", "rate", "low", "high"), fit.fit_sigmoid),
        CurveKind.POWER_LAW: (("floor", "amplitude", "exponent"), fit.fit_power_law),
        CurveKind.BROKEN_POWER_LAW: (("a", "b", "c", "d", "f"), fit.fit_broken_power_law),
    }.get(kind, ((), None))
    parameters = {name: np.asarray(getattr(result, name), float).tolist() for name in names}
    is_law = kind in (CurveKind.POWER_LAW, CurveKind.BROKEN_POWER_LAW)
    return parameters | ({"reference": reference} if is_law else {})


def _slope(fit: detect.Gradients, x: Float[np.ndarray, " sizes"]) -> Slope | None:
    """The derivative at each size, which is the same for all seeds that are there."""
    present = np.isfinite(fit.first).reshape(-1, len(x))
    seen = present.any(axis=0)
    if not seen.any():
        return None
    row = present.argmax(axis=0)[seen], np.flatnonzero(seen)
    value, error = (np.reshape(field, (-1, len(x)))[row] for field in (fit.first, fit.first_se))
    steepest, low, high = _sizes((fit.steepest, *fit.steepest_interval))
    sizes, slopes, errors = (tuple(column.tolist()) for column in (x[seen], value, error))
    return Slope(sizes, slopes, errors, steepest, Interval(low, high))


def _breaks(fit: detect.BrokenPowerLaw, reference: float, points: int) -> tuple[Break, ...]:
    """The breaks whose place is known, in sizes, with the exponents on both sides."""
    reach = float(student_t_975(points - 3 - 3 * fit.d.size))
    before, breaks = -np.asarray(fit.c, float).cumsum(), []
    for i, (place, error) in enumerate(zip(fit.d, fit.log_d_se, strict=True)):
        if fit.status <= Status.AT_BOUND and np.isfinite(error):
            ends = reference * place * np.exp([-reach * error, reach * error])
            size, interval = float(reference * place), Interval(float(ends[0]), float(ends[1]))
            breaks.append(Break(size, interval, before=float(before[i]), after=float(before[i + 1])))
    return tuple(breaks)


def _sizes(log_sizes: Any) -> list[float]:
    """Sizes from their decimal logarithms; one beyond all numbers is infinite."""
    with np.errstate(over="ignore"):
        return np.power(10.0, np.asarray(log_sizes, float)).tolist()


def _partners(chosen: Mapping[str, str] | None, names: tuple[str, ...]) -> dict[str, str]:
    if chosen is None:
        return {name: other for name, other in PARTNERS.items() if {name, other} <= set(names)}
    for name in (*chosen, *chosen.values()):
        if name not in names:
            raise InputError(f"partners names {name!r}: choose from {', '.join(names)}.")
    return dict(chosen)


def _order_parameter(chosen: str | None, names: tuple[str, ...], data: xr.Dataset) -> str:
    if chosen is not None and chosen not in names:
        raise InputError(f"order_parameter is {chosen!r}: choose one of {', '.join(names)}.")
    spec = data.attrs["spec"] if "jaxphase_version" in data.attrs else ""
    stored = tomllib.loads(spec).get("phase_transition", {}).get("order_parameter")
    return next(name for name in (chosen, stored, "mutual_information", names[0]) if name in names)
