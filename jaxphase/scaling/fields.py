"""Correlations of a field over its positions (tokens, pixels, layers, steps), and the length over which they decay.

A field is many samples of numbers at equally spaced positions, `[..., samples, length]` or `[..., samples, length,
length]`. Its connected correlation `C(r) = <f(x) f(x + r)> - <f(x)><f(x + r)>` takes the mean over samples away at
each position, so that a pattern that all samples share is no correlation. Errors are those of the jackknife over blocks
of consecutive samples: a block should be longer than samples remember one another.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..detect.batched import as_curves, check_choice
from ..detect.least_squares import standard_errors
from ..detect.points import count, distinct
from ..detect.status import AT_BOUND, NOT_IDENTIFIED, OK, TOO_FEW_POINTS, answered, first_true

# Lags from the first to that where C falls below so many errors tell the exponential length.
_LOST = 3.0
# Other decays than the longest may hide it at first: a later first lag is taken if its fit differs by so many errors.
_FIRST_LAGS, _DIFFERENT = (1, 3, 6), 2.5
_SHORTEST, _LONGEST = 0.15, 10.0
# A critical point outside the data is looked for as far as this many ranges of the control.
_FARTHEST = 10.0


class CorrelationFunction(NamedTuple):
    """`distance` and `radial_distance` are the mean lags of the entries of `along` `[..., axes, lags]` and `radial`
    `[..., lags]`, with their errors; the correlation along an axis has lag 0 along the other."""

    distance: jax.Array
    along: jax.Array
    along_se: jax.Array
    radial_distance: jax.Array
    radial: jax.Array
    radial_se: jax.Array
    status: jax.Array


class CorrelationLengths(NamedTuple):
    """Second-moment and exponential correlation length in positions, each `[...]`."""

    second_moment: jax.Array
    second_moment_se: jax.Array
    exponential: jax.Array
    exponential_se: jax.Array
    status: jax.Array


class CorrelationExponent(NamedTuple):
    """`xi = amplitude * |control - critical|**-nu`, amplitude `[..., 2]` below and above the critical point."""

    nu: jax.Array
    nu_se: jax.Array
    critical: jax.Array
    critical_se: jax.Array
    amplitude: jax.Array
    chi2: jax.Array
    dof: jax.Array
    status: jax.Array


class DepthCorrelation(NamedTuple):
    """Depth over which signals correlate, in layers."""

    length: jax.Array
    length_se: jax.Array
    status: jax.Array


def connected_correlation(field, *, axes=1, periodic=True, blocks=20) -> CorrelationFunction:
    """Connected correlation function at integer distances, along each axis and averaged over directions, by FFT.

    field: `[..., samples, *positions]` with `axes` = 1 or 2 axes of positions; a sample that is not finite anywhere is
    missing. periodic=True: positions are on a ring or torus, lags go to half of the shortest axis; False: they have
    ends, every lag is the mean over the pairs that exist, lags go to the shortest axis less one. The estimate is
    unbiased for independent samples. radial is the mean over all lag vectors whose length rounds to the same integer.
    blocks: of the jackknife, at most one per sample.

    status 2: constant, zeros with zero errors. status 3: fewer than two samples present, NaN.
    """
    field, blocks = _as_field(field, axes, periodic, blocks)
    return _lifted(functools.partial(_correlation, axes=axes, periodic=periodic, blocks=blocks), field, axes + 1)


def correlation_lengths(field, *, axes=1, periodic=True, blocks=20) -> CorrelationLengths:
    """Second-moment and exponential correlation length of a field, with jackknife errors.

    field, axes, periodic, blocks as in `connected_correlation`. Both lengths come from the field summed over the other
    axis (zero momentum), whose correlation has no power of r before its exponential, and are averages over the axes: of
    a field that is not isotropic take one axis for the samples. Both are corrected for the jackknife's bias.

    second_moment: `sqrt(S(0) / S(k) - 1) / (2 sin(pi / L))` with the structure factor S at 0 and at k = 2 pi / L
    (Cooper, Freedman & Preston 1982, Nucl. Phys. B 210, 210), for periodic fields alone, else NaN. 0 if the data say
    that its square is negative.
    exponential: C(r) ~ exp(-r / length), on a ring exp(-r / length) + exp(-(L - r) / length), by least squares over the
    lags from 1 to where C is lost in its error, weighted by these errors, or from 3 or 6 if the fit from there differs.
    Lag 0, to which noise of each position on its own adds, does not count. It is the larger of the two but for noise.

    status 1: exponential is beyond 10 axes or below 0.15 positions, or lag 2 is lost already, so that a single lag told
    it. status 2: lag 1 is lost in noise or negative; exponential NaN, and second_moment NaN too if the field is
    constant. status 3: fewer than four samples, or four positions, all NaN.
    """
    field, blocks = _as_field(field, axes, periodic, blocks)
    return _lifted(functools.partial(_lengths, axes=axes, periodic=periodic, blocks=blocks), field, axes + 1)


def fit_correlation_exponent(control, xi, xi_se, critical=None) -> CorrelationExponent:
    """Fit `xi = amplitude * |control - critical|**-nu` in the logarithm of xi, with an amplitude for each side.

    control, xi, xi_se: `[..., n]`; xi_se is the standard error, and a point without a finite positive xi and error is
    missing. critical: `[...]`, or None to fit it: over the data and ten times their range to both sides. Points so near
    to it that their length is the system's must be left out by the caller. The errors are those of xi_se propagated,
    widened by sqrt(chi2 / dof) if that exceeds one. A side without points has amplitude NaN. critical_se is 0 if
    critical was given.

    status 1: critical is at the edge of its search. status 2: xi does not vary, NaN. status 3: not more points than
    numbers to fit, NaN.
    """
    control, xi, xi_se = as_curves(control, xi, xi_se)
    lead = control.shape[:-1]
    fitted = critical is None
    critical = jnp.zeros(lead) if fitted else jnp.asarray(critical)
    try:
        critical = jnp.broadcast_to(critical.astype(control.dtype), lead)
    except ValueError:
        raise ValueError(f"critical {critical.shape} does not broadcast to the curves {lead}") from None
    curves = (a.reshape(math.prod(lead), *a.shape[len(lead) :]) for a in (control, xi, xi_se, critical))
    result = _all_exponents(*curves, fitted=fitted)
    return jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), result)


@jax.jit
def depth_correlation(chi, chi_se=None) -> DepthCorrelation:
    """Depth `-1 / ln(chi)` over which a network of layer-to-layer susceptibility chi correlates its signals.

    chi, chi_se: `[...]`, chi the factor by which a layer multiplies a small difference of two inputs (Poole et al.
    2016; Schoenholz et al. 2017, ICLR). Positive below one (ordered: differences die over this depth), infinite at one,
    negative above one (chaotic: they grow by e over its absolute value). The error is `length**2 * chi_se / chi`, NaN
    without chi_se. status 1: chi is within two errors of one, so that even the sign is open. status 2: chi is not
    positive or not finite, NaN.
    """
    chi = jnp.asarray(chi)
    dtype = jnp.promote_types(jnp.result_type(chi, float), jnp.float32)
    chi, chi_se = jnp.broadcast_arrays(chi.astype(dtype), jnp.asarray(jnp.nan if chi_se is None else chi_se, dtype))
    known = (chi > 0) & jnp.isfinite(chi)
    rate = -jnp.log(jnp.where(known, chi, 0.5))
    marginal = rate == 0
    length = jnp.where(marginal, jnp.inf, 1 / jnp.where(marginal, 1, rate))
    open_sign = marginal | (jnp.abs(1 - chi) < 2 * chi_se)
    status = jnp.where(known, jnp.where(open_sign, AT_BOUND, OK), NOT_IDENTIFIED).astype(jnp.int32)
    error = jnp.where(jnp.isnan(chi_se), jnp.nan, jnp.square(length) * chi_se / jnp.where(known, chi, 1))
    return DepthCorrelation(jnp.where(known, length, jnp.nan), jnp.where(known, error, jnp.nan), status)


def _as_field(field, axes, periodic, blocks):
    field = jnp.asarray(field)
    check_choice("axes", axes, (1, 2))
    check_choice("periodic", periodic, (True, False))
    if field.ndim < axes + 1 or 0 in field.shape[-axes - 1 :]:
        positions = ", ".join(["length"] * axes)
        raise ValueError(f"field must have shape [..., samples, {positions}] and no empty axis, got {field.shape}")
    if jnp.issubdtype(field.dtype, jnp.complexfloating):
        raise ValueError(f"field must be real, got {field.dtype}")
    if not isinstance(blocks, int) or blocks < 2:
        raise ValueError(f"blocks must be an int of at least 2, got {blocks!r}")
    return field.astype(jnp.promote_types(jnp.result_type(field, float), jnp.float32)), min(
        blocks, field.shape[-axes - 1]
    )


def _lifted(one_field, field, core):
    """The function of one field over the leading axes."""
    lead = field.shape[: field.ndim - core]
    result = jax.vmap(one_field)(field.reshape(math.prod(lead), *field.shape[field.ndim - core :]))
    return jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), result)


@functools.partial(jax.jit, static_argnames=("axes", "periodic", "blocks"))
def _correlation(field, *, axes, periodic, blocks):
    field, present, scale = _centred(field)
    shape = field.shape[1:]
    sizes = [n if periodic else 2 * n for n in shape]
    power, used = _structure(field, present, blocks, sizes)
    sums = jnp.fft.irfftn(power, sizes, axes=range(1, axes + 1))
    lags = min(shape) // 2 + 1 if periodic else min(shape)
    offsets, pairs = _lag_grid(shape, periodic)
    mean = sums * scale**2 / np.maximum(pairs, 1)

    along = jnp.stack(
        [mean[(slice(None), *(slice(lags) if a == b else 0 for b in range(axes)))] for a in range(axes)], 1
    )
    length = np.sqrt(np.sum(np.square(offsets), axis=0))
    ring = np.where(pairs > 0, np.minimum(np.rint(length), lags), lags).astype(int).ravel()
    total = np.bincount(ring, pairs.ravel())[:lags]
    radial_distance = np.bincount(ring, (pairs * length).ravel())[:lags] / total
    weighted = (mean * pairs).reshape(len(mean), -1).T
    radial = jax.ops.segment_sum(weighted, ring, lags + 1)[:lags].T / total

    few = jnp.sum(present) < 2
    along, along_se = _jackknife(along, used, correct=False)
    radial, radial_se = _jackknife(radial, used, correct=False)
    result = CorrelationFunction(
        distance=jnp.arange(lags, dtype=field.dtype),
        along=along,
        along_se=along_se,
        radial_distance=jnp.asarray(radial_distance, field.dtype),
        radial=radial,
        radial_se=radial_se,
        status=first_true((few, TOO_FEW_POINTS), (~jnp.any(field != 0), NOT_IDENTIFIED)),
    )
    return answered(result, ~few)


def _lag_grid(shape, periodic):
    """Signed lags of each entry of the inverse transform, `[axes, *lags]`, and over how many pairs it is a sum."""
    sizes = [n if periodic else 2 * n for n in shape]
    lags = np.meshgrid(*(np.rint(np.fft.fftfreq(size) * size) for size in sizes), indexing="ij")
    if periodic:
        return np.stack(lags), np.full(shape, math.prod(shape), float)
    return np.stack(lags), np.prod([np.maximum(n - np.abs(lag), 0) for n, lag in zip(shape, lags, strict=True)], axis=0)


@functools.partial(jax.jit, static_argnames=("axes", "periodic", "blocks"))
def _lengths(field, *, axes, periodic, blocks):
    shape = field.shape[1:]
    if min(shape) < 4:
        nan = jnp.full((), jnp.nan, field.dtype)
        return CorrelationLengths(nan, nan, nan, nan, jnp.int32(TOO_FEW_POINTS))
    field, present, _ = _centred(field)
    found = []
    for length in sorted(set(shape)):
        # Axes of one length share their structure factor.
        size = length if periodic else 2 * length
        powers = []
        for axis in (axis for axis in range(axes) if shape[axis] == length):
            series = jnp.sum(field, axis=[other + 1 for other in range(axes) if other != axis])
            power, used = _structure(series, present, blocks, [size])
            powers.append(power)
        power, share = sum(powers) / len(powers), len(powers) / axes
        square = (power[:, 0] / power[:, 1] - 1) / (4 * math.sin(math.pi / length) ** 2)
        pairs = length if periodic else length - jnp.arange(length)
        correlation = jnp.fft.irfft(power, size)[:, : length // 2 + 1 if periodic else length] / pairs
        decay = _decay(correlation, used, length, periodic)
        found.append((share * square, share * decay.length, decay.single, decay.lost, decay.at_bound))

    squares, lengths, single, lost, at_bound = map(sum, zip(*found, strict=True))
    square, square_se = _jackknife(squares, used, correct=True)
    second = jnp.sqrt(jnp.maximum(square, 0))
    second_se = jnp.where(second > 0, square_se / (2 * jnp.where(second > 0, second, 1)), jnp.sqrt(square_se))
    exponential, exponential_se = _jackknife(lengths, used, correct=True)
    few, constant = jnp.sum(present) < 4, ~jnp.any(field != 0)
    known = ~few & ~constant
    return CorrelationLengths(
        second_moment=jnp.where(known & periodic, second, jnp.nan),
        second_moment_se=jnp.where(known & periodic, second_se, jnp.nan),
        exponential=jnp.where(known & (lost == 0), exponential, jnp.nan),
        exponential_se=jnp.where(known & (lost == 0), exponential_se, jnp.nan),
        status=first_true(
            (few, TOO_FEW_POINTS), (constant | (lost > 0), NOT_IDENTIFIED), (single + at_bound > 0, AT_BOUND)
        ),
    )


def _centred(field):
    """Deviations from the mean over the samples present, in units of their standard deviation; zeros if constant."""
    present = jnp.all(jnp.isfinite(field), axis=range(1, field.ndim))
    mask = present.reshape(-1, *(1,) * (field.ndim - 1))
    many = jnp.maximum(jnp.sum(present), 1)
    field = jnp.where(mask, field, 0)
    mean = jnp.sum(field, axis=0) / many
    deviation = jnp.where(mask, field - mean, 0)
    variance = jnp.sum(jnp.square(deviation)) / (many * mean.size)
    flat = variance <= jnp.square(8 * jnp.finfo(field.dtype).eps) * jnp.mean(jnp.square(mean))
    scale = jnp.sqrt(jnp.where(flat, 1, variance))
    return jnp.where(flat, 0, deviation / scale), present, scale


def _structure(field, present, blocks, sizes):
    """Unbiased connected structure factor of all samples and of all but each block, `[1 + blocks, *k]`, by the
    transform to these sizes (more zeros than positions keep the ends apart); and which blocks have samples."""
    size = -(-len(field) // blocks)
    gap = blocks * size - len(field)
    # Blocks of one size, as the jackknife supposes; the last ones may be empty.
    field, present = jnp.pad(field, [(0, gap)] + [(0, 0)] * (field.ndim - 1)), jnp.pad(present, (0, gap))
    waves = jnp.fft.rfftn(field, sizes, axes=range(1, field.ndim))

    def without_each(values):
        parts = jnp.sum(values.reshape(blocks, size, *values.shape[1:]), axis=1)
        total = jnp.sum(parts, axis=0)
        return jnp.concatenate([total[None], total - parts])

    many = without_each(present.astype(field.dtype))
    used = many[1:] < many[0]
    many = many.reshape(-1, *(1,) * (field.ndim - 1))
    mean_square = without_each(jnp.square(jnp.abs(waves))) / jnp.maximum(many, 1)
    square_mean = jnp.square(jnp.abs(without_each(waves) / jnp.maximum(many, 1)))
    return (mean_square - square_mean) * many / jnp.maximum(many - 1, 1), used


def _jackknife(values, used, *, correct):
    """Estimate and standard error from `values` `[1 + blocks, ...]`, that of all samples first; the estimate less its
    bias of order one over the samples if correct (Quenouille 1956; Efron 1982, The Jackknife)."""
    used = used.reshape(-1, *(1,) * (values.ndim - 1))
    many = jnp.maximum(jnp.sum(used), 2)
    mean = jnp.sum(jnp.where(used, values[1:], 0), axis=0) / many
    error = jnp.sqrt((many - 1) / many * jnp.sum(jnp.where(used, jnp.square(values[1:] - mean), 0), axis=0))
    return (many * values[0] - (many - 1) * mean if correct else values[0]), error


class _Decay(NamedTuple):
    """Exponential lengths `[1 + blocks]`; if a single lag told them, if none did and if they are at a bound, 0 or 1."""

    length: jax.Array
    single: jax.Array
    lost: jax.Array
    at_bound: jax.Array


def _decay(correlation, used, length, periodic):
    """The fit to the lags from the first on, or from a later one of _FIRST_LAGS if a fit from there differs."""
    mean, error = _jackknife(correlation, used, correct=False)
    lag = jnp.arange(1, correlation.shape[1], dtype=correlation.dtype)
    seen = jnp.cumprod(mean[1:] > _LOST * error[1:])
    error = jnp.maximum(error[1:], jnp.finfo(error.dtype).eps * mean[0])
    weight = jnp.where((seen > 0) | (lag <= 2), jnp.square(error[0] / jnp.where(error > 0, error, 1)), 0)
    grid = np.linspace(math.log(_SHORTEST), math.log(_LONGEST * length), 64)

    def shape(log_length):
        rate = jnp.exp(-log_length)
        return jnp.exp(-rate * lag) + (jnp.exp(-rate * (length - lag)) if periodic else 0)

    rows = correlation[:, 1:] / jnp.where(mean[1] > 0, mean[1], 1)
    firsts = np.array([first for first in _FIRST_LAGS if first < len(lag)])
    fits = jax.vmap(jax.vmap(functools.partial(_best_length, shape, grid), (0, None)), (None, 0))
    lengths = fits(rows, weight * (lag >= firsts[:, None]))
    chosen = lengths[0]
    settled = jnp.zeros((), bool)
    for later, first in zip(lengths[1:], firsts[1:], strict=True):
        difference, difference_se = _jackknife(later - chosen, used, correct=False)
        # Two lags from the first on tell a length.
        settled |= (jnp.abs(difference) <= _DIFFERENT * difference_se) | (seen[first] == 0)
        chosen = jnp.where(settled, chosen, later)
    at_bound = (chosen[0] <= 1.001 * _SHORTEST) | (chosen[0] >= 0.999 * _LONGEST * length)
    return _Decay(chosen, 1 - seen[1], 1 - seen[0], at_bound.astype(seen.dtype))


def _best_length(shape, grid, row, weight):
    """Least squares of an amplitude times a shape: from the best of a grid by Newton's steps on the slope of the sum
    of squares, which unlike its value is not flat, up to rounding, about the minimum."""

    def moments(log_length):
        column = shape(log_length)
        return jnp.sum(weight * column * row), jnp.sum(weight * jnp.square(column))

    def slope(log_length):
        (cross, norm), (cross_slope, norm_slope) = jax.jvp(moments, (log_length,), (jnp.ones_like(log_length),))
        return cross_slope - cross * norm_slope / (2 * norm)

    grid = jnp.asarray(grid, row.dtype)
    cross, norm = jax.vmap(moments)(grid)
    best = jnp.argmax(jnp.where(cross > 0, jnp.square(cross) / norm, 0))
    low, high = grid[jnp.maximum(best - 1, 0)], grid[jnp.minimum(best + 1, len(grid) - 1)]

    def step(_, log_length):
        here, bend = jax.jvp(slope, (log_length,), (jnp.ones_like(log_length),))
        return jnp.clip(jnp.where(bend < 0, log_length - here / jnp.where(bend < 0, bend, 1), log_length), low, high)

    return jnp.exp(jax.lax.fori_loop(0, 8, step, grid[best]))


@functools.partial(jax.jit, static_argnames="fitted")
def _all_exponents(control, xi, xi_se, critical, *, fitted):
    return jax.vmap(functools.partial(_exponent, fitted=fitted))(control, xi, xi_se, critical)


def _exponent(control, xi, xi_se, critical, *, fitted):
    present = jnp.isfinite(control) & (xi > 0) & jnp.isfinite(xi) & (xi_se > 0) & jnp.isfinite(xi_se)
    order = jnp.argsort(jnp.where(present, control, jnp.inf))
    control, xi, xi_se, present = control[order], xi[order], xi_se[order], present[order]
    last = control[jnp.maximum(jnp.sum(present) - 1, 0)]
    control = jnp.where(present, control, last)
    span = jnp.where(last > control[0], last - control[0], 1)
    place, log_xi = (control - control[0]) / span, jnp.log(jnp.where(present, xi, 1))
    weight = jnp.where(present, jnp.square(xi / jnp.where(present, xi_se, 1)), 0)

    fit = functools.partial(_amplitudes_and_nu, place, log_xi, weight)
    if fitted:
        center, found = _divergence(lambda center: fit(center)[:2], place, weight)
    else:
        center, found = (critical - control[0]) / span, True
    chi2, nu, sides, weight = fit(center)
    below, above, closeness = sides
    root, offset = jnp.sqrt(weight), place - center
    columns = [root * below, root * above, root * closeness]
    if fitted:
        columns.append(root * nu / jnp.where(offset == 0, 1, offset))
    dof = count(weight) - jnp.any(root * below > 0) - jnp.any(root * above > 0) - 1 - fitted
    widened = jnp.maximum(chi2, dof)
    error = standard_errors(jnp.stack(columns, axis=1), widened, dof)

    def amplitude(side):
        total = jnp.sum(weight * side)
        level = jnp.sum(weight * side * (log_xi - nu * closeness)) / jnp.where(total > 0, total, 1)
        return jnp.where(total > 0, jnp.exp(level + nu * jnp.log(span)), jnp.nan)

    still = jnp.max(jnp.where(weight > 0, log_xi, -jnp.inf)) <= jnp.min(jnp.where(weight > 0, log_xi, jnp.inf))
    result = CorrelationExponent(
        nu=nu,
        nu_se=error[2],
        critical=control[0] + span * center if fitted else critical,
        critical_se=span * error[3] if fitted else jnp.zeros_like(nu),
        amplitude=jnp.stack([amplitude(below), amplitude(above)]),
        chi2=chi2,
        dof=dof,
        status=first_true(
            ((dof < 1) | (distinct(place, weight) < 2 + fitted), TOO_FEW_POINTS),
            (still | ~jnp.asarray(found), NOT_IDENTIFIED),
            (fitted & (jnp.abs(center - 0.5) >= 0.99 * _FARTHEST), AT_BOUND),
        ),
    )
    return answered(result, result.status < NOT_IDENTIFIED)


def _amplitudes_and_nu(place, log_xi, weight, center):
    """chi2 and nu with the best amplitudes, closed form for a given critical point; the columns of the design
    `[3, n]` and the weights, 0 at the critical point itself."""
    distance = jnp.abs(place - center)
    weight = jnp.where(distance > 0, weight, 0)
    closeness = -jnp.log(jnp.where(distance > 0, distance, 1))
    sides = jnp.stack([place < center, place > center]).astype(place.dtype)

    def within_sides(values):
        mean = sides @ (weight * values) / jnp.maximum(sides @ weight, jnp.finfo(weight.dtype).tiny)
        return values - mean @ sides

    t, v = within_sides(closeness), within_sides(log_xi)
    norm = jnp.sum(weight * jnp.square(t))
    nu = jnp.sum(weight * t * v) / jnp.where(norm > 0, norm, 1)
    return jnp.sum(weight * jnp.square(v - nu * t)), nu, jnp.concatenate([sides, closeness[None]]), weight


def _divergence(chi2_and_nu, place, weight):
    """The critical point with the least chi2 at which xi diverges: between points or beyond them, chi2 is singular at
    each. From the best of a grid, by golden sections."""
    away = jnp.asarray(np.geomspace(1e-3, _FARTHEST - 0.5, 40), place.dtype)
    parts = jnp.asarray((np.arange(8) + 0.5) / 8, place.dtype)
    gaps = place[:-1, None] + (place[1:] - place[:-1])[:, None] * parts
    candidates = jnp.concatenate([-away[::-1], gaps.ravel(), 1 + away])

    def chi2_at(center):
        chi2, nu = chi2_and_nu(center)
        return jnp.where((nu > 0) & jnp.all((weight == 0) | (place != center)), chi2, jnp.inf)

    chi2 = jax.vmap(chi2_at)(candidates)
    best = jnp.argmin(chi2)
    center = candidates[best]
    low = jnp.maximum(
        jnp.where(best > 0, candidates[best - 1], center), jnp.max(jnp.where(place < center, place, -jnp.inf))
    )
    high = jnp.minimum(
        jnp.where(best < len(candidates) - 1, candidates[(best + 1) % len(candidates)], center),
        jnp.min(jnp.where(place > center, place, jnp.inf)),
    )
    golden = (math.sqrt(5) - 1) / 2

    def narrow(_, bracket):
        low, high = bracket
        left, right = high - golden * (high - low), low + golden * (high - low)
        lower = chi2_at(left) < chi2_at(right)
        return jnp.where(lower, low, left), jnp.where(lower, right, high)

    low, high = jax.lax.fori_loop(0, 40, narrow, (low, high))
    return (low + high) / 2, jnp.isfinite(chi2[best])
