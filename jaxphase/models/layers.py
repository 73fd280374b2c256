"""Layers that compute the same numbers whether or not the model is padded.

A model narrower than its arrays has zeros in the unused rows and columns. A layer is exact under such padding if its
output there is zero and its live output does not depend, in value AND in gradient, on how many zeros follow. Matrix
products are exact. Statistics over features must count live features only, for which there are `PerModel` numbers, or
features in groups of one size, which are live or padding as a whole. Activations must map 0 to 0, as gelu, relu, silu
and tanh do. Along every axis of an array the live entries come first.

Parameters are NumPy arrays that the constructor draws from a NumPy generator, at the true width of the model. There is
nothing to compile, and the same generator gives the same numbers whatever the model is padded to later.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from jaxphase.models.parametrization import Parametrization, normal


class PerModel(nnx.Variable):
    """A number of one model of a family that is not trained, such as its width or a scale that follows from it."""


class Dense(nnx.Module):
    """Affine map y = scale * (x W) + b, with the scale and the initial W that its role asks for."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        role: str,
        scheme: Parametrization,
        rng: np.random.Generator | None,
        *,
        bias: bool = True,
    ) -> None:
        self.kernel = nnx.Param(normal(rng, (inputs, outputs), scheme.init_std(role, inputs)), role=role)
        bias_role = "vector" if role in ("input", "hidden") else "finite"
        self.bias = nnx.Param(np.zeros(outputs, np.float32), role=bias_role) if bias else None
        # Only a readout's scale depends on the width; multiplying by 1 would cost a pass over the activations.
        self.scale = PerModel(np.float32(scheme.forward(role, inputs))) if role == "readout" else None

    def __call__(self, x: Float[Array, "*lead inputs"]) -> Float[Array, "*lead outputs"]:
        """Map the last axis."""
        product = x @ self.kernel[...]
        scaled = product if self.scale is None else product * self.scale[...]
        return scaled if self.bias is None else scaled + self.bias[...]


class Convolution(nnx.Module):
    """3 x 3 convolution with a border of zeros, as one matrix product of the nine shifted images.

    With a kernel for every model XLA would make a grouped convolution, whose gradients are slow on every platform.
    """

    def __init__(self, inputs: int, outputs: int, scheme: Parametrization, rng: np.random.Generator | None) -> None:
        std = scheme.init_std("hidden", 9 * inputs)
        self.kernel = nnx.Param(normal(rng, (9, inputs, outputs), std), role="hidden")

    def __call__(self, x: Float[Array, "n rows columns inputs"]) -> Float[Array, "n rows columns outputs"]:
        """Convolve images."""
        rows, columns = x.shape[1:3]
        bordered = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        shifted = [bordered[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
        kernel = self.kernel[...]
        return jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])


class RMSNorm(nnx.Module):
    """y = gain * x / sqrt(mean(x**2)), the mean over live features (Zhang & Sennrich 2019).

    Padding adds zeros to the sum of squares, and the gradient of a square is zero at zero, so dividing by the number of
    live features makes it exact.
    """

    def __init__(self, features: int, role: str = "vector", epsilon: float = 1e-6) -> None:
        self.gain = nnx.Param(np.ones(features, np.float32), role=role)
        self.live = PerModel(np.float32(features))
        self.epsilon = epsilon

    def __call__(self, x: Float[Array, "*lead features"]) -> Float[Array, "*lead features"]:
        """Normalize the last axis and multiply by the gain."""
        return self.normalize(x) * self.gain[...]

    def normalize(self, x: Float[Array, "*lead features"]) -> Float[Array, "*lead features"]:
        """Normalize without the gain."""
        mean_square = jnp.sum(x * x, axis=-1, keepdims=True) / self.live[...]
        return x * jax.lax.rsqrt(mean_square + self.epsilon)


