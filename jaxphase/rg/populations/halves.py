"""Samples in two halves of blocks, one to choose in and one to measure in, and the jackknife over all blocks."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Halves(NamedTuple):
    """Deviations `[2, units, blocks / 2, size]` from the mean, in units of their root mean square and 0 if missing; the
    activations themselves; which samples are present `[2, blocks / 2, size]`; which units `[units]` vary in both."""

    deviation: jax.Array
    raw: jax.Array
    present: jax.Array
    live: jax.Array


def as_activations(activations, blocks):
    """Floating activations `[..., samples, units]`, if their shape and the number of blocks are legal."""
    x = jnp.asarray(activations)
    if x.ndim < 2 or x.shape[-1] < 2 or 0 in x.shape:
        raise ValueError(f"activations must have shape [..., samples, units], two units or more, got {x.shape}")
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise ValueError(f"activations must be real, got {x.dtype}")
    if not isinstance(blocks, int) or blocks < 4 or blocks % 2:
        raise ValueError(f"blocks must be an even int of at least 4, got {blocks!r}")
    return x.astype(jnp.promote_types(jnp.result_type(x, float), jnp.float32))


def in_halves(x, blocks) -> Halves:
    """The samples of `[samples, units]` in blocks of one size, every other one of which goes to each half."""
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
    seen = present[:, None]
    low, high = (f(jnp.where(seen, raw, s), axis=(2, 3)) for f, s in ((jnp.min, jnp.inf), (jnp.max, -jnp.inf)))
    live = jnp.all(high - low > 16 * jnp.finfo(x.dtype).eps * jnp.maximum(jnp.abs(high), jnp.abs(low)), axis=0)
    deviation = jnp.where(live[:, None, None], deviation, 0)
    scale = jnp.sqrt(jnp.sum(jnp.square(deviation)) / jnp.maximum(jnp.sum(present) * jnp.sum(live), 1))
    return Halves(deviation / jnp.where(scale > 0, scale, 1), raw, present, live)


def choosing_and_measuring(halves: Halves, measure):
    """`measure(covariance to choose by, half to measure in)` for both halves, and again for both, chosen by half of the
    blocks of the half that chooses: what comes back has an axis of four in front."""
    blocks = halves.present.shape[1]
    some = jnp.arange(blocks) % 2 == 1

    def turn(which):
        chooser, all_blocks = which
        deviation, present = halves.deviation[chooser], halves.present[chooser]
        present &= all_blocks | some[:, None]
        return measure(_covariance(deviation, present), 1 - chooser)

    return jax.lax.map(turn, (jnp.array([1, 0, 1, 0]), jnp.array([True, True, False, False])))


def _covariance(deviation, present):
    """Covariance `[units, units]` of the samples present, about their mean."""
    flat, many = jnp.where(present, deviation, 0).reshape(len(deviation), -1), jnp.maximum(jnp.sum(present), 1)
    mean = jnp.sum(flat, axis=1) / many
    return flat @ flat.T / many - mean[:, None] * mean


def without_each(parts):
    """The sum of `[blocks, ...]` over all blocks, and over all but each: `[1 + blocks, ...]`."""
    total = jnp.sum(parts, axis=0)
    return jnp.concatenate([total[None], total - parts])


def moments(values, present):
    """Variance and kurtosis `[1 + blocks / 2, ...]` of `[..., blocks / 2, size]`, of all blocks and of all but each.

    The kurtosis of what does not vary is 0.
    """
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


def mean_of_halves(values):
    """Means of the two halves, `[4, 1 + blocks / 2, ...]` from `choosing_and_measuring`: with all blocks, without each,
    and with either half chosen by fewer samples, `[1 + blocks + 2, ...]`."""
    first, second, first_again, second_again = values
    whole = (first[0] + second[0]) / 2
    again = jnp.stack([first_again[0] + second[0], first[0] + second_again[0]]) / 2
    return jnp.concatenate([whole[None], (first[1:] + second[0]) / 2, (first[0] + second[1:]) / 2, again])


def usable(present):
    """Which blocks `[blocks]` have samples, in the order of `mean_of_halves`; and if each half has two or more."""
    used = jnp.any(present, axis=2)
    return used.reshape(-1), jnp.all(jnp.sum(used, axis=1) >= 2)


def jackknife(values, used, *, correct=True):
    """Estimate and standard error of the `[1 + blocks + 2, ...]` of `mean_of_halves`, the estimate less its bias of
    order 1 / samples if correct (Quenouille 1956; Efron 1982, The Jackknife).

    The jackknife knows only what the measured samples do. That the clusters are themselves a choice by chance adds half
    the square of the change by another choice, as two independent choices differ by twice the variance of one. Of units
    that are independent this is too much, as other clusters measure the same samples anew.
    """
    each, again = values[1:-2], values[-2:]
    used = used.reshape(-1, *(1,) * (values.ndim - 1))
    many = jnp.maximum(jnp.sum(used), 2)
    mean = jnp.sum(jnp.where(used, each, 0), axis=0) / many
    square = (many - 1) / many * jnp.sum(jnp.where(used, jnp.square(each - mean), 0), axis=0)
    square += jnp.sum(jnp.square(again - values[0]), axis=0) / 2
    return (many * values[0] - (many - 1) * mean if correct else values[0]), jnp.sqrt(square)
