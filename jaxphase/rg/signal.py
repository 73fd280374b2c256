"""Depth as scale, measured: how layers change the size of signals, the angle between two, and small differences.

`chi` measures one layer, `propagate` a stack of layers, each any JAX function. `phase_diagram` measures deep networks
as Flax initializes them, to be compared with the theory of infinite width in `mean_field`.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Key

from jaxphase.detect.status import Status, answered, first_true
from jaxphase.scaling.fields import depth_correlation

Activation = Callable[[Array], Array]
Layer = Callable[[Array], Array]
Distribution = Literal["normal", "truncated_normal", "uniform"]


class Chi(NamedTuple):
    """The factor of a layer on squared differences.

    Attributes:
        value: The factor, a scalar; NaN if an output is not finite.
        se: Its standard error over samples, or over probes if there is one sample.
        status: `Status`; see `chi`.
    """

    value: Float[Array, ""]
    se: Float[Array, ""]
    status: Int[Array, ""]


class Propagation(NamedTuple):
    """Signals at every depth, each with its standard error over the draw of the samples.

    Attributes:
        variance: Mean square of the units, of the input and after each layer, `[layers + 1]`.
        variance_se: Its standard error, `[layers + 1]`.
        correlation: Cosine of two samples' units, mean over all pairs, `[layers + 1]`.
        correlation_se: Its standard error by the jackknife, `[layers + 1]`.
        chi: Factor of each layer on squared differences of the signals that reach it, `[layers]`.
        chi_se: Its standard error, `[layers]`.
    """

    variance: Float[Array, " depths"]
    variance_se: Float[Array, " depths"]
    correlation: Float[Array, " depths"]
    correlation_se: Float[Array, " depths"]
    chi: Float[Array, " layers"]
    chi_se: Float[Array, " layers"]


class PhaseDiagram(NamedTuple):
    """What deep networks do to signals at each (sigma_w, sigma_b), each `[...]`, with standard errors over networks.

    Attributes:
        chi: Mean square growth of a tangent vector from layer to layer.
        chi_se: Its standard error.
        variance: Mean square of the units.
        variance_se: Its standard error.
        correlation: Cosine between different inputs.
        correlation_se: Its standard error.
        length: `-1 / ln(chi)`, the number of layers over which squared distances of near inputs fall by e; negative in
            the chaotic phase, where they grow.
        length_se: Its standard error.
        status: `Status`; AT_BOUND if chi is within two errors of one, NOT_IDENTIFIED with NaN if signals overflow.
    """

    chi: Float[Array, "*batch"]
    chi_se: Float[Array, "*batch"]
    variance: Float[Array, "*batch"]
    variance_se: Float[Array, "*batch"]
    correlation: Float[Array, "*batch"]
    correlation_se: Float[Array, "*batch"]
    length: Float[Array, "*batch"]
    length_se: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


def chi(
    layer: Layer,
    hidden: ArrayLike,
    *,
    key: Key[Array, ""],
    probes: int = 1,
    live_in: ArrayLike | None = None,
    live_out: ArrayLike | None = None,
) -> Chi:
    """Estimate `E |J v|**2 / N` of a layer, with its Jacobian J at a sample, random signs v and N outputs of a sample.

    The result is the mean over samples of `|J|_F**2 / N`, the averaged partial Jacobian norm: the factor by which the
    mean square of a small difference of inputs grows. A padded layer gets the same probes as its unpadded self.

    Args:
        layer: Any JAX function from `[samples, ..., inputs]` to `[samples, ..., outputs]` that treats every sample by
            itself.
        hidden: Inputs of the layer, `[samples, ..., inputs]`.
        key: Key of the random signs.
        probes: Number of random signs for each sample.
        live_in: Number of inputs that are not padding; None means all.
        live_out: Number of outputs that are not padding; None means all.

    Returns:
        A `Chi`. Its error does not include the scatter between initializations. If an output is not finite the status
        is NOT_IDENTIFIED with NaN; for one sample and one probe it is TOO_FEW_POINTS and the error is NaN.

    Raises:
        ValueError: If hidden has fewer than two axes, or there is no probe.

    References:
        Doshi, He & Gromov (2023), NeurIPS.
    """
    hidden = jnp.asarray(hidden)
    if probes < 1 or hidden.ndim < 2:
        raise ValueError(
            f"hidden must have shape [samples, ..., inputs] and probes be at least 1, got {hidden.shape} and {probes!r}"
        )
    live_in = hidden.shape[-1] if live_in is None else live_in
    inputs = jnp.arange(hidden.shape[-1])

    def signs(column):
        return jax.random.rademacher(jax.random.fold_in(key, column), (probes, *hidden.shape[:-1]), hidden.dtype)

    # Every column has its own key, so that padding adds columns and changes none.
    probe = jnp.where(inputs < live_in, jnp.moveaxis(jax.vmap(signs)(inputs), 0, -1), 0)
    change = jax.vmap(jax.linearize(layer, hidden)[1])(probe)
    live = jnp.asarray(change.shape[-1] if live_out is None else live_out)
    squares = jnp.where(jnp.arange(change.shape[-1]) < live, jnp.square(change), 0)
    outputs = live * math.prod(change.shape[2:-1])
    each = jnp.sum(squares.reshape(*squares.shape[:2], -1), axis=-1) / outputs
    scattered = jnp.mean(each, axis=0) if hidden.shape[0] > 1 else each[:, 0]
    value, se = _mean_and_error(scattered)
    finite = jnp.isfinite(value)
    status = first_true((~finite, Status.NOT_IDENTIFIED), (len(scattered) < 2, Status.TOO_FEW_POINTS))
    return answered(Chi(value, se, status), finite)


def propagate(
    layers: Sequence[Layer],
    hidden: ArrayLike,
    *,
    key: Key[Array, ""],
    probes: int = 1,
    live: Sequence[ArrayLike | None] | None = None,
) -> Propagation:
    """Measure signals through a sequence of layers: their size, the angles between them, and chi of each layer.

    Args:
        layers: Functions as `chi` takes them, the output of one being the input of the next.
        hidden: Inputs of the first layer, `[samples, ..., units]`.
        key: Key of the random signs of `chi`.
        probes: Number of random signs for each sample.
        live: Numbers of units that are not padding, of the input and of each layer's output; None means all.

    Returns:
        A `Propagation`.

    Raises:
        ValueError: If there are fewer than three samples, or not one more live widths than layers.

    References:
        Arvesen (1969), Ann. Math. Stat. 40, 2076: the jackknife of a mean over pairs.
    """
    hidden, live = jnp.asarray(hidden), [None] * (len(layers) + 1) if live is None else live
    if hidden.shape[0] < 3:
        raise ValueError(f"hidden must have at least 3 samples, got {hidden.shape[0]}")
    if len(live) != len(layers) + 1:
        raise ValueError(f"live must have {len(layers) + 1} widths for {len(layers)} layers, got {len(live)}")
    sizes, angles, factors = [], [], []
    for depth, layer in enumerate([*layers, None]):
        width = live[depth]
        units = jnp.asarray(hidden.shape[-1] if width is None else width)
        flat = jnp.where(jnp.arange(hidden.shape[-1]) < units, hidden, 0).reshape(len(hidden), -1)
        sizes.append(_mean_and_error(jnp.sum(jnp.square(flat), axis=1) / (units * math.prod(hidden.shape[1:-1]))))
        angles.append(_mean_cosine(flat))
        if layer is not None:
            layer_key = jax.random.fold_in(key, depth)
            widths = {"live_in": live[depth], "live_out": live[depth + 1]}
            factors.append(chi(layer, hidden, key=layer_key, probes=probes, **widths)[:2])
            hidden = layer(hidden)
    (variance, variance_se), (correlation, correlation_se), (factor, factor_se) = (
        (jnp.stack(field) for field in zip(*pairs, strict=True)) for pairs in (sizes, angles, factors)
    )
    return Propagation(variance, variance_se, correlation, correlation_se, factor, factor_se)


def phase_diagram(
    activation: Activation,
    sigma_w: ArrayLike,
    sigma_b: ArrayLike,
    width: int,
    depth: int,
    *,
    key: Key[Array, ""],
    samples: int = 4,
    seeds: int = 8,
    distribution: Distribution = "truncated_normal",
    at_once: int = 16,
) -> PhaseDiagram:
    """Measure deep networks of `nnx.Linear` layers, each after an activation, as Flax initializes them.

    Weights come from `nnx.initializers.variance_scaling(sigma_w**2, "fan_in", distribution)`; biases and inputs are
    normal numbers, the inputs of variance 1. Everything is measured over the second half of the layers, where signals
    have settled. Near a critical point correlations do not settle at any affordable depth, nor do variances if the
    activation is unbounded. The theory of `mean_field` is right up to order 1 / width.

    Args:
        activation: Elementwise JAX function.
        sigma_w: Standard deviation of the weights times the root of the number of inputs, `[...]`.
        sigma_b: Standard deviation of the biases, `[...]`; it broadcasts with sigma_w.
        width: Units of a layer.
        depth: Number of layers, at least 4.
        key: Key of weights and inputs.
        samples: Inputs of a network, at least 2.
        seeds: Networks at each point, at least 2.
        distribution: Distribution of the weights.
        at_once: Networks that are computed together.

    Returns:
        A `PhaseDiagram`. Intervals use Student's t for `seeds - 1` degrees of freedom.

    Raises:
        ValueError: If there are too few seeds, samples or layers.

    Example:
        >>> key = jax.random.key(0)
        >>> found = jaxphase.rg.phase_diagram(jnp.tanh, jnp.linspace(0.5, 2, 7), 0.1, width=256, depth=32, key=key)
        >>> found.chi  # below one in the ordered phase, above one in the chaotic phase
    """
    if seeds < 2 or samples < 2 or depth < 4:
        raise ValueError(
            f"seeds and samples must be at least 2 and depth at least 4, got {seeds!r}, {samples!r} and {depth!r}"
        )
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
        status=jnp.where(finite, length.status, Status.NOT_IDENTIFIED),
    )
    return jax.tree.map(lambda field: field.reshape(sigma_w.shape), answered(result, finite))


def _mean_and_error(values: Float[Array, "samples *shape"]) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Mean over the first axis and its standard error, NaN from a single value."""
    count = values.shape[0]
    spread = jnp.std(values, axis=0, ddof=1) if count > 1 else jnp.full(values.shape[1:], jnp.nan, values.dtype)
    return jnp.mean(values, axis=0), spread / math.sqrt(count)


def _mean_cosine(rows: Float[Array, "samples units"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean cosine of all pairs of rows, and its jackknife error over rows."""
    count = len(rows)
    norm = jnp.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / jnp.where(norm > 0, norm, 1)
    with_others = jnp.sum(unit @ unit.T, axis=1) - jnp.sum(jnp.square(unit), axis=1)
    total = jnp.sum(with_others)
    without = (total - 2 * with_others) / ((count - 1) * (count - 2))
    return total / (count * (count - 1)), jnp.sqrt((count - 1) * jnp.var(without))


@functools.partial(jax.jit, static_argnames=("activation", "width", "depth", "samples", "distribution", "at_once"))
def _networks(
    activation: Activation,
    sigma_w: Float[Array, " networks"],
    sigma_b: Float[Array, " networks"],
    keys: Key[Array, " networks"],
    width: int,
    depth: int,
    samples: int,
    distribution: Distribution,
    at_once: int,
) -> tuple[Float[Array, "networks {depth}"], Float[Array, "networks {depth}"], Float[Array, "networks {depth}"]]:
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
            growth = jnp.sum(jnp.square(change), axis=1, keepdims=True)  # the tangent has length 1
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
