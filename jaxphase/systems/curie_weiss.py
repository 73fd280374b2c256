"""The Curie-Weiss magnet, every one of N spins coupled to every other: mean-field theory, exact at each finite N.

H = -M**2 / 2N, controlled by the coupling K = 1 / T. The N + 1 values of M = 2n - N have the weights binomial(N, n)
exp(K M**2 / 2N), which are summed; there is nothing to simulate, and `sample` draws from them. Ellis & Newman (1978),
Z. Wahrscheinlichkeitstheorie verw. Geb. 44, 117.
"""

from typing import NamedTuple

import jax
import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp

CRITICAL_COUPLING = 1.0
# Lengths do not exist: distances from K_c scale as N**(-1 / nu), nu being that of the correlation length times the
# upper critical dimension, 1/2 * 4.
EXPONENTS = {"alpha": 0.0, "beta": 1 / 2, "gamma": 1.0, "delta": 3.0, "nu": 2.0}
CRITICAL_BINDER = 0.270520  # 1 - Gamma(1/4)**4 / (24 pi**2), N -> infinity


class Moments(NamedTuple):
    """Exact means at each coupling, float64 with its shape, m being the magnetization per spin.

    absolute: <|m|>. second, fourth: <m**2>, <m**4>. binder: 1 - <m**4> / 3 <m**2>**2, and its derivative by the
    coupling. susceptibility: N (<m**2> - <|m|>**2).
    """

    absolute: np.ndarray
    second: np.ndarray
    fourth: np.ndarray
    binder: np.ndarray
    binder_slope: np.ndarray
    susceptibility: np.ndarray


def moments(coupling, size) -> Moments:
    """Sums over all states of `size` spins."""
    m, log_weight = states(coupling, size)
    weight = np.exp(log_weight)
    absolute, second, fourth, sixth = (weight @ np.abs(m) ** power for power in (1, 2, 4, 6))
    # d<m**p> / dK = N / 2 (<m**(p + 2)> - <m**p> <m**2>).
    second_slope, fourth_slope = size / 2 * (fourth - second**2), size / 2 * (sixth - fourth * second)
    ratio = fourth / second**2
    slope = -ratio / 3 * (fourth_slope / fourth - 2 * second_slope / second)
    return Moments(absolute, second, fourth, 1 - ratio / 3, slope, size * (second - absolute**2))


def states(coupling, size):
    """The magnetizations per spin `[size + 1]`, and the logarithms of their probabilities `[..., size + 1]`."""
    coupling, up = np.asarray(coupling, float)[..., None], np.arange(size + 1.0)
    m = 2 * up / size - 1
    log_weight = coupling * size * m**2 / 2 - gammaln(up + 1) - gammaln(size - up + 1)
    return m, log_weight - logsumexp(log_weight, axis=-1, keepdims=True)


def crossing(size):
    """Coupling at which `size` and `2 * size` spins have one Binder cumulant, that cumulant, and an estimate of 1 / nu.

    The estimate is the logarithm to base 2 of the quotient of slopes (Ballesteros et al. 1996, Phys. Lett. B 378, 207).
    """
    difference = lambda k: moments(k, 2 * size).binder - moments(k, size).binder  # noqa: E731
    coupling = brentq(difference, 1 - size**-0.5, 1 + 3 * size**-0.5, xtol=1e-14)
    small, large = moments(coupling, size), moments(coupling, 2 * size)
    return coupling, float(small.binder), float(np.log2(large.binder_slope / small.binder_slope))


def sample(key, coupling, size, replicas):
    """Independent magnetizations per spin, signed, float64 `[k, replicas]`, at couplings `[k]`."""
    m, log_weight = states(coupling, size)
    below = np.cumsum(np.exp(log_weight), axis=-1)
    drawn = (np.asarray(jax.random.bits(key, (len(below), replicas))) + 0.5) / 2**32
    return m[np.stack([np.searchsorted(row / row[-1], u) for row, u in zip(below, drawn, strict=True)])]
