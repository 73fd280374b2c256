"""The Curie-Weiss magnet, every one of N spins coupled to every other: mean-field theory, exact at each finite N.

H = -M**2 / 2N, controlled by the coupling K = 1 / T. The N + 1 values of M = 2n - N have the weights
binomial(N, n) exp(K M**2 / 2N). Their sums are exact, and `sample` draws from them. Ellis & Newman (1978), Z.
Wahrscheinlichkeitstheorie verw. Geb. 44, 117.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp

CRITICAL_COUPLING = 1.0
# There are no lengths: distances from K_c scale as N**(-1 / nu), where nu is that of the correlation length times the
# upper critical dimension, 1/2 * 4.
EXPONENTS = {"alpha": 0.0, "beta": 1 / 2, "gamma": 1.0, "delta": 3.0, "nu": 2.0}
CRITICAL_BINDER = 0.270520  # 1 - Gamma(1/4)**4 / (24 pi**2), N -> infinity


class Moments(NamedTuple):
    """Exact means of the magnetization per spin m, each of the shape of the couplings.

    Attributes:
        absolute: `<|m|>`.
        second: `<m**2>`.
        fourth: `<m**4>`.
        binder: Binder cumulant `1 - <m**4> / 3 <m**2>**2`.
        binder_slope: Its derivative with respect to the coupling.
        susceptibility: `N (<m**2> - <|m|>**2)`.
    """

    absolute: Float[np.ndarray, "*couplings"]
    second: Float[np.ndarray, "*couplings"]
    fourth: Float[np.ndarray, "*couplings"]
    binder: Float[np.ndarray, "*couplings"]
    binder_slope: Float[np.ndarray, "*couplings"]
    susceptibility: Float[np.ndarray, "*couplings"]


def moments(coupling: ArrayLike, size: int) -> Moments:
    """Sum over all states of `size` spins.

    Args:
        coupling: K = 1 / T, any shape.
        size: Number of spins N.

    Returns:
        Exact `Moments`, float64.
    """
    m, log_weight = states(coupling, size)
    weight = np.exp(log_weight)
    absolute, second, fourth, sixth = (np.asarray(weight @ np.abs(m) ** power) for power in (1, 2, 4, 6))
    # d<m**p> / dK = N / 2 (<m**(p + 2)> - <m**p> <m**2>).
    second_slope, fourth_slope = size / 2 * (fourth - second**2), size / 2 * (sixth - fourth * second)
    ratio = fourth / second**2
    slope = -ratio / 3 * (fourth_slope / fourth - 2 * second_slope / second)
    fields = absolute, second, fourth, 1 - ratio / 3, slope, size * (second - absolute**2)
    return Moments(*map(np.asarray, fields))


def states(
    coupling: ArrayLike, size: int
) -> tuple[Float[np.ndarray, " states"], Float[np.ndarray, "*couplings states"]]:
    """List all magnetizations of `size` spins with their probabilities.

    Args:
        coupling: K = 1 / T, any shape.
        size: Number of spins N.

    Returns:
        The magnetizations per spin `[N + 1]`, and the logarithms of their probabilities `[..., N + 1]`.
    """
    coupling, up = np.asarray(coupling, float)[..., None], np.arange(size + 1.0)
    m = 2 * up / size - 1
    log_weight = coupling * size * m**2 / 2 - gammaln(up + 1) - gammaln(size - up + 1)
    return m, log_weight - logsumexp(log_weight, axis=-1, keepdims=True)


def crossing(size: int) -> tuple[float, float, float]:
    """Find where the Binder cumulants of `size` and of `2 * size` spins cross.

    Args:
        size: The smaller number of spins.

    Returns:
        The coupling there, the cumulant there, and the estimate of 1 / nu that the slopes give: the logarithm to base 2
        of their ratio.

    References:
        Ballesteros et al. (1996), Phys. Lett. B 378, 207.
    """
    difference = lambda k: moments(k, 2 * size).binder - moments(k, size).binder  # noqa: E731
    coupling: Any = brentq(difference, 1 - size**-0.5, 1 + 3 * size**-0.5, xtol=1e-14)
    small, large = moments(coupling, size), moments(coupling, 2 * size)
    return float(coupling), float(small.binder), float(np.log2(large.binder_slope / small.binder_slope))


def sample(
    coupling: Float[ArrayLike, " couplings"], size: int, replicas: int, *, key: Key[Array, ""]
) -> Float[np.ndarray, "couplings replicas"]:
    """Draw independent magnetizations.

    Args:
        coupling: K = 1 / T, `[couplings]`.
        size: Number of spins.
        replicas: Draws at each coupling.
        key: Decides the draws.

    Returns:
        Signed magnetizations per spin, float64 `[couplings, replicas]`.
    """
    m, log_weight = states(coupling, size)
    below = np.cumsum(np.exp(log_weight), axis=-1)
    drawn = (np.asarray(jax.random.bits(key, (len(below), replicas))) + 0.5) / 2**32
    return m[np.stack([np.searchsorted(row / row[-1], u) for row, u in zip(below, drawn, strict=True)])]
