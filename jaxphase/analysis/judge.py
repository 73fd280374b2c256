"""From measured curves to verdicts: is there a transition in model or data size, where, how wide, and how sure?"""

import functools
import math
import tomllib
from collections.abc import Mapping
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from jaxphase import detect
from jaxphase.analysis.evidence import weigh
from jaxphase.analysis.findings import Analysis, Break, Finding, Interval, Slope
from jaxphase.curves import at_best_rate, at_step, axis, check, metrics_of
from jaxphase.detect.distributions import student_t_975
from jaxphase.errors import InputError
from jaxphase.runtime.traces import traced
from jaxphase.words.wording import SMOOTH, TRANSITIONS, in_figures, size_unit

_TOO_FEW_POINTS = "too few points"
# Metrics of a sweep that are thresholded, and the continuous ones that the same readout gives.
PARTNERS = {"accuracy": "probe_cross_entropy"}


class _Fits(NamedTuple):
    """What the detectors say, every field [curves, ...]."""

    classify: detect.Verdict
    fit_sigmoid: detect.Sigmoid
    fit_power_law: detect.PowerLaw
    fit_piecewise_power_law: detect.PiecewisePowerLaw
    fit_broken_power_law: detect.BrokenPowerLaw
    gradients: detect.Gradients
    segment: detect.Segmentation
    cusum: detect.Cusum
    change_test: detect.ChangeTest
    mirage_test: detect.Mirage
    bootstrap: detect.Bootstrap


for _result in (_Fits, *_Fits.__annotations__.values()):
    jax.export.register_namedtuple_serialization(_result, serialized_name=f"jaxphase.{_result.__name__}")


def analyze(
    data: xr.Dataset,
    *,
    order_parameter: str | None = None,
    partners: Mapping[str, str] | None = None,
    step: int | None = None,
) -> Analysis:
    """Judge every metric of `data` against the logarithm of model size, at each data size, all seeds as points.

    Of what `curves.along_data` gives it is data size, at each model size, and so wherever the two are named below.

    data: dims (learning_rate?, data_size?, size, seed, step?) with coordinate `params` along size, from a sweep or
    `curves.read`; of several learning rates the best for each size counts (see `curves.at_best_rate`); models with
    `diverged_at` up to the step are left out and counted. step: a checkpoint, the last by default.
    order_parameter: the metric that headline and phase diagram are about; by default the one that the dataset's spec
    names, else mutual_information, else the first. partners: for a thresholded metric, such as accuracy, the continuous
    one, such as a log-likelihood, that tells if a jump of the first is in the models or in the metric; by default
    accuracy and probe_cross_entropy where there are both.

    The interval of a critical size reaches over both the 95 % interval of the fit, whose residuals hold the misfit of
    the curve as well as the noise of the seeds, and that of a bootstrap over the seeds. A curve that cannot be judged
    has the kind "too few points". `evidence` says whether a change of the order parameter is a transition, of which
    order, or a crossover: whether it sharpens as the data size grows, which takes three of them. Raises InputError for
    a dataset, metric or step that is not there.
    """
    data = at_step(check(at_best_rate(data)), step)
    names = metrics_of(data)
    order_parameter = _order_parameter(order_parameter, names, data)
    curves = data[list(names)].to_dataarray("metric")
    if "data_size" not in curves.dims:
        curves = curves.expand_dims("data_size")
    curves = curves.transpose("metric", "data_size", "seed", "size")
    values = curves.values.astype(float).reshape(-1, *curves.shape[2:])
    params = np.asarray(data.params, float)
    reference = np.exp(np.mean(np.log(params)))
    partners = _partners(partners, names)
    partner_of = {name: curves.sel(metric=other).values for name, other in partners.items()}
    nothing = np.full(curves.shape[1:], np.nan)
    partner = np.stack([partner_of.get(name, nothing) for name in names]).astype(float).reshape(values.shape)
    fits = _judge(np.log10(params), params / reference, values, partner)
    significant = np.asarray(detect.benjamini_hochberg(fits.change_test.p_value))

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
            "partner": partners.get(name, ""),
        }
        fit = jax.tree.map(lambda field, i=i: field[i], fits)
        findings.append(_finding(fit, params, reference, size_unit(data), details))
    changes = any(found.has_transition for found in findings if found.metric == order_parameter)
    outcomes = curves.sel(metric=order_parameter).transpose("data_size", "size", "seed").values.astype(float)
    words = axis(data, "params"), axis(data, "data_size")
    evidence = weigh(order_parameter, outcomes, np.atleast_1d(groups), params, changes, words)
    return Analysis(data, tuple(findings), order_parameter, evidence)


