"""Linear probe: multinomial logistic regression on frozen features (Alain & Bengio 2016)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Integer

from jaxphase.evaluate.representation import standardize


class Probe(NamedTuple):
    """The quality of a linear readout of a representation, measured on rows that it was not fitted on.

    Attributes:
        accuracy: Fraction of the test rows whose class is right.
        cross_entropy: Mean cross-entropy on the test rows, in nats.
        degrees_of_freedom: Number of independent directions that the probe can use under its penalty.
    """

    accuracy: Float[Array, "*models"]
    cross_entropy: Float[Array, "*models"]
    degrees_of_freedom: Float[Array, "*models"]


class PreparedFeatures(NamedTuple):
    """Features made ready for a probe.

    Attributes:
        x: Standardized features to fit on, `[n, d]`.
        x_test: Standardized features to measure on, `[m, d]`.
        preconditioner: Inverse of a bound on the Hessian of the loss, `[d, d]`.
        degrees_of_freedom: As in `Probe`.
    """

    x: Float[Array, "*models n d"]
    x_test: Float[Array, "*models m d"]
    preconditioner: Float[Array, "*models d d"]
    degrees_of_freedom: Float[Array, "*models"]


def linear_probe(
    features: Float[ArrayLike, "n d"],
    labels: Integer[ArrayLike, " n"],
    test_features: Float[ArrayLike, "m d"],
    test_labels: Integer[ArrayLike, " m"],
    *,
    classes: int,
    iterations: int = 40,
) -> Probe:
    """Fit multinomial logistic regression on features and measure it on others.

    Features are standardized, and the penalty is that of scikit-learn's `LogisticRegression(C=1)`, whose held-out
    cross-entropy the default number of iterations reproduces closely. The degrees of freedom are
    `tr[S (S + 2/n)^-1]`, with S the correlation matrix of the features.

    Args:
        features: Rows to fit on, `[n, d]`; a feature that never varies (padding) changes nothing.
        labels: Their classes, `[n]`.
        test_features: Rows to measure on, `[m, d]`.
        test_labels: Their classes, `[m]`.
        classes: Number of classes K.
        iterations: Conjugate-gradient steps.

    Returns:
        A `Probe`.

    References:
        Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, eq. 3.50.
    """
    return fit_probe(prepare_features(features, test_features), labels, test_labels, classes, iterations)


@jax.default_matmul_precision("highest")
def prepare_features(features: Float[ArrayLike, "n d"], test_features: Float[ArrayLike, "m d"]) -> PreparedFeatures:
    """Do the linear algebra of a probe, one d x d inverse, apart from its iterations.

    On a CPU this must be a program of its own: after a LAPACK call XLA continues in the thread pool that its loops
    need, and a loop in the same program can wait forever.

    Args:
        features: Rows to fit on, `[n, d]`.
        test_features: Rows to measure on, `[m, d]`.

    Returns:
        `PreparedFeatures` for `fit_probe`.
    """
    x, x_test = standardize(features, test_features)
    n, d = x.shape
    correlation = x.T @ x / n
    # A bound on the Hessian of the mean cross-entropy (Boehning 1992), plus the penalty.
    root = jnp.linalg.cholesky(correlation / 2 + jnp.eye(d, dtype=x.dtype) / n)
    preconditioner = jax.scipy.linalg.cho_solve((root, True), jnp.eye(d, dtype=x.dtype))
    return PreparedFeatures(x, x_test, preconditioner, jnp.sum(preconditioner * correlation) / 2)


@jax.default_matmul_precision("highest")
def fit_probe(
    prepared: PreparedFeatures,
    labels: Integer[ArrayLike, " n"],
    test_labels: Integer[ArrayLike, " m"],
    classes: int,
    iterations: int = 40,
) -> Probe:
    """Fit and measure a probe on prepared features.

    Args:
        prepared: From `prepare_features`.
        labels: Classes of the rows to fit on, `[n]`.
        test_labels: Classes of the rows to measure on, `[m]`.
        classes: Number of classes K.
        iterations: Conjugate-gradient steps.

    Returns:
        A `Probe`.
    """
    target = jax.nn.one_hot(labels, classes, dtype=prepared.x.dtype)
    weights, bias = fit_softmax(prepared.x, target, prepared.preconditioner, iterations)
    log_probability = jax.nn.log_softmax(prepared.x_test @ weights + bias)
    test_labels = jnp.asarray(test_labels)
    return Probe(
        accuracy=jnp.mean(jnp.argmax(log_probability, axis=-1) == test_labels),
        cross_entropy=-jnp.mean(jnp.take_along_axis(log_probability, test_labels[:, None], axis=-1)),
        degrees_of_freedom=prepared.degrees_of_freedom,
    )


def fit_softmax(
    x: Float[Array, "n d"], target: Float[Array, "n K"], preconditioner: Float[Array, "d d"], iterations: int
) -> tuple[Float[Array, "d K"], Float[Array, " K"]]:
    """Minimize the mean cross-entropy + |weights|^2 / 2n over weights and bias, for centered x.

    Preconditioned conjugate gradients (Polak-Ribiere) with two Newton steps along each direction. An iteration costs
    4 n d K + 2 d^2 K operations and 3 n K exponentials.
    """
    n = len(x)

    def descent(weights: Float[Array, "d K"], logits: Float[Array, "n K"]):
        residual = (jax.nn.softmax(logits) - target) / n
        slope = x.T @ residual + weights / n, residual.sum(0)
        return slope, (preconditioner @ slope[0], 2 * slope[1])

    def line_search(
        weights: Float[Array, "d K"],
        logits: Float[Array, "n K"],
        direction: Float[Array, "d K"],
        rise: Float[Array, "n K"],
    ) -> Float[Array, ""]:
        along, square = jnp.sum(weights * direction) / n, jnp.sum(direction * direction) / n

        def newton(_, length):
            probability = jax.nn.softmax(logits + length * rise)
            mean_rise = jnp.sum(probability * rise, axis=-1)
            slope = jnp.sum((probability - target) * rise) / n + along + length * square
            curvature = jnp.sum(probability * rise * rise) / n - jnp.sum(mean_rise**2) / n + square
            better = length - slope / jnp.maximum(curvature, 1e-30)
            # The first step may end where the loss is flat; from there an unbounded Newton step would go far back.
            return jnp.where(length > 0, jnp.clip(better, length / 4, 4 * length), better)

        return jax.lax.fori_loop(0, 2, newton, jnp.zeros((), x.dtype))

    def iterate(_, state):
        weights, bias, logits, (direction, bias_direction), old, old_preconditioned = state
        new, preconditioned = descent(weights, logits)
        change, before = _dot(preconditioned, new) - _dot(preconditioned, old), _dot(old_preconditioned, old)
        beta = jnp.where(before > 0, jnp.maximum(change / jnp.maximum(before, 1e-30), 0), 0)
        direction, bias_direction = beta * direction - preconditioned[0], beta * bias_direction - preconditioned[1]
        rise = x @ direction + bias_direction
        length = line_search(weights, logits, direction, rise)
        weights, bias, logits = weights + length * direction, bias + length * bias_direction, logits + length * rise
        return weights, bias, logits, (direction, bias_direction), new, preconditioned

    # The first step is in the loop too, which halves the program to compile.
    weights, bias = jnp.zeros((x.shape[1], target.shape[1]), x.dtype), jnp.log(target.mean(0) + 1 / n)
    nothing = jnp.zeros_like(weights), jnp.zeros_like(bias)
    start = weights, bias, jnp.broadcast_to(bias, target.shape), nothing, nothing, nothing
    weights, bias, *_ = jax.lax.fori_loop(0, iterations, iterate, start)
    return weights, bias


_Gradient = tuple[Float[Array, "d K"], Float[Array, " K"]]


def _dot(a: _Gradient, b: _Gradient) -> Float[Array, ""]:
    """Inner product of two gradients by weights and bias."""
    return jnp.sum(a[0] * b[0]) + jnp.sum(a[1] * b[1])
