"""Layers that a padded model shares with its unpadded self, number for number.

A model narrower than its arrays carries zeros in the unused rows and columns. A layer is exact under such padding when
its output there is zero, and when its live output does not depend, in value AND in gradient, on how many zeros follow.
Matrix products are; statistics over features must count live features only, which is what `PerModel` numbers are for.
Activations must map 0 to 0 (gelu, relu, silu and tanh do).

Parameters are NumPy arrays drawn by the constructor, at the model's true width, from a NumPy generator: nothing to
compile, and the same generator gives the same numbers whatever the model is padded to later.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from jaxphase.models.parametrization import Parametrization, normal


class PerModel(nnx.Variable):
    """A number that belongs to one model of a family and is not trained: its width, a scale that follows from it."""


class Dense(nnx.Module):
    """Affine map y = scale * (x W) + b, with the scale and the initial W that its role asks for."""

    def __init__(self, inputs: int, outputs: int, role: str, scheme: Parametrization, rng: np.random.Generator | None):
        self.kernel = nnx.Param(normal(rng, (inputs, outputs), scheme.init_std(role, inputs)), role=role)
        self.bias = nnx.Param(np.zeros(outputs, np.float32), role="vector")
        # Only a readout's scale depends on the width; a product with one would be a pass over the activations.
        self.scale = PerModel(np.float32(scheme.forward(role, inputs))) if role == "readout" else None

    def __call__(self, x: Array) -> Array:
        """[..., inputs] -> [..., outputs]."""
        product = x @ self.kernel[...]
        return (product if self.scale is None else product * self.scale[...]) + self.bias[...]


class RMSNorm(nnx.Module):
    """y = gain * x / sqrt(mean(x**2)), the mean over live features (Zhang & Sennrich 2019).

    Padding adds zeros to the sum of squares, and the gradient of a square is zero at zero: dividing by the number of
    live features is all it takes to be exact.
    """

    def __init__(self, features: int, epsilon: float = 1e-6):
        self.gain = nnx.Param(np.ones(features, np.float32), role="vector")
        self.live = PerModel(np.float32(features))
        self.epsilon = epsilon

    def __call__(self, x: Array) -> Array:
        """[..., features] -> [..., features]."""
        mean_square = jnp.sum(x * x, axis=-1, keepdims=True) / self.live[...]
        return x * jax.lax.rsqrt(mean_square + self.epsilon) * self.gain[...]