def _judge(*arrays: np.ndarray) -> _Fits:
    """All detectors on all curves, as NumPy arrays: log10 and relative size, values, and those of their partners."""
    numbers = [jnp.asarray(array, float) for array in arrays]
    program = _program(*(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in numbers))
    return jax.tree.map(np.asarray, program(*numbers))


@functools.cache
def _program(*shapes: jax.ShapeDtypeStruct) -> jax.stages.Compiled:
    """One program for all detectors; compiled without optimisation on a CPU: half the time, and it runs in seconds."""
    options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else {}
    return jax.jit(traced(_all_detectors, *shapes)).lower(*shapes).compile(options)


def _all_detectors(log_size, relative_size, values, partner) -> _Fits:
    """Values and those of their partners are [curves, seeds, sizes], every field of the fits [curves, ...]."""
    count, seeds, _ = values.shape
    x, size, y = jnp.tile(log_size, seeds), jnp.tile(relative_size, seeds), values.reshape(count, -1)
    return _Fits(
        classify=detect.classify(x, y),
        fit_sigmoid=detect.fit_sigmoid(x, y),
        fit_power_law=detect.fit_power_law(size, y),
        fit_piecewise_power_law=detect.fit_piecewise_power_law(size, y),
        fit_broken_power_law=detect.fit_broken_power_law(size, y),
        gradients=detect.gradients(x, y),
        segment=detect.segment(x, y),
        cusum=detect.cusum(x, y),
        change_test=detect.change_test(x, y),
        mirage_test=detect.mirage_test(x, y, partner.reshape(count, -1)),
        bootstrap=detect.bootstrap(detect.fit_sigmoid, log_size, values, jax.random.key(0)),
    )


def _finding(fit: _Fits, params: np.ndarray, reference: float, unit: str, details: dict[str, Any]) -> Finding:
    """The finding of one curve, whose fields are numbers."""
    verdict, seeds = fit.classify, fit.bootstrap
    kind = detect.KINDS[verdict.kind] if verdict.kind >= 0 else _TOO_FEW_POINTS
    found = kind in TRANSITIONS
    ends = np.fmin(verdict.interval, seeds.interval.center)[0], np.fmax(verdict.interval, seeds.interval.center)[1]
    critical, low, high = _sizes((verdict.center, *(ends if found else (np.nan, np.nan))))
    exponent = (fit.fit_power_law.exponent, fit.fit_power_law.exponent_se) if kind == "power_law" else (np.nan, np.nan)
    mirage = detect.MIRAGE_KINDS[fit.mirage_test.kind] if found and details["partner"] else ""
    return Finding(
        kind=kind,
        verdict=_verdict(kind, Interval(low, high), unit),
        remark=_remark(kind, fit, params, mirage, details),
        critical_size=critical,
        interval=Interval(low, high),
        width=float(verdict.width),
        bootstrap_se=float(seeds.standard_error.center) if found else math.nan,
        delta_bic=float(verdict.delta_bic),
        bic={name: float(value) for name, value in zip(detect.KINDS, verdict.bic, strict=True)},
        p_value=float(fit.change_test.p_value),
        exponent=float(exponent[0]),
        exponent_se=float(exponent[1]),
        parameters=_parameters(kind, fit, reference),
        slope=_slope(fit.gradients, params),
        breaks=_breaks(fit.fit_broken_power_law, reference, details["points"]) if kind == "broken_power_law" else (),
        mirage=mirage,
        detectors={name: result for name, result in fit._asdict().items() if name != "bootstrap"},
        **details,
    )


