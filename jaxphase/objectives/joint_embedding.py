"""Joint embedding: bring two views of a row together and keep the rows of a batch apart, in three ways.

All compare projections of a fixed dimension, so that padding has no part in their statistics.
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models.family import Head
from jaxphase.objectives.views import two_views, view_layout


@dataclass(frozen=True)
class JointEmbedding(abc.ABC):
    """What the three objectives have in common.

    Attributes:
        layout: What a row is.
        paired: Whether the two views are of two rows that show the same thing, `[2, n, values]`, rather than of one.
        dims: Dimension of the projections that are compared.
        strength: Scale of the distortions of the views, see `two_views`.
    """

    layout: Layout
    paired: bool = False
    dims: int = 64
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.dims < 1 or self.dims != int(self.dims):
            raise InputError(f"dims is {self.dims}: give a whole number of at least 1.")

    @property
    def input_layout(self) -> Layout:
        """What the model reads."""
        return view_layout(self.layout)

    @property
    def head(self) -> Head:
        """What the model returns."""
        return Head(dims=int(self.dims))

    def inputs(self, rows: Shaped[Array, "*pair n values"], *, key: Key[Array, ""]) -> Shaped[Array, "2*n values"]:
        """Make what the model reads in training: all first views, then all second views."""
        first, second = rows if self.paired else (rows, rows)
        return jnp.concatenate(two_views(self.layout, first, second, self.strength, key=key))

    def loss(
        self, model: Callable[[Array], Array], rows: Shaped[Array, "*pair n values"], *, key: Key[Array, ""]
    ) -> Float[Array, " n"]:
        """Compare the views of a batch; the mean over rows is the loss of the paper."""
        first, second = jnp.split(model(self.inputs(rows, key=key)), 2)
        return self.compare(first, second)

    @abc.abstractmethod
    def compare(self, a: Float[Array, "n dims"], b: Float[Array, "n dims"]) -> Float[Array, " n"]:
        """Compute the loss of each row from the projections of its two views."""

    def represent(self, model: Any, rows: Shaped[Array, "n values"]) -> Float[Array, "n features"]:
        """Compute the features of undistorted rows, before the projection."""
        return model.encode(rows)


@dataclass(frozen=True)
class Contrastive(JointEmbedding):
    """InfoNCE: tell a row's other view from those of the rest of the batch (van den Oord et al. 2018).

    The loss is symmetric in the views; log n minus the loss is a lower bound on the information between them.

    Attributes:
        temperature: Divides the cosines of projections.
    """

    temperature: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0:
            raise InputError(f"temperature is {self.temperature}: give a positive number, such as 0.2.")

    def compare(self, a: Float[Array, "n dims"], b: Float[Array, "n dims"]) -> Float[Array, " n"]:
        """Compute the cross-entropy of finding the other view of each row."""
        score = _unit(a) @ _unit(b).T / self.temperature
        own = jnp.diagonal(score)
        return (jax.nn.logsumexp(score, axis=0) + jax.nn.logsumexp(score, axis=1)) / 2 - own


@dataclass(frozen=True)
class BarlowTwins(JointEmbedding):
    """Make the cross-correlation of the views' projections the identity (Zbontar et al. 2021); loss per dimension.

    Attributes:
        off_diagonal: Weight of the correlations between different dimensions.
    """

    off_diagonal: float = 5e-3

    def compare(self, a: Float[Array, "n dims"], b: Float[Array, "n dims"]) -> Float[Array, " n"]:
        """Compute the loss of the batch, the same for every row."""
        correlation = _standard(a).T @ _standard(b) / len(a)
        diagonal = jnp.diagonal(correlation)
        others = jnp.sum(correlation**2) - jnp.sum(diagonal**2)
        loss = jnp.sum((1 - diagonal) ** 2) + self.off_diagonal * others
        return jnp.full(len(a), loss / a.shape[1])


@dataclass(frozen=True)
class VICReg(JointEmbedding):
    """Invariance, a hinge on the standard deviation, and no covariance (Bardes, Ponce & LeCun 2022); the loss over 25.

    Attributes:
        invariance: Weight of the mean squared difference of the views.
        variance: Weight of the hinge on the standard deviation of each dimension.
        covariance: Weight of the squared covariances between different dimensions.
    """

    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0

    def compare(self, a: Float[Array, "n dims"], b: Float[Array, "n dims"]) -> Float[Array, " n"]:
        """Compute the loss of the batch, with the invariance term of each row."""
        spread = (_hinge(a) + _hinge(b)) / 2
        crossed = _off_diagonal_covariance(a) + _off_diagonal_covariance(b)
        together = jnp.mean((a - b) ** 2, axis=1)
        return (self.invariance * together + self.variance * spread + self.covariance * crossed) / 25


def _unit(z: Float[Array, "n dims"]) -> Float[Array, "n dims"]:
    """Divide rows by their lengths."""
    return z * jax.lax.rsqrt(jnp.sum(z * z, axis=1, keepdims=True) + 1e-12)


def _standard(z: Float[Array, "n dims"]) -> Float[Array, "n dims"]:
    """Standardize every dimension over the batch."""
    centered = z - jnp.mean(z, axis=0)
    return centered * jax.lax.rsqrt(jnp.mean(centered * centered, axis=0) + 1e-5)


def _hinge(z: Float[Array, "n dims"]) -> Float[Array, ""]:
    """Mean over dimensions of the amount by which the standard deviation falls short of 1."""
    return jnp.mean(jax.nn.relu(1 - jnp.sqrt(jnp.var(z, axis=0, ddof=1) + 1e-4)))


def _off_diagonal_covariance(z: Float[Array, "n dims"]) -> Float[Array, ""]:
    """Sum of the squared covariances between different dimensions, over the number of dimensions."""
    centered = z - jnp.mean(z, axis=0)
    covariance = centered.T @ centered / (len(z) - 1)
    return (jnp.sum(covariance**2) - jnp.sum(jnp.diagonal(covariance) ** 2)) / z.shape[1]
