"""What kind of curve is this? Six models in the units of y; a transition must beat every smooth one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .batched import curve_detector
from .breaks import break_gains, break_set, design
from .least_squares import axis_unit, fit_shape, project, standard_values
from .points import count, distinct
from .power_law import fit_exponential
from .sigmoid import fit_logistic, logistic_errors, step_of
from .status import OK, TOO_FEW_POINTS

KINDS = ("constant", "linear", "power_law", "broken_power_law", "sigmoid", "step")

_CONSTANT, _LINEAR, _POWER_LAW, _BROKEN, _SIGMOID, _STEP = range(6)
# Free numbers of each kind; the noise is one more in all of them. The place of a step counts as one. A broken law has
# six (Caballero et al. 2023), of which the sharpness is held at its sharp end.
_PARAMETERS = (1, 2, 3, 6, 4, 3)
# Least advantage in BIC of a transition over each smooth kind, and of a smooth kind over a simpler one: "strong" (6)
# and weak to "positive" evidence of Kass & Raftery (1995, J. Am. Stat. Assoc. 90, 773). A gentle sigmoid and a broken
# law differ by less than the noise of twenty points: 6 against that too finds 97.6 instead of 99.1 % of the sigmoids of
# three decades, 20 points and noise 0.02, and takes 6 instead of 21 % of sharply steepening laws for one.
_OVER_SMOOTH = (6.0, 6.0, 6.0, 1.5)
_OVER_SIMPLER = 4.0
# Broken laws: largest change of log y, and the width of the break, both for half the range of x. Steeper ones run into
# their floor within the data, which is a sigmoid in all but name.
_STEEPEST, _BEND = 1.0, 0.02
_RATES = (-1, -0.5, -0.1, 0.1, 0.5, 1)
_STARTS = np.stack(np.meshgrid(np.linspace(-0.7, 0.7, 15), _RATES, _RATES), axis=-1).reshape(-1, 3)


class Verdict(NamedTuple):
    """kind is an index into KINDS, bic `[..., 6]` in their order, delta_bic the margin of the better transition."""

    kind: jax.Array
    center: jax.Array
    interval: jax.Array
    width: jax.Array
    bic: jax.Array
    delta_bic: jax.Array
    status: jax.Array


@curve_detector()
def classify(x, y, weight) -> Verdict:
    """Name the kind of each curve, and where its transition is if it has one.

    x, y, weight: `[..., n]`, x as the user thinks of it (log10 of sizes), weight the relative inverse variance. With u
    for x the kinds are constant; linear, a + b u; power_law, a + b 10**(c u), a power law with a floor in the sizes;
    broken_power_law, a floor and two exponents with a smooth break of fixed width (Caballero et al. 2023 with one f);
    sigmoid, a logistic between two levels; step, two levels with a jump between neighbouring points.

    BIC (Schwarz 1978) is `n log(sse / n) + parameters * log n` with sse in the units of y. Of the four smooth kinds the
    simplest within 4 of the lowest BIC is taken. Sigmoid or step is declared only if its centre is inside the data and
    its BIC is at least 6 below those of constant, linear and power_law and 1.5 below that of broken_power_law.
    delta_bic is the lowest smooth BIC less that of the better transition: evidence for a transition where positive.

    center, interval `[..., 2]` (95 %) and width (10-90 %; for a step the gap between its two points, an upper bound)
    are NaN for a kind without transition. status 3: fewer than seven points or five different x; kind -1, the rest NaN.

    A gentle sigmoid (10-90 % over half the data or more) and a law with a sharp break can hardly be told apart by
    twenty points with noise of a fortieth of the range: one in five such laws is called a sigmoid, and one sigmoid in a
    hundred a law. With noise ten times smaller one in sixteen is.
    """
    axis, (v, unit) = axis_unit(x, weight), standard_values(y, weight)
    u = (x - axis.center) / axis.scale
    logistic = fit_logistic(u, v, weight)
    step = step_of(logistic, logistic_errors(logistic, u, weight), axis, x=x, u=u, weight=weight)
    breaks = design(u, weight, "mean", least=2)
    total, gain, _ = break_gains(breaks, jnp.sqrt(weight) * v)
    jump, jump_interval = break_set(breaks, total - gain, count(weight) - breaks.parameters)

    line = project(u, v, weight)[2]
    broken_law = fit_broken_exponential(u, v, weight)
    sse = jnp.stack(
        [
            total,
            jnp.sum(weight * line**2),
            fit_exponential(u, v, weight).sse,
            broken_law.sse,
            logistic.sse,
            total - jnp.max(gain),
        ]
    )
    n, parameters = count(weight), jnp.array(_PARAMETERS)
    rounding = jnp.square(8 * jnp.finfo(u.dtype).eps * (1 + jnp.abs(unit.center) / unit.scale))
    bic = n * jnp.log(jnp.maximum(sse / n, rounding)) + parameters * jnp.log(n)

    inside = jnp.abs(logistic.theta[0]) < 1
    smooth = bic[: _BROKEN + 1]
    transition = jnp.where(jnp.stack([inside, jnp.any(breaks.possible)]), bic[_SIGMOID:], jnp.inf)
    delta = jnp.min(smooth) - jnp.min(transition)
    simplest = jnp.argmax(smooth <= jnp.min(smooth) + _OVER_SIMPLER)
    declared = jnp.all(smooth - jnp.min(transition) >= jnp.array(_OVER_SMOOTH))
    kind = jnp.where(declared, _SIGMOID + jnp.argmin(transition), simplest)

    enough = (n >= 7) & (distinct(x, weight) >= 5)
    is_step = kind == _STEP
    found = enough & (kind >= _SIGMOID)
    at = breaks.possible & (breaks.place == jump)
    gap = jnp.max(jnp.where(at, breaks.right - breaks.left, 0))
    raw = bic + 2 * n * jnp.log(unit.scale)
    return Verdict(
        kind=jnp.where(enough, kind, -1).astype(jnp.int32),
        center=jnp.where(found, jnp.where(is_step, axis.center + axis.scale * jump, step.center), jnp.nan),
        interval=jnp.where(found, jnp.where(is_step, axis.center + axis.scale * jump_interval, step.interval), jnp.nan),
        width=jnp.where(found, jnp.where(is_step, axis.scale * gap, step.width), jnp.nan),
        bic=jnp.where(enough, raw, jnp.nan),
        delta_bic=jnp.where(enough, delta, jnp.nan),
        status=jnp.where(enough, OK, TOO_FEW_POINTS).astype(jnp.int32),
    )


def fit_broken_exponential(u, v, weight):
    """A floor and an exponential in u that changes its rate at one place: theta = (place, rate before, rate after)."""
    edge = jnp.asarray([0.8, _STEEPEST, _STEEPEST], u.dtype)
    return fit_shape(_broken_exponential, u, v, weight, grid=_STARTS, low=-edge, high=edge)


def _broken_exponential(theta, u):
    place, before, after = theta
    offset = u - place
    return jnp.exp(before * offset + (after - before) * _BEND * jax.nn.softplus(offset / _BEND))