def _parameters(kind: str, fit: _Fits, reference: float) -> dict[str, float]:
    """The numbers of the fit of that kind that a curve can be drawn from."""
    names, result = {
        "sigmoid": (("center", "rate", "low", "high"), fit.fit_sigmoid),
        "power_law": (("floor", "amplitude", "exponent"), fit.fit_power_law),
        "broken_power_law": (("a", "b", "c", "d", "f"), fit.fit_broken_power_law),
    }.get(kind, ((), None))
    parameters = {name: np.asarray(getattr(result, name), float).tolist() for name in names}
    return parameters | ({"reference": float(reference)} if kind.endswith("power_law") else {})


def _slope(fit: detect.Gradients, params: np.ndarray) -> Slope | None:
    """The derivative at each size, which is the same for all seeds that are there."""
    present = np.isfinite(fit.first).reshape(-1, len(params))
    seen = present.any(axis=0)
    if not seen.any():
        return None
    row = present.argmax(axis=0)[seen], np.flatnonzero(seen)
    value, error = (field.reshape(-1, len(params))[row] for field in (fit.first, fit.first_se))
    steepest, low, high = _sizes((fit.steepest, *fit.steepest_interval))
    return Slope(*(tuple(a.tolist()) for a in (params[seen], value, error)), steepest, Interval(low, high))


def _breaks(fit: detect.BrokenPowerLaw, reference: float, points: int) -> tuple[Break, ...]:
    """The breaks of a broken power law whose place is known, in sizes, with the exponents of size beside them."""
    reach = float(student_t_975(points - 3 - 3 * fit.d.size))
    before, breaks = -np.asarray(fit.c, float).cumsum(), []
    for i, (place, error) in enumerate(zip(fit.d, fit.log_d_se, strict=True)):
        if fit.status <= 1 and np.isfinite(error):
            ends = reference * place * np.exp([-reach * error, reach * error])
            breaks.append(Break(float(reference * place), Interval(*ends.tolist()), *before[i : i + 2].tolist()))
    return tuple(breaks)


def _sizes(log_sizes) -> list[float]:
    """Sizes from their decimal logarithms; one beyond all numbers is infinite."""
    with np.errstate(over="ignore"):
        return np.power(10.0, np.asarray(log_sizes, float)).tolist()


def _verdict(kind: str, interval: Interval, unit: str) -> str:
    if kind == "sigmoid":
        return "crossover (sigmoid)"
    if kind == "step":
        return f"step between {in_figures(interval.low)} and {in_figures(interval.high)} {unit}"
    return f"no transition: {SMOOTH[kind]}" if kind in SMOOTH else kind


def _remark(kind: str, fit: _Fits, params: np.ndarray, mirage: str, details: Mapping[str, Any]) -> str:
    """What limits the verdict: levels that were not reached, a metric that makes the jump, models that were lost."""
    verdict, diverged, remarks = fit.classify, details["diverged"], []
    if kind == "sigmoid":
        before = verdict.center - verdict.width / 2 < np.log10(params.min())
        beyond = verdict.center + verdict.width / 2 > np.log10(params.max())
        ends = [name for name, outside in (("begins before", before), ("ends beyond", beyond)) if outside]
        remarks += [f"{' and '.join(ends)} the measured sizes"] if ends else []
    if mirage in ("in the metric", "in the model"):
        remarks.append(f"{details['partner']} says that the jump is {mirage}")
    if diverged:
        remarks.append(f"{diverged} diverged {'model' if diverged == 1 else 'models'} left out")
    return "; ".join(remarks)


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
