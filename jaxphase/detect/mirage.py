"""Is a jump of a metric in the models, or only in the metric? (Schaeffer, Miranda & Koyejo 2023, NeurIPS 36)

A thresholded or otherwise nonlinear metric may jump while the models improve smoothly. Its continuous partner, the
log-likelihood or Brier score of the same models, then changes smoothly at the jump. If the models themselves jump, so
does the partner.

The partner is modeled as a floor plus an amplitude times `(1 - share) * drift + share * jump`. The drift is a line or a
power law of the sizes. The jump is a logistic. Its 10-90 % width lies between half the width of the jump of y and the
greater of that width and a third of the data; its center is within 0.8 of its width from the center of y. All shares,
drifts and jumps have the same prior probability; floor, amplitude and noise are integrated out.
"""

from enum import IntEnum
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.batched import as_curves, in_order, orders
from jaxphase.detect.least_squares import axis_unit, standard_values
from jaxphase.detect.points import Points, Scalar, count, distinct
from jaxphase.detect.sigmoid import TEN_TO_NINETY, logistic
from jaxphase.detect.status import Status, answered, first_true
from jaxphase.detect.verdict import CurveKind, classify


class MirageKind(IntEnum):
    """Where the jump of a metric comes from.

    Attributes:
        NO_JUMP: The metric has no transition.
        IN_THE_METRIC: The continuous partner passes smoothly: the metric makes the jump.
        IN_THE_MODEL: The continuous partner jumps too.
        UNDECIDED: The data do not decide.
        TOO_FEW_POINTS: Not judged.
    """

    NO_JUMP = 0
    IN_THE_METRIC = 1
    IN_THE_MODEL = 2
    UNDECIDED = 3
    TOO_FEW_POINTS = 4


_SURE = 0.9
_SHARES = np.linspace(0, 1, 21)
# Exponents of a power law times half the range of ln size: evenly spaced near a line, evenly in their logarithm beyond.
_BENDS = np.sinh(np.linspace(-3, 3, 24))
# Places of the partner's jump relative to y's center, in widths of the jump, and its width between its bounds. A
# threshold may cut the partner's jump anywhere, here from 3 to 97 % of its rise, and y then jumps over less than all.
_OFFSETS, _WIDTHS = (grid.ravel() for grid in np.meshgrid(np.linspace(-0.8, 0.8, 11), np.linspace(0, 1, 9)))
# Least share of the variance that counts as noise: about what the nearest of these shapes leaves of a shape between
# them. With less, the distance between shapes would pass for information on the share.
_BETWEEN_SHAPES = 5e-4


class Mirage(NamedTuple):
    """Where the jump of each metric comes from.

    Attributes:
        kind: `MirageKind`, `[...]`.
        probability: Probability that more than half of the partner's change is a jump, `[...]`.
        share: How much of the partner's change is a jump, 0 to 1, `[...]`.
        share_se: Its standard error, `[...]`.
        interval: 95 % interval of `share`, `[..., 2]`.
        center: Center of the metric's jump, in units of x, `[...]`.
        width: Its width, `[...]`.
        status: `Status`, `[...]`; see `mirage_test`.
    """

    kind: Int[Array, "*curves"]
    probability: Float[Array, "*curves"]
    share: Float[Array, "*curves"]
    share_se: Float[Array, "*curves"]
    interval: Float[Array, "*curves 2"]
    center: Float[Array, "*curves"]
    width: Float[Array, "*curves"]
    status: Int[Array, "*curves"]


def mirage_test(x: ArrayLike, y: ArrayLike, partner: ArrayLike, *, weight: ArrayLike | None = None) -> Mirage:
    """Test for each jump of y whether its continuous partner, measured on the same models, jumps there too.

    The partner is compared with a smooth drift, a jump, and mixtures of both; see the module `jaxphase.detect.mirage`.
    Error rates: see the page How verdicts are made.

    Args:
        x: Positions, `[..., n]`, for sizes usually their log10. Any order; repeats allowed.
        y: The metric that jumps, `[..., n]`, such as accuracy or exact match.
        partner: A smooth metric of the same models, `[..., n]`, of either sign: cross-entropy, log-likelihood, Brier
            score. A point may be missing in only one of the two.
        weight: Relative inverse variances of both, `[..., n]`.

    Returns:
        A `Mirage`. The jump is in the model if `probability` exceeds 0.9, in the metric below 0.1, and undecided in
        between; the kind is `NO_JUMP` where `classify` finds no transition in y. The status is `NOT_IDENTIFIED`, and
        the kind undecided, for a constant partner. Kind and status are `TOO_FEW_POINTS` if y, or the partner of a y
        that jumps, has fewer than seven points or five different x. In all these cases the numbers are NaN, except a
        center and a width that are known.

    References:
        Schaeffer, Miranda & Koyejo (2023), NeurIPS 36.
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
def judge(
    x: Float[Array, "batch n"],
    partner: Float[Array, "batch n"],
    weight: Float[Array, "batch n"],
    kind: Int[Array, " batch"],
    center: Float[Array, " batch"],
    width: Float[Array, " batch"],
    status: Int[Array, " batch"],
) -> Mirage:
    """The verdict on each curve, given what `classify` says of its y."""
    order, _ = orders(x, partner, weight)
    return jax.vmap(_verdict)(order, x, partner, weight, kind, center, width, status)


def _verdict(
    order: Int[Array, " n"],
    x: Points,
    partner: Points,
    weight: Points,
    kind: Int[Array, ""],
    center: Scalar,
    width: Scalar,
    status: Int[Array, ""],
) -> Mirage:
    """The verdict on one curve."""
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
    status = first_true(
        (status != Status.OK, status),
        (~jumps, Status.OK),
        (few, Status.TOO_FEW_POINTS),
        (jnp.all(v == 0), Status.NOT_IDENTIFIED),
    )
    smooth = jnp.where(probability < 1 - _SURE, MirageKind.IN_THE_METRIC, MirageKind.UNDECIDED)
    answer = jnp.where(jumps, jnp.where(probability > _SURE, MirageKind.IN_THE_MODEL, smooth), MirageKind.NO_JUMP)
    result = Mirage(
        kind=jnp.where(status == Status.TOO_FEW_POINTS, MirageKind.TOO_FEW_POINTS, answer).astype(jnp.int32),
        probability=probability,
        share=share,
        share_se=jnp.sqrt(jnp.sum(mass * jnp.square(shares - share))),
        interval=jnp.interp(jnp.array([0.025, 0.975], u.dtype), below, shares),
        center=center,
        width=width,
        status=status,
    )
    # Without a jump, its center is NaN, and so is every number that depends on it.
    return answered(result, status == Status.OK)._replace(center=center, width=width)


def share_density(
    shares: Float[Array, " shares"], u: Points, v: Points, weight: Points, center: Scalar, width: Scalar
) -> Float[Array, " shares"]:
    """How likely v is for each share, on average over all drifts and jumps, relative to the most likely share."""
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
