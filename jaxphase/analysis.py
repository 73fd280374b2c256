"""From measured curves to verdicts: is there a transition in model size, where, how wide, and how sure are we?"""

import math
import tomllib
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from jaxphase import detect
from jaxphase.curves import at_step, check, metrics_of
from jaxphase.errors import InputError
from jaxphase.findings import SMOOTH, TRANSITIONS, Analysis, Finding, Interval, in_figures, size_unit

_TOO_FEW_POINTS = "too few points"


class _Fits(NamedTuple):
    """What the detectors say, every field [curves, ...]."""

    verdict: detect.Verdict
    sigmoid: detect.Sigmoid
    power_law: detect.PowerLaw
    change: detect.ChangeTest
    center_se: jax.Array
    center_interval: jax.Array


def analyze(data: xr.Dataset, *, order_parameter: str | None = None, step: int | None = None) -> Analysis:
    """Judge every metric of `data` against the logarithm of model size, at each data size, all seeds as points.

    data: dims (data_size?, size, seed, step?) with coordinate `params` along size, from a sweep or `curves.read`;
    models with `diverged_at` up to the step are left out and counted. step: a checkpoint, the last by default.
    order_parameter: the metric that headline and phase diagram are about; by default the one that the dataset's spec
    names, else mutual_information, else the first.

    The interval of a critical size reaches over both the 95 % interval of the fit, whose residuals hold the misfit of
    the curve as well as the noise of the seeds, and that of a bootstrap over the seeds. A curve that cannot be judged
    has the kind "too few points". Raises InputError for a dataset, metric or step that is not there.
    """
    data = at_step(check(data), step)
    names = metrics_of(data)
    order_parameter = _order_parameter(order_parameter, names, data)
    curves = data[list(names)].to_dataarray("metric")
    if "data_size" not in curves.dims:
        curves = curves.expand_dims("data_size")
    curves = curves.transpose("metric", "data_size", "seed", "size")
    values = curves.values.astype(float).reshape(-1, *curves.shape[2:])
    params = np.asarray(data.params, float)
    reference = np.exp(np.mean(np.log(params)))
    fits = jax.tree.map(np.asarray, _judge(np.log10(params), params / reference, values))
    significant = np.asarray(detect.benjamini_hochberg(fits.change.p_value))

    groups = np.atleast_1d(data.data_size.values).tolist() if "data_size" in data.coords else [None]
    diverged = data.diverged.broadcast_like(curves[0]).sum(("size", "seed")).values
    findings = []
    for i, (name, (j, group)) in enumerate(product(names, enumerate(groups))):
        present = np.isfinite(values[i])
        details = {
            "metric": name,
            "data_size": group,
            "significant": bool(significant[i]),
            "points": int(present.sum()),
            "sizes": len(set(params[present.any(axis=0)])),
            "diverged": int(diverged[j]),
        }
        fit = jax.tree.map(lambda field, i=i: field[i], fits)
        findings.append(_finding(fit, params, reference, size_unit(data), details))
    return Analysis(data, tuple(findings), order_parameter)


@jax.jit
def _judge(log_size, relative_size, values) -> _Fits:
    """All detectors on all curves, values [curves, seeds, sizes], as one program."""
    count, seeds, _ = values.shape
    x, y = jnp.tile(log_size, seeds), values.reshape(count, -1)
    resampled = detect.bootstrap(detect.fit_sigmoid, log_size, values, jax.random.key(0))
    return _Fits(
        verdict=detect.classify(x, y),
        sigmoid=detect.fit_sigmoid(x, y),
        power_law=detect.fit_power_law(jnp.tile(relative_size, seeds), y),
        change=detect.change_test(x, y),
        center_se=resampled.standard_error.center,
        center_interval=resampled.interval.center,
    )


def _finding(fit: _Fits, params: np.ndarray, reference: float, unit: str, details: dict[str, Any]) -> Finding:
    """The finding of one curve, whose fields are numbers."""
    verdict = fit.verdict
    kind = detect.KINDS[verdict.kind] if verdict.kind >= 0 else _TOO_FEW_POINTS
    found = kind in TRANSITIONS
    ends = [np.fmin(verdict.interval[0], fit.center_interval[0]), np.fmax(verdict.interval[1], fit.center_interval[1])]
    ends = ends if found else [np.nan, np.nan]
    with np.errstate(over="ignore"):
        critical, low, high = (float(np.power(10.0, float(place))) for place in (verdict.center, *ends))
    parameters, exponent, exponent_se = {}, math.nan, math.nan
    if kind == "sigmoid":
        parameters = {name: float(getattr(fit.sigmoid, name)) for name in ("center", "rate", "low", "high")}
    elif kind == "power_law":
        exponent, exponent_se = float(fit.power_law.exponent), float(fit.power_law.exponent_se)
        parameters = {name: float(getattr(fit.power_law, name)) for name in ("floor", "amplitude", "exponent")}
        parameters["reference"] = float(reference)
    return Finding(
        kind=kind,
        verdict=_verdict(kind, Interval(low, high), unit),
        remark=_remark(kind, fit, params, details["diverged"]),
        critical_size=critical,
        interval=Interval(low, high),
        width=float(verdict.width),
        bootstrap_se=float(fit.center_se) if found else math.nan,
        delta_bic=float(verdict.delta_bic),
        bic={name: float(value) for name, value in zip(detect.KINDS, verdict.bic, strict=True)},
        p_value=float(fit.change.p_value),
        exponent=exponent,
        exponent_se=exponent_se,
        parameters=parameters,
        **details,
    )


def _verdict(kind: str, interval: Interval, unit: str) -> str:
    if kind == "sigmoid":
        return "crossover (sigmoid)"
    if kind == "step":
        return f"step between {in_figures(interval.low)} and {in_figures(interval.high)} {unit}"
    return f"no transition: {SMOOTH[kind]}" if kind in SMOOTH else kind


def _remark(kind: str, fit: _Fits, params: np.ndarray, diverged: int) -> str:
    """What limits the verdict: levels that were not reached, models that were lost."""
    remarks = []
    if kind == "sigmoid":
        before = fit.verdict.center - fit.verdict.width / 2 < np.log10(params.min())
        beyond = fit.verdict.center + fit.verdict.width / 2 > np.log10(params.max())
        ends = [name for name, outside in (("begins before", before), ("ends beyond", beyond)) if outside]
        remarks += [f"{' and '.join(ends)} the measured sizes"] if ends else []
    if diverged:
        remarks.append(f"{diverged} diverged {'model' if diverged == 1 else 'models'} left out")
    return "; ".join(remarks)


def _order_parameter(chosen: str | None, names: tuple[str, ...], data: xr.Dataset) -> str:
    if chosen is not None and chosen not in names:
        raise InputError(f"order_parameter is {chosen!r}: choose one of {', '.join(names)}.")
    spec = data.attrs["spec"] if "jaxphase_version" in data.attrs else ""
    stored = tomllib.loads(spec).get("phase_transition", {}).get("order_parameter")
    return next(name for name in (chosen, stored, "mutual_information", names[0]) if name in names)
