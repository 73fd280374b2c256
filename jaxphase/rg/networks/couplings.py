"""Couplings of a trained network: the numbers of its layers that are followed through a coarse-graining.

None depends on the order of units, nor on the axes of a residual stream: what is said of the distribution of
activations is an average over all directions in which one may look at them.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from jaxphase.models import transformer
from jaxphase.models.mlp import MLP, Block
from jaxphase.models.stack import Stack
from jaxphase.rg.signal import criticality_index
from jaxphase.rg.spectrum import marchenko_pastur, spectral_exponent, spectral_ranks
from jaxphase.scaling import correlation_lengths

_SKEWED = 1024  # samples at most whose third moments are taken, in pairs
_PLACED = 64  # rows whose correlations over positions are taken
_MOVED, _AT_ONCE = 8, 16  # rows whose units are moved, and units moved at once


class Layer(NamedTuple):
    """A block of a network at work: `function(inputs)` are its outputs, of so many live units; the weights by which it
    reads and writes, live in the first `live_weights` rows and columns; sides of the lattice of positions, if any."""

    name: str
    function: Callable
    inputs: Array
    live_inputs: Array
    live: Array
    weights: Array
    live_weights: tuple[Array, Array]
    sides: tuple[int, ...]


class Couplings(NamedTuple):
    """Each `[layers]`, eigenvalues `[layers, w]`: those of the activations' covariance, the largest first.

    mean, variance: of a unit, root mean square and mean over units. skewness, kurtosis: of a combination of units, in
    the mean over directions; 0 and 3 if all are Gaussian. entropy: of a Gaussian of the same covariance, in nats a
    unit, an upper bound on the differential entropy.
    correlation_length: of the activations over positions, exponential; NaN without at least four of them.
    effective_rank: of the centered activations, over the number of units. stable_rank, tail_exponent, outliers: of the
    weights, over their shorter side; of their eigenvalues; the share of them beyond the edge of noise. chi: by how much
    the layer multiplies small differences, squared, per unit; criticality: 1 if they neither grow nor die, and
    spectral_criticality: 1 if the tail of the weights' eigenvalues has the exponent 2 (`criticality_index`).
    """

    mean: Array
    variance: Array
    skewness: Array
    kurtosis: Array
    entropy: Array
    correlation_length: Array
    effective_rank: Array
    stable_rank: Array
    tail_exponent: Array
    outliers: Array
    chi: Array
    chi_se: Array
    criticality: Array
    spectral_criticality: Array
    eigenvalues: Array


@jax.default_matmul_precision("highest")
def couplings(model: nnx.Module, rows: Array, key: Array) -> Couplings:
    """Couplings of the blocks of an MLP or residual model, padded or not, on rows [n, numbers] that it reads.

    jit and vmap go through. Of w units, 2 n w^2 operations for covariances and a singular value decomposition of the
    activations and of the weights per layer.
    """
    each = [_of_layer(layer, jax.random.fold_in(key, i)) for i, layer in enumerate(layers(model, rows))]
    return jax.tree.map(lambda *values: jnp.stack(values), *each)


def layers(model: nnx.Module, rows: Array) -> list[Layer]:
    """The blocks of the encoder, each at what it reads."""
    return _of_mlp(model, rows) if isinstance(model, MLP) else _of_stack(model, rows)


def _of_mlp(model: MLP, rows: Array) -> list[Layer]:
    x = model.numbers(rows)
    live, found = jnp.asarray(x.shape[1]), []
    for i, block in enumerate(model.encoder):
        if isinstance(block, Block):
            after = block.norm.live[...].astype(int)
            found.append(Layer(f"encoder.{i}", block, x, live, after, block.dense.kernel[...], (live, after), ()))
            x, live = block(x), after
    return found


def _of_stack(model: Stack, rows: Array) -> list[Layer]:
    x, live, found = model.stem(rows), model.norm.live[...].astype(int), []
    for i, block in enumerate(model.blocks):
        if isinstance(block, transformer.Block):
            weights = block.perceptron_norm.gain[...][:, None] * block.up.kernel[...]
            sides, counts = model.stem.sides, (live, 4 * live)
        else:
            weights = block.convolutions[0].kernel[...].swapaxes(0, 1).reshape(-1, x.shape[-1])
            sides, counts = block.sides, (9 * live, live)
        found.append(Layer(f"blocks.{i}", block, x, live, live, weights, counts, sides))
        x = block(x)
    return found


def _of_layer(layer: Layer, key: Array) -> Couplings:
    outputs = layer.function(layer.inputs)
    samples = outputs.reshape(-1, outputs.shape[-1])
    mean = samples.mean(0)
    centred = samples - mean
    covariance = centred.T @ centred / len(centred)
    trace = jnp.trace(covariance)
    weights = layer.weights, *layer.live_weights
    noise = marchenko_pastur(*weights)
    tail = spectral_exponent(*weights).alpha
    grown, grown_se = growth(layer, key)
    index = criticality_index(grown, grown_se, tail)
    return Couplings(
        mean=jnp.sqrt(mean @ mean / layer.live),
        variance=trace / layer.live,
        skewness=skewness(centred, covariance),
        kurtosis=kurtosis(centred, covariance),
        entropy=gaussian_entropy(covariance, len(samples), layer.live),
        correlation_length=correlation_length(outputs, layer.sides),
        effective_rank=spectral_ranks(centred, len(centred), layer.live).effective / layer.live,
        stable_rank=spectral_ranks(*weights).stable / jnp.minimum(*layer.live_weights),
        tail_exponent=tail,
        outliers=jnp.where(noise.status < 2, noise.outliers / jnp.minimum(*layer.live_weights), jnp.nan),
        chi=grown,
        chi_se=grown_se,
        criticality=index.index,
        spectral_criticality=index.spectral,
        eigenvalues=jnp.linalg.eigvalsh(covariance)[::-1],
    )


def growth(layer: Layer, key: Array) -> tuple[Array, Array]:
    """|J|_F^2 of a layer over its number of outputs, and the standard error of the mean over samples: chi.

    It is `signal.chi` without its random probes, which no permutation of units would leave as they are: all units of
    one position are moved in turn, and `key` only chooses that position in each sample.
    """
    x = layer.inputs[:_MOVED]
    positions = x.shape[1:-1]
    chosen = jax.random.randint(key, (len(x),), 0, math.prod(positions))
    where = jax.nn.one_hot(chosen, math.prod(positions), dtype=x.dtype).reshape(len(x), *positions, 1)
    along = jax.linearize(layer.function, x)[1]

    def moved(unit: Array) -> Array:
        probe = jnp.where(jnp.arange(x.shape[-1]) == unit, where, 0)
        return jnp.sum(along(probe).reshape(len(x), -1) ** 2, axis=1)

    units = jnp.arange(x.shape[-1])
    squares = jax.lax.map(moved, units, batch_size=min(len(units), _AT_ONCE))
    each = jnp.sum(jnp.where(units[:, None] < layer.live_inputs, squares, 0), axis=0) / layer.live
    return each.mean(), jnp.std(each, ddof=1) / math.sqrt(len(x))


def kurtosis(centred: Array, covariance: Array) -> Array:
    """Fourth moment of the samples [n, w] along u, over the square of the second, both averaged over Gaussian u.

    The mean of (u x)^4 is 3 |x|^4 and that of (u C u)^2 is tr(C)^2 + 2 tr(C^2): 3 E|x|^4 over it. 3 for any Gaussian.
    """
    fourth = jnp.mean(jnp.sum(centred**2, axis=1) ** 2)
    squared = jnp.trace(covariance) ** 2 + 2 * jnp.sum(covariance**2)
    return jnp.where(squared > 0, 3 * fourth / jnp.where(squared > 0, squared, 1), jnp.nan)


def skewness(centred: Array, covariance: Array) -> Array:
    """Root of the squared third moment of the samples [n, w] along u over the cube of the second, as in `kurtosis`.

    From the pairs of a sample x of one half and y of the other, of which (u x)^3 (u y)^3 has the mean
    6 (x y)^3 + 9 |x|^2 |y|^2 x y: of a symmetric law it is 0 in the mean. Below 0, it is minus the root of minus it.
    """
    some = centred[:: -(-len(centred) // _SKEWED)]
    x, y = (half - half.mean(0) for half in (some[::2], some[1::2]))
    product, lengths = x @ y.T, jnp.outer(jnp.sum(x**2, axis=1), jnp.sum(y**2, axis=1))
    third = jnp.mean(6 * product**3 + 9 * lengths * product)
    first, second = jnp.trace(covariance), covariance @ covariance
    cube = first**3 + 6 * first * jnp.trace(second) + 8 * jnp.sum(second * covariance)
    square = jnp.where(cube > 0, third / jnp.where(cube > 0, cube, 1), jnp.nan)
    return jnp.sign(square) * jnp.sqrt(jnp.abs(square))


def gaussian_entropy(covariance: Array, samples: int, live: Array) -> Array:
    """Entropy in nats, per dimension, of the Gaussian with this covariance [w, w], of which `live` dimensions count.

    The estimator without bias of Ahmed & Gokhale (1989, IEEE Trans. Inf. Theory 35, 688) from independent Gaussian
    samples. Directions without variance count as rounding. NaN with fewer samples than dimensions.
    """
    place = jnp.arange(len(covariance))
    values = jnp.linalg.eigvalsh(covariance)
    least = jnp.finfo(values.dtype).eps * jnp.maximum(values[-1], jnp.finfo(values.dtype).tiny)
    # Eigenvalues ascend, and those of padding, which are 0, come first.
    logs = jnp.where(place >= len(values) - live, jnp.log(jnp.maximum(values, least)), 0)
    freedom = jnp.where(place < live, jax.scipy.special.digamma(jnp.maximum(samples - 1 - place, 1) / 2), 0)
    mean = jnp.sum(logs - freedom) / live + jnp.log(samples / 2)
    return jnp.where(samples > live + 1, (mean + jnp.log(2 * jnp.pi * jnp.e)) / 2, jnp.nan)


def correlation_length(outputs: Array, sides: tuple[int, ...]) -> Array:
    """Exponential length, in positions, of activations [n, positions, w] on a lattice, summed over units.

    NaN with fewer than four positions to a side, or where neighbours do not correlate.
    """
    if not sides or min(sides) < 4:
        return jnp.full((), jnp.nan)
    some = outputs[:_PLACED] - outputs[:_PLACED].mean(0)
    field = jnp.moveaxis(some, -1, 1).reshape(-1, *sides)
    # Blocks of whole rows: which unit is which has no part in the jackknife.
    return correlation_lengths(field, axes=len(sides), periodic=False, blocks=_PLACED // 4).exponential
