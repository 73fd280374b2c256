"""Is a jump of a metric in the models, or only in the metric? (Schaeffer, Miranda & Koyejo 2023, NeurIPS 36)

A thresholded or otherwise nonlinear metric may jump while the models get better smoothly. Its continuous partner, the
log-likelihood or Brier score of the same models, then drifts through the place of the jump; else it jumps there itself.
"""

from enum import IntEnum
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .batched import as_curves, in_order, orders
from .least_squares import axis_unit, standard_values
from .points import count, distinct
from .sigmoid import TEN_TO_NINETY, logistic
from .status import NOT_IDENTIFIED, OK, TOO_FEW_POINTS, answered, first_true
from .verdict import CurveKind, classify


class MirageKind(IntEnum):
    """Where a jump is."""

    NO_JUMP = 0
    IN_THE_METRIC = 1
    IN_THE_MODEL = 2
    UNDECIDED = 3
    TOO_FEW_POINTS = 4


_NO_JUMP, _IN_METRIC, _IN_MODEL, _UNDECIDED, _TOO_FEW = MirageKind
_SURE = 0.9
_SHARES = np.linspace(0, 1, 21)
# Exponents of a power law, times half the range of ln size: even where it is close to a line, else in their logarithm.
_BENDS = np.sinh(np.linspace(-3, 3, 24))
# Places of a jump about y's centre, in widths of the jump, and its width between its bounds. A threshold may cut the
# partner's jump anywhere, here from 3 to 97 % of its rise, and cuts out a part that is narrower than the whole.
_OFFSETS, _WIDTHS = (grid.ravel() for grid in np.meshgrid(np.linspace(-0.8, 0.8, 11), np.linspace(0, 1, 9)))
# The part of the variance that the nearest of these shapes leaves of another: 1e-4 to 3e-4 in the median, 3e-4 to 1e-3
# in one of ten. If noise were believed to be less, the distance between shapes would pass for knowledge of the share.
_BETWEEN_SHAPES = 5e-4


class Mirage(NamedTuple):
    """kind is a `MirageKind`, probability that of a share above one half; share, with its standard error
    and 95 % interval `[..., 2]`, is how much of the partner's change is a jump; center and width are of y's jump."""

    kind: jax.Array
    probability: jax.Array
    share: jax.Array
    share_se: jax.Array
    interval: jax.Array
    center: jax.Array
    width: jax.Array
    status: jax.Array


def mirage_test(x, y, partner, *, weight=None) -> Mirage:
    """Say of each jump of y whether its continuous partner, measured on the same models, jumps there too.

    x, y, partner, weight: `[..., n]`; x as the user thinks of it (log10 of sizes), y the metric that jumps (accuracy,
    exact match), partner its smooth counterpart of either sign (cross-entropy, log-likelihood, Brier score), weight the
    relative inverse variance of both. Every field has shape `[...]`, interval `[..., 2]`.

    The partner is a floor plus an amplitude times `(1 - share) * drift + share * jump`, both from 0 to 1 over the data:
    drift is a line or a power law of the sizes, jump a logistic whose width (10-90 %) is between half of y's and the
    greater of y's and a third of the data, and whose centre is within 0.8 of its width from y's. All shares, drifts and
    jumps are equally likely beforehand, with floor, amplitude and noise integrated out as in `classify`; probability is
    then that of a share above one half. kind is "in the model" if it exceeds 0.9, "in the metric" if it is below 0.1,
    else "undecided", and "no jump" if `classify` finds no transition in y.

    A point that is not finite in y or in partner is missing in that one only. status 2: partner is constant, kind
    "undecided". status 3: fewer than seven points or five different x, of y or, where y jumps, of partner, kind -1.
    Every other field is then NaN, as it is for "no jump", except y's center and width where known.

    Measured with 12, 20 and 50 sizes and noise of 1, 3 and 10 % of the partner's change, 500 curves each: of lines and
    power laws seen through a steep threshold, or through exact match `exp(-L * loss)` with L = 5, 10, 20, at most 0.2 %
    were called "in the model"; of jumps 0.5 to 33 % of the data wide, seen through the same metrics, at most 0.4 % "in
    the metric". Behind thresholds 95 of 100 and more were decided at noise up to 3 %, at 10 % 34 to 100, least if wide.
    Exact match is wide itself: with L = 5 and 12 sizes 78, 37 and 21 % of its mirages were decided. A corner is a jump
    to this family: of broken laws bent at y's jump up to 9 % were called "in the model" with Caballero's f = 0.14 over
    three decades, 0.2 % with 0.7. interval held shares from 0.15 to 0.85 in 86 to 100 of 100; of 0 and 1 the estimate
    is drawn inwards, by at most 0.04, 0.1 and 0.3 for the three noises. A curve costs what `classify` does and 50,000
    logarithms.
    """
    shapes = [jnp.shape(a) for a in (x, y, partner)]
    try:
        jnp.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError("x {}, y {} and partner {} do not broadcast to curves [..., n]".format(*shapes)) from None
    x, y, weight = as_curves(x, y, weight)
    jump = classify(x, y, weight=weight)
    x, partner, weight = as_curves(x, partner, weight)
    lead, n = partner.shape[:-1], partner.shape[-1]
    curves = [a.reshape(-1, n) for a in (x, partner, weight)]
    jumps = [jnp.broadcast_to(a, lead).ravel() for a in (jump.kind, jump.center, jump.width, jump.status)]
    with jax.default_matmul_precision("highest"):
        result = judge(*curves, *jumps)
    return jax.tree.map(lambda field: field.reshape(lead + field.shape[1:]), result)


