"""What kind of curve is this? Kinds are compared by their evidence, and a transition must beat all smooth kinds.

A kind is a family of shapes, and a curve is a floor plus an amplitude times one of them plus noise. With floor,
amplitude and noise integrated out under Jeffreys' priors, a shape that leaves `sse` of n points has the likelihood
`sse**(-(n - 2) / 2)`. The evidence for a kind is the mean of this over the shapes of the family (Jeffreys 1961; Kass &
Raftery 1995, J. Am. Stat. Assoc. 90, 773). Unlike the best fit, the mean charges a family for its flexibility. This
tells a gentle sigmoid from a law with a bend, whose best fits hardly differ.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxphase.detect.batched import curve_detector, once_per_grid
from jaxphase.detect.breaks import break_gains, break_set, design
from jaxphase.detect.least_squares import Theta, axis_unit, project, spread, standard_values, weighted_mean
from jaxphase.detect.points import Points, Scalar, count, distinct
from jaxphase.detect.sigmoid import fit_logistic, logistic, step_of
from jaxphase.detect.status import Status


class CurveKind(IntEnum):
    """The kinds of curves that `classify` tells apart, u being the position.

    Attributes:
        CONSTANT: One level.
        LINEAR: A straight line, `a + b u`.
        POWER_LAW: `a + b 10**(c u)`, a power law with a floor if u is a log10.
        BROKEN_POWER_LAW: A floor and two exponents of one sign with a sharp or smooth bend between them.
        SIGMOID: A logistic step between two levels.
        STEP: Two levels with a jump between neighboring points.
        TOO_FEW_POINTS: Not judged.
    """

    CONSTANT = 0
    LINEAR = 1
    POWER_LAW = 2
    BROKEN_POWER_LAW = 3
    SIGMOID = 4
    STEP = 5
    TOO_FEW_POINTS = 6

    @property
    def is_transition(self) -> bool:
        """Whether a curve of this kind has a critical size."""
        return self in (CurveKind.SIGMOID, CurveKind.STEP)

    @property
    def is_smooth(self) -> bool:
        """Whether a curve of this kind was judged and has no critical size."""
        return self < CurveKind.SIGMOID


_BROKEN, _SIGMOID, _STEP = CurveKind.BROKEN_POWER_LAW, CurveKind.SIGMOID, CurveKind.STEP
# Log evidence that a smooth kind needs over a simpler one.
_OVER_SIMPLER = 2.0
# Log evidence that a transition needs over every smooth kind, by its signal n (rise / noise)**2. Noise hides the corner
# of a broken law: these are set so that one in twenty such laws, with any bend, is called a transition.
_SIGNAL = (450, 800, 1300, 9000, 18000, 24000, 72000)
_ASKED = (1.3, 1.1, 0.73, 0.36, -0.15, -1.3, -3.2)
# The largest part of a transition before the first point and after the last: with more, a level was never seen.
_UNSEEN = 1 / 3


class Verdict(NamedTuple):
    """The kind of each curve, and its transition if it has one.

    Attributes:
        kind: `CurveKind`, `[...]`.
        center: Where the transition is, in units of x, `[...]`; NaN for a kind without one.
        interval: Its 95 % interval, `[..., 2]`; NaN likewise.
        width: Distance from 10 to 90 % of a sigmoid, `[...]`; for a step the gap between its two points, an upper
            bound; NaN likewise.
        bic: `-2 log evidence` of the six kinds in the order of `CurveKind`, `[..., 6]`, with sse in the units of y. For
            many points it is Schwarz's (1978) criterion.
        delta_bic: The lowest bic of a smooth kind minus that of the better transition, `[...]`: twice the log odds of a
            transition.
        status: `Status`, `[...]`: OK or TOO_FEW_POINTS.
    """

    kind: Int[Array, "*curves"]
    center: Float[Array, "*curves"]
    interval: Float[Array, "*curves 2"]
    width: Float[Array, "*curves"]
    bic: Float[Array, "*curves kinds"]
    delta_bic: Float[Array, "*curves"]
    status: Int[Array, "*curves"]


def classify(x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None) -> Verdict:
    """Name the kind of each curve, and say where its transition is if it has one.

    A sigmoid or step is declared if two conditions hold. First, its log odds exceed a threshold, from 3:1 in strong
    noise to less than even odds in weak noise. Second, both levels are seen: at most a third of the rise lies before
    the first or after the last point, and the 95 % interval of the center lies within the data. Otherwise the kind is
    the simplest smooth one within 4 of the lowest bic. Error rates: see the page How verdicts are made.

    Args:
        x: Positions, `[..., n]`, for sizes usually their log10. Any order; repeats allowed.
        y: Values, `[..., n]`; a value that is not finite is missing.
        weight: Relative inverse variances, `[..., n]`; 0 marks a missing point.

    Returns:
        A `Verdict`. With fewer than seven points or five different x, kind and status are `TOO_FEW_POINTS` and all
        numbers are NaN.

    Raises:
        ValueError: If the shapes do not broadcast.

    Example:
        >>> verdict = jaxphase.detect.classify(jnp.log10(sizes), accuracy)
        >>> jaxphase.detect.CurveKind(int(verdict.kind)).name, 10**verdict.center

    References:
        Kass & Raftery (1995), J. Am. Stat. Assoc. 90, 773; Caballero et al. (2023), arXiv 2210.14891.
    """
    return _classify(x, y, weight=weight)


@curve_detector()
def _classify(x: Points, y: Points, weight: Points) -> Verdict:
    """The verdict on one curve."""
    axis, (v, unit) = axis_unit(x, weight), standard_values(y, weight)
    u = (x - axis.center) / axis.scale
    n = count(weight)
    fit = fit_logistic(u, v, weight)
    step = step_of(fit, axis, x=x, u=u, weight=weight)
    breaks = design(u, weight, "mean", least=2)
    total, gain, _ = break_gains(breaks, jnp.sqrt(weight) * v)
    jump, jump_interval = break_set(breaks, total - gain, n - breaks.parameters)

    eps = jnp.finfo(u.dtype).eps
    rounding = jnp.maximum(64 * eps, jnp.square(8 * eps * unit.center / unit.scale))
    evidence = log_evidence((u, v, weight), total, total - gain, breaks.possible, rounding)
    smooth, transition = evidence[: _BROKEN + 1], jnp.max(evidence[_SIGMOID:])
    before, after = logistic(fit.theta, jnp.asarray([-1.0, 1.0], u.dtype))
    rise = jnp.square(fit.amplitude * (after - before)) * (n - 4) / jnp.maximum(fit.sse, n * rounding)
    asked = jnp.interp(jnp.log(jnp.maximum(n * rise, 1)), np.log(_SIGNAL), jnp.array(_ASKED))
    levels_seen = (before < _UNSEEN) & (after > 1 - _UNSEEN)
    inside = jnp.all(jnp.abs(step.interval - axis.center) <= axis.scale * (1 + 8 * eps))
    declared = levels_seen & inside & (transition - jnp.max(smooth) > asked)
    simplest = jnp.argmax(smooth >= jnp.max(smooth) - _OVER_SIMPLER)
    is_step = (evidence[_STEP] == transition) | ~step.resolved

    enough = (n >= 7) & (distinct(x, weight) >= 5)
    kind = jnp.where(declared, jnp.where(is_step, _STEP, _SIGMOID), simplest)
    gap = jnp.max(jnp.where(breaks.possible & (breaks.place == jump), breaks.right - breaks.left, 0))
    place = jnp.where(is_step, axis.center + axis.scale * jump, step.center)
    interval = jnp.where(is_step, axis.center + axis.scale * jump_interval, step.interval)
    bic = 2 * (jnp.log(n) + n * jnp.log(unit.scale) - evidence)
    found = enough & declared
    return Verdict(
        kind=jnp.where(enough, kind, CurveKind.TOO_FEW_POINTS).astype(jnp.int32),
        center=jnp.where(found, place, jnp.nan),
        interval=jnp.where(found, interval, jnp.nan),
        width=jnp.where(found, jnp.where(is_step, axis.scale * gap, step.width), jnp.nan),
        bic=jnp.where(enough, bic, jnp.nan),
        delta_bic=jnp.where(enough, 2 * (transition - jnp.max(smooth)), jnp.nan),
        status=jnp.where(enough, Status.OK, Status.TOO_FEW_POINTS).astype(jnp.int32),
    )


def log_evidence(
    curve: tuple[Points, Points, Points],
    constant: Scalar,
    jump: Float[Array, " m"],
    possible: Bool[Array, " m"],
    rounding: Scalar,
) -> Float[Array, "6"]:
    """Log of the mean likelihood of every kind, given the sums of squares of a constant and of the possible jumps."""
    u, v, weight = curve
    n = count(weight)

    def of(sse, possible: Array | bool = True):
        likelihood = -(n - 2) / 2 * jnp.log(jnp.maximum(sse / n, rounding))
        possible = jnp.broadcast_to(possible, sse.shape)
        return jax.nn.logsumexp(likelihood, where=possible) - jnp.log(jnp.maximum(jnp.sum(possible), 1))

    power_law, broken_law, sigmoid = unexplained(u, v, weight)
    line = jnp.sum(weight * jnp.square(project(u, v, weight)[2]))
    # A kind with an amplitude has one parameter more than a constant, which costs log(n) / 2 in Schwarz's criterion.
    first = of(constant) + jnp.log(n) / 2
    return jnp.stack([first, of(line), of(power_law), of(broken_law), of(sigmoid), of(jump, possible)])


def unexplained(u: Points, v: Points, weight: Points) -> list[Float[Array, " shapes"]]:
    """Sum of squares that each power law, broken law and sigmoid leaves, from one matrix product."""

    def directions(axis):
        u, weight = axis
        column = jnp.concatenate([jax.vmap(shape, (0, None))(jnp.asarray(all_, u.dtype), u) for shape, all_ in _SHAPES])
        column = jnp.sqrt(weight) * (column - (column @ weight / jnp.maximum(jnp.sum(weight), 1))[:, None])
        norm = jnp.linalg.norm(column, axis=-1, keepdims=True)
        return column / jnp.where(norm > 0, norm, 1)

    def remainder(direction, values):
        return jnp.sum(jnp.square(values)) - jnp.square(direction @ values)

    values = jnp.sqrt(weight) * (v - weighted_mean(v, weight))
    sizes = np.cumsum([len(all_) for _, all_ in _SHAPES])
    return jnp.split(once_per_grid(directions, remainder)((u, weight), values), sizes[:-1])


def _power_law(theta: Theta, u: Points) -> Points:
    """A power law of the sizes is an exponential of their logarithm."""
    return jnp.exp(theta[0] * u)


def _broken_power_law(theta: Theta, u: Points) -> Points:
    """The rate changes at one place, over the width of a bend."""
    place, before, after, bend = theta
    offset = u - place
    return jnp.exp(before * offset + (after - before) * bend * jax.nn.softplus(offset / bend))


def _growing_and_decaying(*rates: Float[np.ndarray, " m"]) -> list[Float[np.ndarray, " m"]]:
    """Rates of alternating sign, from their logarithms."""
    sign = np.where(np.arange(len(rates[0])) % 2, 1, -1)
    return [sign * np.exp(rate) for rate in rates]


def _families() -> tuple[tuple[Callable[[Theta, Points], Points], Float[np.ndarray, "m p"]], ...]:
    """The shapes on u in [-1, 1], evenly spread in place and in the logarithm of every rate and width.

    Over three decades the laws have exponents of 0.03 to 1 (a power law alone, 0.03 to 3) with bends of 0.02 to 0.5 in
    the sharpness f of Caballero et al., and the sigmoids 10-90 % widths of a 16th to the whole of two decades.
    """
    (rate,) = spread(np.log([0.1, 10]), size=1200).T
    power_laws = np.stack(_growing_and_decaying(rate), axis=1)
    rates, bends = np.log([0.1, 3.45]), np.log([0.006, 0.145])
    place, before, after, bend = spread((-0.8, 0.8), rates, rates, bends, size=6000).T
    broken_laws = np.stack([place, *_growing_and_decaying(before, after), np.exp(bend)], axis=1)
    sigmoids = spread((-0.65, 0.65), np.log([3, 50]), size=600)
    return (_power_law, power_laws), (_broken_power_law, broken_laws), (logistic, sigmoids)


_SHAPES = _families()
