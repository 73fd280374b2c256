"""Depth as scale, measured: how layers change the size of signals, the angle between two and small differences.

`chi` asks one layer, `propagate` a stack of them, whatever JAX function they are, and `phase_diagram` deep networks as
Flax initializes them, to be held against the theory of infinite width in `mean_field`.
"""

import enum
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..detect.status import AT_BOUND, NOT_IDENTIFIED, TOO_FEW_POINTS, answered, first_true
from ..scaling.fields import depth_correlation


class Phase(enum.IntEnum):
    """What depth does to small differences of inputs: keeps them, makes them shrink, or makes them grow."""

    CRITICAL = 0
    ORDERED = 1
    CHAOTIC = 2


class Chi(NamedTuple):
    """Factor of a layer on squared differences, its standard error and status, scalars."""

    value: jax.Array
    se: jax.Array
    status: jax.Array


class Propagation(NamedTuple):
    """Signals at every depth: those of variance and correlation have one entry more than layers, the input's."""

    variance: jax.Array
    variance_se: jax.Array
    correlation: jax.Array
    correlation_se: jax.Array
    chi: jax.Array
    chi_se: jax.Array


class PhaseDiagram(NamedTuple):
    """What deep networks do at each (sigma_w, sigma_b), each `[...]`; see `phase_diagram`."""

    chi: jax.Array
    chi_se: jax.Array
    variance: jax.Array
    variance_se: jax.Array
    correlation: jax.Array
    correlation_se: jax.Array
    length: jax.Array
    length_se: jax.Array
    status: jax.Array


class Criticality(NamedTuple):
    """How near to critical, each `[...]`; see `criticality_index`."""

    index: jax.Array
    index_se: jax.Array
    phase: jax.Array
    spectral: jax.Array
    spectral_se: jax.Array
    status: jax.Array


def chi(layer, hidden, key, probes=1, *, live_in=None, live_out=None) -> Chi:
    """`E |J v|**2 / N` of a layer, J its Jacobian at a sample, v random signs, N the number of outputs of a sample.

    It is the mean over samples of `|J|_F**2 / N`, the averaged partial Jacobian norm (Doshi, He & Gromov 2023,
    NeurIPS), by which the mean square of a small difference of inputs grows. layer: any JAX function from
    `[samples, ..., inputs]` to `[samples, ..., outputs]` that treats samples apart. Its first live_in inputs and
    live_out outputs count (all if None), and the padded layer gets the same probes as its unpadded self. se is from the
    scatter over samples, or over probes if there is one sample, and covers 94 to 95 % with Student's factor; it knows
    nothing of other initializations. status 2: an output is not finite, NaN. status 3: one sample and one probe, se
    NaN.
    """
    if probes < 1 or hidden.ndim < 2:
        raise ValueError(f"chi needs hidden [samples, ..., inputs] and a probe, got {hidden.shape} and {probes!r}")
    live_in = hidden.shape[-1] if live_in is None else live_in
    inputs = jnp.arange(hidden.shape[-1])

    def signs(column):
        return jax.random.rademacher(jax.random.fold_in(key, column), (probes, *hidden.shape[:-1]), hidden.dtype)

    # Every column from a key of its own, so that padding adds columns and changes none.
    probe = jnp.where(inputs < live_in, jnp.moveaxis(jax.vmap(signs)(inputs), 0, -1), 0)
    change = jax.vmap(jax.linearize(layer, hidden)[1])(probe)
    live_out = change.shape[-1] if live_out is None else live_out
    squares = jnp.where(jnp.arange(change.shape[-1]) < live_out, jnp.square(change), 0)
    outputs = live_out * math.prod(change.shape[2:-1])
    each = jnp.sum(squares.reshape(*squares.shape[:2], -1), axis=-1) / outputs
    scattered = jnp.mean(each, axis=0) if hidden.shape[0] > 1 else each[:, 0]
    value, se = _mean_and_error(scattered)
    finite = jnp.isfinite(value)
    status = first_true((~finite, NOT_IDENTIFIED), (len(scattered) < 2, TOO_FEW_POINTS))
    return answered(Chi(value, se, status), finite)