@jax.jit
def judge(x, partner, weight, kind, center, width, status) -> Mirage:
    """The verdict on each curve, given what classify says of its y."""
    order, _ = orders(x, partner, weight)
    return jax.vmap(_verdict)(order, x, partner, weight, kind, center, width, status)


def _verdict(order, x, partner, weight, kind, center, width, status):
    _, x, partner, weight = in_order(order, x, partner, weight)
    axis, (v, _) = axis_unit(x, weight), standard_values(partner, weight)
    u = (x - axis.center) / axis.scale
    shares = jnp.asarray(_SHARES, u.dtype)
    density = share_density(shares, u, v, weight, (center - axis.center) / axis.scale, width / axis.scale)
    mass = density * jnp.where((shares == 0) | (shares == 1), 0.5, 1)
    mass = mass / jnp.sum(mass)
    below = jnp.cumsum(mass) - mass / 2
    probability, share = 1 - below[len(shares) // 2], jnp.sum(mass * shares)

    jumps = (kind == CurveKind.SIGMOID) | (kind == CurveKind.STEP)
    few = (count(weight) < 7) | (distinct(x, weight) < 5)
    status = first_true((status != OK, status), (~jumps, OK), (few, TOO_FEW_POINTS), (jnp.all(v == 0), NOT_IDENTIFIED))
    answer = jnp.where(probability > _SURE, _IN_MODEL, jnp.where(probability < 1 - _SURE, _IN_METRIC, _UNDECIDED))
    answer = jnp.where(jumps, answer, _NO_JUMP)
    result = Mirage(
        kind=jnp.where(status == TOO_FEW_POINTS, _TOO_FEW, answer).astype(jnp.int32),
        probability=probability,
        share=share,
        share_se=jnp.sqrt(jnp.sum(mass * jnp.square(shares - share))),
        interval=jnp.interp(jnp.array([0.025, 0.975], u.dtype), below, shares),
        center=center,
        width=width,
        status=status,
    )
    # Without a jump its centre is NaN, and so is all that is made of it.
    return answered(result, status == OK)._replace(center=center, width=width)


def share_density(shares, u, v, weight, center, width):
    """How likely v is for each share, on average over all drifts and jumps, relative to the likeliest share."""
    bends, offsets, between = (jnp.asarray(a, u.dtype) for a in (_BENDS, _OFFSETS, _WIDTHS))
    narrow, wide = width / 2, jnp.maximum(width, 2 / 3)
    widths = narrow * (wide / narrow) ** between
    drifts = jnp.expm1(jnp.outer(bends, u))
    jumps = jax.vmap(logistic, ((0, 0), None))((center + offsets * widths, jnp.log(TEN_TO_NINETY / widths)), u)

    def from_0_to_1(rows):
        rows = rows / (rows[:, -1:] - rows[:, :1])
        return jnp.sqrt(weight) * (rows - (rows @ weight / jnp.maximum(jnp.sum(weight), 1))[:, None])

    n, values = count(weight), jnp.sqrt(weight) * v
    drifts, jumps = from_0_to_1(drifts), from_0_to_1(jumps)
    along_drift, along_jump = (drifts @ values)[:, None], jumps @ values
    drift_norm, jump_norm, common = jnp.sum(drifts**2, axis=1)[:, None], jnp.sum(jumps**2, axis=1), drifts @ jumps.T

    def log_likelihood(share):
        norm = (1 - share) ** 2 * drift_norm + 2 * share * (1 - share) * common + share**2 * jump_norm
        explained = jnp.square((1 - share) * along_drift + share * along_jump) / norm
        return jax.nn.logsumexp(-(n - 2) / 2 * jnp.log(1 - explained / n + _BETWEEN_SHAPES))

    # One share at a time is twice as fast on a CPU as all at once, and takes a twentieth of the memory.
    log_density = jax.lax.map(log_likelihood, shares)
    return jnp.exp(log_density - jnp.max(log_density))
