"""Cross-fitting: samples in two halves of blocks, each measured by what the other half has chosen; the jackknife.

Arrays of estimates have an axis of `estimates` in front: the estimate from all blocks first, then those without each
block.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Num


class Halves(NamedTuple):
    """The samples of both halves, in blocks.

    Attributes:
        deviation: Deviations from the mean, in units of their root mean square; 0 where missing.
        raw: The activations themselves.
        present: Which samples are present.
        live: Which units vary in both halves.
    """

    deviation: Float[Array, "2 units blocks size"]
    raw: Float[Array, "2 units blocks size"]
    present: Bool[Array, "2 blocks size"]
    live: Bool[Array, " units"]


def as_activations(activations: ArrayLike, blocks: int) -> Float[Array, "*batch samples units"]:
    """Activations as floats; ValueError unless their shape and the number of blocks are valid."""
    x = jnp.asarray(activations)
    if x.ndim < 2 or x.shape[-1] < 2 or 0 in x.shape:
        raise ValueError(f"activations must have shape [..., samples, units], two units or more, got {x.shape}")
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise ValueError(f"activations must be real, got {x.dtype}")
    if not isinstance(blocks, int) or blocks < 4 or blocks % 2:
        raise ValueError(f"blocks must be an even int of at least 4, got {blocks!r}")
    return x.astype(jnp.promote_types(jnp.result_type(x, float), jnp.float32))


def split_halves(x: Float[Array, "samples units"], blocks: int) -> Halves:
    """Samples in blocks of one size, which go to the two halves in turn."""
    samples, units = x.shape
    present = jnp.all(jnp.isfinite(x), axis=1)
    x = jnp.where(present[:, None], x, 0)
    size = -(-samples // blocks)
    gap = blocks * size - samples
    x, present = jnp.pad(x, ((0, gap), (0, 0))), jnp.pad(present, (0, gap))
    mean = jnp.sum(x, axis=0) / jnp.maximum(jnp.sum(present), 1)
    deviation = jnp.where(present[:, None], x - mean, 0)

    def halves(a):
        return jnp.moveaxis(a.reshape(blocks // 2, 2, size, units), (1, 3), (0, 1))

    raw, deviation = halves(x), halves(deviation)
    present = jnp.swapaxes(present.reshape(blocks // 2, 2, size), 0, 1)
    here = present[:, None]
    low, high = (f(jnp.where(here, raw, s), axis=(2, 3)) for f, s in ((jnp.min, jnp.inf), (jnp.max, -jnp.inf)))
    live = jnp.all(high - low > 16 * jnp.finfo(x.dtype).eps * jnp.maximum(jnp.abs(high), jnp.abs(low)), axis=0)
    deviation = jnp.where(live[:, None, None], deviation, 0)
    scale = jnp.sqrt(jnp.sum(jnp.square(deviation)) / jnp.maximum(jnp.sum(present) * jnp.sum(live), 1))
    return Halves(deviation / jnp.where(scale > 0, scale, 1), raw, present, live)


def cross_fit(halves: Halves, measure: Callable[[Array, Array], Any]) -> Any:
    """`measure(covariance to choose by, index of the half to measure)` for both halves, then with fewer samples.

    The result has an axis of four in front: both halves, and both again, chosen by every other block of the other half.
    """
    blocks = halves.present.shape[1]
    some = jnp.arange(blocks) % 2 == 1

    def one_half(which):
        chooser, all_blocks = which
        deviation, present = halves.deviation[chooser], halves.present[chooser]
        present &= all_blocks | some[:, None]
        return measure(_covariance(deviation, present), 1 - chooser)

    return jax.lax.map(one_half, (jnp.array([1, 0, 1, 0]), jnp.array([True, True, False, False])))


def _covariance(
    deviation: Float[Array, "units blocks size"], present: Bool[Array, "blocks size"]
) -> Float[Array, "units units"]:
    """Covariance of the samples that are present, about their mean."""
    flat, many = jnp.where(present, deviation, 0).reshape(len(deviation), -1), jnp.maximum(jnp.sum(present), 1)
    mean = jnp.sum(flat, axis=1) / many
    return flat @ flat.T / many - mean[:, None] * mean


def without_each(parts: Num[Array, "blocks *shape"]) -> Num[Array, "estimates *shape"]:
    """The sum over all blocks, and over all blocks but each: `[1 + blocks, ...]`."""
    total = jnp.sum(parts, axis=0)
    return jnp.concatenate([total[None], total - parts])


def moments(
    values: Float[Array, "*batch blocks size"], present: Bool[Array, "blocks size"]
) -> tuple[Float[Array, "estimates *batch"], Float[Array, "estimates *batch"]]:
    """Variance and kurtosis from all blocks, and from all blocks but each; the kurtosis of a constant is 0."""
    many = jnp.maximum(without_each(jnp.sum(present, axis=1)), 1)
    deviation = values - jnp.sum(values, axis=(-2, -1), keepdims=True) / many[0]
    square = jnp.sum(jnp.where(present, jnp.square(deviation), 0), axis=(-2, -1), keepdims=True) / many[0]
    scale = jnp.sqrt(jnp.where(square > 0, square, 1))
    y = jnp.where(present, deviation / scale, 0)
    sums = jnp.sum(jnp.stack([y, y**2, y**3, y**4]), axis=-1)
    sums = without_each(jnp.moveaxis(sums, -1, 0))
    m1, m2, m3, m4 = jnp.swapaxes(sums / many.reshape(-1, *(1,) * (sums.ndim - 1)), 0, 1)
    second = m2 - jnp.square(m1)
    fourth = m4 - 4 * m1 * m3 + 6 * jnp.square(m1) * m2 - 3 * m1**4
    varies = second > jnp.finfo(second.dtype).eps
    kurtosis = jnp.where(varies, fourth / jnp.square(jnp.where(varies, second, 1)), 0)
    return second * jnp.square(scale[..., 0, 0]), kurtosis


def mean_of_halves(values: Float[Array, "4 half_estimates *shape"]) -> Float[Array, "estimates *shape"]:
    """Means of the two halves of a `cross_fit`, `[1 + blocks + 2, ...]`.

    The first is from all blocks, the next are without each block, the last two have one half chosen by fewer samples.
    """
    first, second, first_fewer, second_fewer = values
    whole = (first[0] + second[0]) / 2
    fewer = jnp.stack([first_fewer[0] + second[0], first[0] + second_fewer[0]]) / 2
    return jnp.concatenate([whole[None], (first[1:] + second[0]) / 2, (first[0] + second[1:]) / 2, fewer])


def usable(present: Bool[Array, "2 half_blocks size"]) -> tuple[Bool[Array, " blocks"], Bool[Array, ""]]:
    """Which blocks have samples, in the order of `mean_of_halves`, and whether each half has at least two."""
    used = jnp.any(present, axis=2)
    return used.reshape(-1), jnp.all(jnp.sum(used, axis=1) >= 2)


def jackknife(
    values: Float[Array, "estimates *shape"], used: Bool[Array, " blocks"], *, correct: bool = True
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Estimate and standard error from the means of `mean_of_halves` (Quenouille 1956; Efron 1982, The Jackknife).

    With correct=True the bias of order 1 / samples is subtracted. The jackknife sees only the scatter of the measured
    samples. The random choice of the clusters adds half the square of the change by another choice, as two independent
    choices differ by twice the variance of one. For independent units this is too much, as other clusters measure the
    same samples anew.
    """
    each, fewer = values[1:-2], values[-2:]
    used = used.reshape(-1, *(1,) * (values.ndim - 1))
    many = jnp.maximum(jnp.sum(used), 2)
    mean = jnp.sum(jnp.where(used, each, 0), axis=0) / many
    square = (many - 1) / many * jnp.sum(jnp.where(used, jnp.square(each - mean), 0), axis=0)
    square += jnp.sum(jnp.square(fewer - values[0]), axis=0) / 2
    return (many * values[0] - (many - 1) * mean if correct else values[0]), jnp.sqrt(square)