def propagate(layers, hidden, key, probes=1, *, live=None) -> Propagation:
    """Signals of `hidden` `[samples, ..., units]` through a sequence of layers, each as `chi` takes them.

    variance: mean square of the units. correlation: cosine of two samples' units, averaged over all pairs. chi: of each
    layer, at the signals that reach it. live: the live units of the input and of each layer's output, one more than
    layers; None for all. Errors are those of the draw of the samples: of correlation by the jackknife (Arvesen 1969).
    """
    live = [None] * (len(layers) + 1) if live is None else live
    if len(live) != len(layers) + 1 or hidden.shape[0] < 3:
        raise ValueError(f"{len(layers)} layers need {len(layers) + 1} live widths, got {len(live)}; and 3 samples")
    sizes, angles, factors = [], [], []
    for depth, layer in enumerate([*layers, None]):
        units = hidden.shape[-1] if live[depth] is None else live[depth]
        flat = jnp.where(jnp.arange(hidden.shape[-1]) < units, hidden, 0).reshape(len(hidden), -1)
        sizes.append(_mean_and_error(jnp.sum(jnp.square(flat), axis=1) / (units * math.prod(hidden.shape[1:-1]))))
        angles.append(_mean_cosine(flat))
        if layer is not None:
            widths = {"live_in": live[depth], "live_out": live[depth + 1]}
            factors.append(chi(layer, hidden, jax.random.fold_in(key, depth), probes, **widths)[:2])
            hidden = layer(hidden)
    return Propagation(*(jnp.stack(field) for pairs in (sizes, angles, factors) for field in zip(*pairs, strict=True)))


