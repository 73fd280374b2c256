"""Storage in a perceptron of N weights: the probability that a hyperplane separates P patterns with random labels.

For points in general position the probability is 2**(1 - P) * sum over k < N of binomial(P - 1, k): exactly 1/2 at
P = 2N for every N, falling there within a window ~ N**(-1/2) of the load P / N. It is the sharpest test of finite-size
scaling that needs no simulation. Cover (1965), IEEE Trans. Electron. Comput. 14, 326.
"""

import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, Shaped
from scipy.optimize import linprog
from scipy.special import gammaln, logsumexp

CAPACITY = 2.0  # patterns per weight
EXPONENTS = {"nu": 2.0}  # of N: the window of P / N shrinks as N**(-1 / nu)


def separable_probability(patterns: ArrayLike, dimension: int) -> Float[np.ndarray, "*loads"]:
    """Compute the probability that a plane through the origin separates randomly labeled patterns.

    Args:
        patterns: Numbers of patterns P, at least 1, any shape.
        dimension: Number of weights N.

    Returns:
        Probability, float64 of the shape of `patterns`.
    """
    return np.asarray(np.exp(log_separable_probability(patterns, dimension)))


def log_separable_probability(patterns: ArrayLike, dimension: int) -> Float[np.ndarray, "*loads"]:
    """Compute the logarithm of `separable_probability`, finite also where the probability is too small for a float.

    Args:
        patterns: Numbers of patterns P, at least 1, any shape.
        dimension: Number of weights N.

    Returns:
        Natural logarithm, float64 of the shape of `patterns`.
    """
    others = np.asarray(patterns, float)[..., None] - 1
    chosen = np.arange(float(dimension))
    inside = chosen <= others
    within = np.minimum(chosen, others)
    log_choices = gammaln(others + 1) - gammaln(within + 1) - gammaln(others - within + 1)
    log_sum = logsumexp(np.where(inside, log_choices, -np.inf), axis=-1)
    # While there is a weight for each pattern all labelings are possible: exactly 1, without the round-off of the sum.
    return np.where(others[..., 0] < dimension, 0, log_sum - others[..., 0] * np.log(2))


def sample(
    patterns: Int[ArrayLike, " loads"], dimension: int, replicas: int, *, key: Key[Array, ""]
) -> Bool[np.ndarray, "loads replicas"]:
    """Draw normal patterns with random labels and decide whether they are separable, exactly, by linear programming.

    Args:
        patterns: Numbers of patterns, `[loads]`.
        dimension: Number of weights.
        replicas: Draws at each number of patterns.
        key: Decides the draws.

    Returns:
        Whether each draw is separable, `[loads, replicas]`.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    draws = [[rng.standard_normal((p, dimension)) for _ in range(replicas)] for p in np.asarray(patterns)]
    # The distribution is symmetric: a pattern times its label is a pattern.
    return np.array([[separable(points, np.ones(len(points))) for points in row] for row in draws])


def separable(points: Float[np.ndarray, "patterns weights"], labels: Shaped[ArrayLike, " patterns"]) -> bool:
    """Decide whether some w has `labels * (points @ w) >= 1` everywhere, by linear programming.

    Args:
        points: Patterns, `[patterns, weights]`.
        labels: -1 or 1, `[patterns]`.

    Returns:
        Whether such a w exists.
    """
    signed = points * np.asarray(labels)[:, None]
    free = linprog(np.zeros(points.shape[1]), A_ub=-signed, b_ub=-np.ones(len(points)), bounds=(None, None))
    return free.status == 0
