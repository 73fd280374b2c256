"""Joint embedding: bring two views of a row together and keep the rows of a batch apart, in three ways.

All compare projections [n, dims] of fixed dimension, so that padding has no part in their statistics.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from jaxphase.data.source import Layout
from jaxphase.errors import InputError
from jaxphase.models.family import Head
from jaxphase.objectives.views import reads, two_views


@dataclass(frozen=True)
class JointEmbedding:
    """What the three have in common; `strength` scales the distortions of the views (see `two_views`).

    paired: the views are not of one row but of two that show the same thing, [2, n, ...].
    """

    layout: Layout
    paired: bool = False
    dims: int = 64
    strength: float = 1.0

    def __post_init__(self):
        if self.dims < 1 or self.dims != int(self.dims):
            raise InputError(f"dims is {self.dims}: give a whole number of at least 1.")

    @property
    def reads(self) -> Layout:
        """Rows that the model reads."""
        return reads(self.layout)

    @property
    def head(self) -> Head:
        """What the model gives back."""
        return Head(dims=int(self.dims))

    def inputs(self, rows: Array, key: Array) -> Array:
        """What the model reads of rows in training: their two views, one after the other."""
        first, second = rows if self.paired else (rows, rows)
        return jnp.concatenate(two_views(self.layout, key, first, second, self.strength))

    def loss(self, model, rows: Array, key: Array) -> Array:
        """Loss [n] of rows [n, numbers or positions] as one batch; its mean is that of the paper."""
        return self.compare(*jnp.split(model(self.inputs(rows, key)), 2))

    def represent(self, model, rows: Array) -> Array:
        """Representation [n, features], before the projection, of rows as they are."""
        return model.encode(rows)


@dataclass(frozen=True)
class Contrastive(JointEmbedding):
    """InfoNCE: tell a row's other view from those of the rest of the batch (van den Oord et al. 2018).

    Symmetric, by cosine over a temperature; log n minus the loss is a lower bound on the information between views.
    """

    temperature: float = 0.2

    def __post_init__(self):
        super().__post_init__()
        if self.temperature <= 0:
            raise InputError(f"temperature is {self.temperature}: give a positive number, such as 0.2.")

    def compare(self, a: Array, b: Array) -> Array:
        """Loss [n] of projections [n, dims]."""
        score = _unit(a) @ _unit(b).T / self.temperature
        ours = jnp.diagonal(score)
        return (jax.nn.logsumexp(score, axis=0) + jax.nn.logsumexp(score, axis=1)) / 2 - ours


@dataclass(frozen=True)
class BarlowTwins(JointEmbedding):
    """Cross-correlation of the views' projections to the identity (Zbontar et al. 2021), per dimension."""

    off_diagonal: float = 5e-3

    def compare(self, a: Array, b: Array) -> Array:
        """The batch's loss, at every row [n]."""
        correlation = _standard(a).T @ _standard(b) / len(a)
        diagonal = jnp.diagonal(correlation)
        others = jnp.sum(correlation**2) - jnp.sum(diagonal**2)
        loss = jnp.sum((1 - diagonal) ** 2) + self.off_diagonal * others
        return jnp.full(len(a), loss / a.shape[1])


@dataclass(frozen=True)
class VICReg(JointEmbedding):
    """Invariance, a hinge on the standard deviation, and no covariance (Bardes, Ponce & LeCun 2022), over 25."""

    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0

    def compare(self, a: Array, b: Array) -> Array:
        """The batch's loss, its invariance term that of each row [n]."""
        spread = (_hinge(a) + _hinge(b)) / 2
        crossed = _off_diagonal_covariance(a) + _off_diagonal_covariance(b)
        together = jnp.mean((a - b) ** 2, axis=1)
        return (self.invariance * together + self.variance * spread + self.covariance * crossed) / 25


def _unit(z: Array) -> Array:
    return z * jax.lax.rsqrt(jnp.sum(z * z, axis=1, keepdims=True) + 1e-12)


def _standard(z: Array) -> Array:
    centred = z - jnp.mean(z, axis=0)
    return centred * jax.lax.rsqrt(jnp.mean(centred * centred, axis=0) + 1e-5)


def _hinge(z: Array) -> Array:
    return jnp.mean(jax.nn.relu(1 - jnp.sqrt(jnp.var(z, axis=0, ddof=1) + 1e-4)))


def _off_diagonal_covariance(z: Array) -> Array:
    centred = z - jnp.mean(z, axis=0)
    covariance = centred.T @ centred / (len(z) - 1)
    return (jnp.sum(covariance**2) - jnp.sum(jnp.diagonal(covariance) ** 2)) / z.shape[1]