def phase_diagram(
    activation, sigma_w, sigma_b, width, depth, key, *, samples=4, seeds=8, distribution="truncated_normal", at_once=16
) -> PhaseDiagram:
    """Measure what networks of `nnx.Linear` layers after an activation do, as Flax initializes them.

    sigma_w, sigma_b: broadcast to `[...]`. Weights are of `nnx.initializers.variance_scaling(sigma_w**2, "fan_in",
    distribution)`, biases normal; every point has `seeds` networks of its own. Inputs are normal numbers of variance 1;
    all is measured over the second half of `depth` layers, where signals have settled unless the point is critical.

    chi: mean square growth of a tangent vector from layer to layer. variance: mean square of the units. correlation:
    cosine between different inputs. length: -1 / ln(chi), the layers over which squared distances of near inputs fall
    by e, negative in the chaotic phase, where they grow (`scaling.depth_correlation`). Errors are those over the
    networks, to be taken with Student's factor for seeds - 1 degrees of freedom: so they cover 90 to 97 %.
    at_once: networks that are computed together.

    At finite width the theory is right up to order 1 / width, and near a critical point correlations, and with
    unbounded activations variances, have not settled at any depth one can afford. status 1: chi is within two errors
    of one. status 2: signals are not finite, NaN. ValueError with fewer than two seeds or samples, or four layers.
    """
    if seeds < 2 or samples < 2 or depth < 4:
        raise ValueError(f"needs 2 seeds, 2 samples and depth 4 at least, got {seeds!r}, {samples!r} and {depth!r}")
    sigma_w, sigma_b = jnp.broadcast_arrays(jnp.asarray(sigma_w, jnp.float32), jnp.asarray(sigma_b, jnp.float32))
    points = sigma_w.size
    each = (jnp.repeat(sigma.reshape(-1), seeds) for sigma in (sigma_w, sigma_b))
    measured = _networks(
        activation, *each, jax.random.split(key, points * seeds), width, depth, samples, distribution, at_once
    )
    settled = [field.reshape(points, seeds, depth)[:, :, depth // 2 :] for field in measured]
    (factor, factor_se), (size, size_se), (angle, angle_se) = (
        _mean_and_error(jnp.mean(field, axis=2).T) for field in settled
    )
    length = depth_correlation(factor, factor_se)
    finite = jnp.isfinite(factor) & jnp.isfinite(size)
    result = PhaseDiagram(
        chi=factor,
        chi_se=factor_se,
        variance=size,
        variance_se=size_se,
        correlation=angle,
        correlation_se=angle_se,
        length=length.length,
        length_se=length.length_se,
        status=jnp.where(finite, length.status, NOT_IDENTIFIED),
    )
    return jax.tree.map(lambda field: field.reshape(sigma_w.shape), answered(result, finite))


def criticality_index(chi, chi_se=None, alpha=None, alpha_se=None, *, threshold=0.8) -> Criticality:
    """How near a network is to critical: `index = exp(-|ln chi|) = min(chi, 1 / chi)`, 1 at chi = 1 and else less.

    |ln chi| = 1 / |xi_c| is the distance to the transition from order to chaos in the variable in which chi of many
    layers multiplies; index is what is left of a squared difference, or of its growth undone, after one layer, and
    index**depth after depth layers, so that with threshold = exp(-1 / depth) a network is critical if signals correlate
    through all of it. phase: a `Phase`, critical if index >= threshold, else ordered (chi < 1) or chaotic.

    spectral: the same of the tail of a spectrum, `exp(-|ln(alpha - 1)|)`, 1 at alpha = 2, where the sum of the
    eigenvalues begins to diverge and eigenvalues fall as 1 / rank; NaN without alpha, or where there is no tail. It is
    a number of its own and enters neither index nor phase: no length diverges at alpha = 2, and a network can be
    critical without any tail (ReLU of variance 2, untrained) and have one far from criticality, which a minimum, a mean
    or a product of the two would hide.

    All `[...]`, broadcast. Errors are chi_se and alpha_se propagated, NaN without them; within an error of 1 the index
    is too low by up to that error, as it is at most 1. status 1: ln chi is within two errors of the threshold, the
    phase is open. status 2: chi is not positive or not finite; NaN, phase 0. ValueError for a threshold not in (0, 1).
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must be between 0 and 1, got {threshold!r}")
    given = [jnp.nan if value is None else value for value in (chi, chi_se, alpha, alpha_se)]
    dtype = jnp.promote_types(jnp.result_type(*given, float), jnp.float32)
    chi, chi_se, alpha, alpha_se = jnp.broadcast_arrays(*(jnp.asarray(value, dtype) for value in given))
    index, index_se = _nearness(chi, chi_se)
    known = jnp.isfinite(index)
    outside = jnp.where(chi < 1, Phase.ORDERED, Phase.CHAOTIC)
    open_phase = jnp.abs(jnp.log(index / threshold)) < 2 * index_se / index
    return Criticality(
        index,
        index_se,
        jnp.where(known & (index < threshold), outside, Phase.CRITICAL).astype(jnp.int32),
        *_nearness(alpha - 1, alpha_se),
        jnp.where(known, jnp.where(open_phase, AT_BOUND, 0), NOT_IDENTIFIED).astype(jnp.int32),
    )


def _nearness(ratio, se):
    """`min(ratio, 1 / ratio)` and its error, NaN for a ratio that is none."""
    known = (ratio > 0) & jnp.isfinite(ratio)
    ratio = jnp.where(known, ratio, 1)
    index = jnp.minimum(ratio, 1 / ratio)
    return jnp.where(known, index, jnp.nan), jnp.where(known, index * se / ratio, jnp.nan)


def _mean_and_error(values):
    """Mean over the first axis and its standard error, NaN from a single value."""
    count = values.shape[0]
    spread = jnp.std(values, axis=0, ddof=1) if count > 1 else jnp.full(values.shape[1:], jnp.nan, values.dtype)
    return jnp.mean(values, axis=0), spread / math.sqrt(count)


def _mean_cosine(rows):
    """Mean cosine of all pairs of rows `[samples, units]`, and its error by leaving out one row after another."""
    count = len(rows)
    norm = jnp.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / jnp.where(norm > 0, norm, 1)
    with_others = jnp.sum(unit @ unit.T, axis=1) - jnp.sum(jnp.square(unit), axis=1)
    total = jnp.sum(with_others)
    without = (total - 2 * with_others) / ((count - 1) * (count - 2))
    return total / (count * (count - 1)), jnp.sqrt((count - 1) * jnp.var(without))


@functools.partial(jax.jit, static_argnames=("activation", "width", "depth", "samples", "distribution", "at_once"))
def _networks(activation, sigma_w, sigma_b, keys, width, depth, samples, distribution, at_once):
    """Growth of a tangent, mean square of the units and cosine between inputs, `[networks, depth]`."""
    from flax import nnx

    def network(point):
        sigma_w, sigma_b, key = point
        kernel_init = nnx.initializers.variance_scaling(sigma_w**2, "fan_in", distribution)
        bias_init = nnx.initializers.normal(sigma_b)
        keys = jax.random.split(key, 1 + depth)

        def step(signal, key):
            hidden, tangent = signal
            linear = nnx.Linear(width, width, kernel_init=kernel_init, bias_init=bias_init, rngs=nnx.Rngs(key))
            hidden, change = jax.jvp(lambda hidden: linear(activation(hidden)), (hidden,), (tangent,))
            growth = jnp.sum(jnp.square(change), axis=1, keepdims=True)  # of a tangent of length 1
            unit = hidden / jnp.linalg.norm(hidden, axis=1, keepdims=True)
            cosine = jnp.sum(unit * jnp.roll(unit, 1, axis=0), axis=1)
            return (hidden, change / jnp.sqrt(growth)), (
                jnp.mean(growth),
                jnp.mean(jnp.square(hidden)),
                jnp.mean(cosine),
            )

        hidden, tangent = jax.random.normal(keys[0], (2, samples, width))
        tangent /= jnp.linalg.norm(tangent, axis=1, keepdims=True)
        return jax.lax.scan(step, (hidden, tangent), keys[1:])[1]

    return jax.lax.map(network, (sigma_w, sigma_b, keys), batch_size=at_once)