class GroupNorm(nnx.Module):
    """Zero mean and unit variance of every group of `size` features, over the positions too (Wu & He 2018).

    The size of a group is fixed rather than their number, so that padding makes whole groups of zeros.
    """

    def __init__(self, features: int, size: int, epsilon: float = 1e-5) -> None:
        self.gain = nnx.Param(np.ones(features, np.float32), role="vector")
        self.shift = nnx.Param(np.zeros(features, np.float32), role="vector")
        self.size, self.epsilon = size, epsilon

    def __call__(self, x: Float[Array, "n *positions features"]) -> Float[Array, "n *positions features"]:
        """Normalize every group of every row."""
        groups = x.reshape(len(x), -1, x.shape[-1] // self.size, self.size)
        groups = groups - jnp.mean(groups, axis=(1, 3), keepdims=True)
        variance = jnp.mean(groups * groups, axis=(1, 3), keepdims=True)
        return (groups * jax.lax.rsqrt(variance + self.epsilon)).reshape(x.shape) * self.gain[...] + self.shift[...]


class Attention(nnx.Module):
    """Multi-head self-attention with heads of one size, of which a narrower model has fewer (Vaswani et al. 2017).

    There is no bias: the bias of the keys has a gradient of exactly zero, and Adam would magnify its rounding errors.
    """

    def __init__(
        self,
        width: int,
        head_size: int,
        scheme: Parametrization,
        rng: np.random.Generator | None,
        *,
        causal: bool,
        rotary: bool,
    ) -> None:
        self.query, self.key, self.value, self.out = (
            Dense(width, width, "hidden", scheme, rng, bias=False) for _ in range(4)
        )
        self.head_size, self.causal, self.rotary = head_size, causal, rotary

    def __call__(self, x: Float[Array, "n positions width"]) -> Float[Array, "n positions width"]:
        """Attend and map the heads to the stream."""
        return self.out(self.mix(x))

    def mix(self, x: Float[Array, "n positions width"]) -> Float[Array, "n positions width"]:
        """Compute the outputs of all heads, side by side."""
        n, positions, width = x.shape
        query, key, value = (
            layer(x).reshape(n, positions, width // self.head_size, self.head_size)
            for layer in (self.query, self.key, self.value)
        )
        if self.rotary:
            query, key = rotate(query), rotate(key)
        score = jnp.einsum("nthd,nshd->nhts", query, key) * self.head_size**-0.5
        if self.causal:
            score = jnp.where(jnp.tri(positions, dtype=bool), score, -jnp.inf)
        return jnp.einsum("nhts,nshd->nthd", jax.nn.softmax(score), value).reshape(x.shape)


def rotate(x: Float[Array, "n positions heads size"]) -> Float[Array, "n positions heads size"]:
    """Rotate pairs of features by an angle that grows with the position (rotary positions, Su et al. 2021)."""
    size = x.shape[-1]
    angle = np.arange(x.shape[1])[:, None, None] * 10_000.0 ** (-np.arange(0, size, 2) / size)
    cosine, sine = jnp.asarray(np.cos(angle), x.dtype), jnp.asarray(np.sin(angle), x.dtype)
    even, odd = x[..., ::2], x[..., 1::2]
    return jnp.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1).reshape(x.shape)


def patches(images: Shaped[Array, "n rows columns channels"], side: int) -> Shaped[Array, "n positions values"]:
    """Cut images into squares of side x side pixels, from left to right, then down."""
    n, rows, columns, channels = images.shape
    squares = images.reshape(n, rows // side, side, columns // side, side, channels).swapaxes(2, 3)
    return squares.reshape(n, -1, side * side * channels)


def from_patches(
    squares: Shaped[Array, "n positions values"], shape: tuple[int, ...], side: int
) -> Shaped[Array, "n rows columns channels"]:
    """Put the images together that `patches` cut."""
    rows, columns, channels = shape
    squares = squares.reshape(len(squares), rows // side, columns // side, side, side, channels).swapaxes(2, 3)
    return squares.reshape(len(squares), *shape)
