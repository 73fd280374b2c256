"""Storage in a perceptron of N weights: the share of P random labelled patterns that a hyperplane separates.

Cover (1965), IEEE Trans. Electron. Comput. 14, 326: for points in general position it is
2**(1 - P) * sum over k < N of binomial(P - 1, k), exactly 1/2 at P = 2N for every N, and falls there within ~ N**(-1/2)
of the load P / N. The sharpest test of finite-size scaling that needs no simulation.
"""

import jax
import numpy as np
from scipy.optimize import linprog
from scipy.special import gammaln, logsumexp

CAPACITY = 2.0  # patterns per weight
EXPONENTS = {"nu": 2.0}  # of N: the window of P / N shrinks as N**(-1 / nu)


def separable_probability(patterns, dimension):
    """Probability that a plane through the origin of `dimension` axes separates `patterns` of them, labelled by lot.

    patterns: integers of any shape, 1 or more; float64 of that shape comes back.
    """
    return np.exp(log_separable_probability(patterns, dimension))


def log_separable_probability(patterns, dimension):
    """Its logarithm, which stays finite where the probability is too small for a number."""
    others = np.asarray(patterns, float)[..., None] - 1
    chosen = np.arange(float(dimension))
    inside = chosen <= others
    within = np.minimum(chosen, others)
    log_choices = gammaln(others + 1) - gammaln(within + 1) - gammaln(others - within + 1)
    log_sum = logsumexp(np.where(inside, log_choices, -np.inf), axis=-1)
    # All labellings while there is a weight for each pattern: without the round-off of their sum.
    return np.where(others[..., 0] < dimension, 0, log_sum - others[..., 0] * np.log(2))


def sample(key, patterns, dimension, replicas):
    """Whether each of `replicas` draws of normal patterns, with labels by lot, is separable: bool `[k, replicas]`.

    patterns: integers `[k]`. Each answer is that of a linear program, exact, of ~ 1 ms for dozens of patterns.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    draws = [[rng.standard_normal((p, dimension)) for _ in range(replicas)] for p in patterns]
    # The distribution is symmetric: a pattern times its label is a pattern.
    return np.array([[separable(points, np.ones(len(points))) for points in row] for row in draws])


def separable(points, labels):
    """Whether some w has labels * (points @ w) >= 1 everywhere, by linear programming: points `[P, N]`, labels +-1."""
    signed = points * np.asarray(labels)[:, None]
    free = linprog(np.zeros(points.shape[1]), A_ub=-signed, b_ub=-np.ones(len(points)), bounds=(None, None))
    return free.status == 0
