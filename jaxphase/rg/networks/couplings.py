"""Couplings of a trained network: the numbers of its layers that are followed through a coarse-graining.

None depends on the order of units, nor on the axes of a residual stream: moments of the activations are means over all
directions in their space.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, Key, Num

from jaxphase.detect.status import Status
from jaxphase.errors import InputError
from jaxphase.models import resnet, transformer
from jaxphase.models.mlp import MLP, Block
from jaxphase.models.stack import Stack
from jaxphase.rg.criticality import criticality_index
from jaxphase.rg.networks.reduction import AnyArray
from jaxphase.rg.spectrum import marchenko_pastur, spectral_exponent, spectral_ranks
from jaxphase.scaling import correlation_lengths

Scalar = Float[Array, ""]

_SKEWNESS_SAMPLES = 1024  # largest number of samples whose third moments are taken, in pairs
_LENGTH_ROWS = 64  # rows whose correlations over positions are taken
_CHI_ROWS = 8  # rows whose units are perturbed for chi
_CHI_AT_ONCE = 16  # units that are perturbed together


class Layer(NamedTuple):
    """A block of a network with its inputs.

    Attributes:
        name: Where it is in the model.
        function: From inputs to outputs.
        inputs: Its inputs, `[n, ..., width]`.
        live_inputs: Number of inputs that are not padding.
        live: Number of outputs that are not padding.
        weights: The weights by which it reads and writes, `[rows, columns]`.
        live_weights: Number of their rows and of their columns that are not padding.
        sides: Sides of the lattice of positions; empty without positions.
    """

    name: str
    function: Callable[[Array], Array]
    inputs: Float[Array, "n *positions width"]
    live_inputs: Int[Array, ""]
    live: Int[Array, ""]
    weights: Float[AnyArray, "rows columns"]
    live_weights: tuple[Int[Array, ""], Int[Array, ""]]
    sides: tuple[int, ...]


class Couplings(NamedTuple):
    """Couplings of the blocks of a network, each `[layers]`.

    Attributes:
        mean: Mean activation of a unit, root mean square over units.
        variance: Variance of a unit, mean over units.
        skewness: Skewness of a combination of units, mean over directions; 0 if all are Gaussian.
        kurtosis: Kurtosis of a combination of units, mean over directions; 3 if all are Gaussian.
        entropy: Entropy of a Gaussian of the same covariance, in nats per unit: an upper bound on the entropy.
        correlation_length: Exponential correlation length of the activations over positions; NaN with fewer than four.
        effective_rank: Effective rank of the centered activations over the number of units.
        stable_rank: Stable rank of the weights over their shorter side.
        tail_exponent: Exponent alpha of the tail of the weights' eigenvalues.
        outliers: Share of the weights' eigenvalues beyond the edge of noise.
        chi: Factor of the layer on squared differences, per unit.
        chi_se: Its standard error.
        criticality: `criticality_index` of chi: 1 if small differences neither grow nor shrink.
        spectral_criticality: The spectral index: 1 if `tail_exponent` is 2.
        eigenvalues: Eigenvalues of the activations' covariance, `[layers, width]`, the largest first.
    """

    mean: Float[Array, " layers"]
    variance: Float[Array, " layers"]
    skewness: Float[Array, " layers"]
    kurtosis: Float[Array, " layers"]
    entropy: Float[Array, " layers"]
    correlation_length: Float[Array, " layers"]
    effective_rank: Float[Array, " layers"]
    stable_rank: Float[Array, " layers"]
    tail_exponent: Float[Array, " layers"]
    outliers: Float[Array, " layers"]
    chi: Float[Array, " layers"]
    chi_se: Float[Array, " layers"]
    criticality: Float[Array, " layers"]
    spectral_criticality: Float[Array, " layers"]
    eigenvalues: Float[Array, "layers width"]


@jax.default_matmul_precision("highest")
def couplings(model: nnx.Module, rows: Num[AnyArray, "n numbers"], *, key: Key[Array, ""]) -> Couplings:
    """Measure the couplings of the blocks of an MLP or a residual model.

    jit and vmap apply. For w units the cost per layer is 2 n w**2 operations for the covariance, and a singular value
    decomposition of the activations and of the weights.

    Args:
        model: A model of this library, padded or not.
        rows: Rows that it reads, `[n, numbers]`.
        key: Key of the positions that are perturbed for chi.

    Returns:
        `Couplings`, one entry for each block of the encoder.
    """
    each = [_couplings_of(layer, jax.random.fold_in(key, i)) for i, layer in enumerate(layers(model, rows))]
    return jax.tree.map(lambda *values: jnp.stack(values), *each)


def layers(model: nnx.Module, rows: Num[AnyArray, "n numbers"]) -> list[Layer]:
    """List the blocks of the encoder of an MLP or a residual model, each with its inputs.

    Args:
        model: A model of this library, padded or not.
        rows: Rows that it reads, `[n, numbers]`.

    Returns:
        A `Layer` for each block.

    Raises:
        InputError: If the model is of another kind.
    """
    if isinstance(model, MLP):
        return _layers_of_mlp(model, jnp.asarray(rows))
    if isinstance(model, Stack):
        return _layers_of_stack(model, jnp.asarray(rows))
    raise InputError(f"model is a {type(model).__name__}: give an MLP, ResNet, Transformer or ViT of jaxphase.")


def _layers_of_mlp(model: MLP, rows: Num[Array, "n numbers"]) -> list[Layer]:
    """The blocks of a perceptron."""
    x = model.numbers(rows)
    live, found = jnp.asarray(x.shape[1]), []
    for i, block in enumerate(model.encoder):
        if isinstance(block, Block):
            after = block.norm.live[...].astype(int)
            found.append(Layer(f"encoder.{i}", block, x, live, after, block.dense.kernel[...], (live, after), ()))
            x, live = block(x), after
    return found


def _layers_of_stack(model: Stack, rows: Num[Array, "n numbers"]) -> list[Layer]:
    """The blocks of a residual model."""
    x, live, found = model.stem(rows), model.norm.live[...].astype(int), []
    for i, block in enumerate(model.blocks):
        if isinstance(block, transformer.Block):
            weights = block.perceptron_norm.gain[...][:, None] * block.up.kernel[...]
            sides, counts = model.stem.sides, (live, 4 * live)
        elif isinstance(block, resnet.Block):
            weights = block.convolutions[0].kernel[...].swapaxes(0, 1).reshape(-1, x.shape[-1])
            sides, counts = block.sides, (9 * live, live)
        else:
            raise InputError(f"a block is a {type(block).__name__}: couplings are of transformer and residual blocks.")
        found.append(Layer(f"blocks.{i}", block, x, live, live, weights, counts, sides))
        x = block(x)
    return found


def _couplings_of(layer: Layer, key: Key[Array, ""]) -> Couplings:
    """The couplings of one layer, as scalars."""
    outputs = layer.function(layer.inputs)
    samples = outputs.reshape(-1, outputs.shape[-1])
    mean = samples.mean(0)
    centered = samples - mean
    covariance = centered.T @ centered / len(centered)
    trace = jnp.trace(covariance)
    weights, shorter = (layer.weights, *layer.live_weights), jnp.minimum(*layer.live_weights)
    noise = marchenko_pastur(*weights)
    tail = spectral_exponent(*weights).alpha
    chi, chi_se = growth(layer, key)
    index = criticality_index(chi, chi_se, tail)
    return Couplings(
        mean=jnp.sqrt(mean @ mean / layer.live),
        variance=trace / layer.live,
        skewness=skewness(centered, covariance),
        kurtosis=kurtosis(centered, covariance),
        entropy=gaussian_entropy(covariance, len(samples), layer.live),
        correlation_length=correlation_length(outputs, layer.sides),
        effective_rank=spectral_ranks(centered, len(centered), layer.live).effective / layer.live,
        stable_rank=spectral_ranks(*weights).stable / shorter,
        tail_exponent=tail,
        outliers=jnp.where(noise.status < Status.NOT_IDENTIFIED, noise.outliers / shorter, jnp.nan),
        chi=chi,
        chi_se=chi_se,
        criticality=index.index,
        spectral_criticality=index.spectral,
        eigenvalues=jnp.linalg.eigvalsh(covariance)[::-1],
    )


def growth(layer: Layer, key: Key[Array, ""]) -> tuple[Scalar, Scalar]:
    """Compute chi of a layer, `|J|_F**2` over its number of outputs, and its standard error over samples.

    It is `signal.chi` without random signs, whose result would change when units are permuted. All units of one
    position are perturbed in turn, and `key` only chooses that position in each sample.
    """
    x = layer.inputs[:_CHI_ROWS]
    positions = x.shape[1:-1]
    chosen = jax.random.randint(key, (len(x),), 0, math.prod(positions))
    where = jax.nn.one_hot(chosen, math.prod(positions), dtype=x.dtype).reshape(len(x), *positions, 1)
    along = jax.linearize(layer.function, x)[1]

    def squared_change(unit: Array) -> Array:
        probe = jnp.where(jnp.arange(x.shape[-1]) == unit, where, 0)
        return jnp.sum(along(probe).reshape(len(x), -1) ** 2, axis=1)

    units = jnp.arange(x.shape[-1])
    squares = jax.lax.map(squared_change, units, batch_size=min(len(units), _CHI_AT_ONCE))
    each = jnp.sum(jnp.where(units[:, None] < layer.live_inputs, squares, 0), axis=0) / layer.live
    return each.mean(), jnp.std(each, ddof=1) / math.sqrt(len(x))


def kurtosis(centered: Float[Array, "n w"], covariance: Float[Array, "w w"]) -> Scalar:
    """Compute the fourth moment of u x over the square of its second, both averaged over Gaussian directions u.

    The mean of `(u x)**4` over u is `3 |x|**4`, and that of `(u C u)**2` is `tr(C)**2 + 2 tr(C**2)`. The result is 3
    for any Gaussian x.
    """
    fourth = jnp.mean(jnp.sum(centered**2, axis=1) ** 2)
    squared = jnp.trace(covariance) ** 2 + 2 * jnp.sum(covariance**2)
    return jnp.where(squared > 0, 3 * fourth / jnp.where(squared > 0, squared, 1), jnp.nan)


def skewness(centered: Float[Array, "n w"], covariance: Float[Array, "w w"]) -> Scalar:
    """Compute the root of the squared third moment of u x over the cube of its second, averaged as in `kurtosis`.

    The squared third moment comes from pairs of a sample x of one half and y of the other: the mean of
    `(u x)**3 (u y)**3` over u is `6 (x y)**3 + 9 |x|**2 |y|**2 x y`, whose expectation is 0 for a symmetric
    distribution. For a negative value, it is minus the root of the modulus.
    """
    some = centered[:: -(-len(centered) // _SKEWNESS_SAMPLES)]
    x, y = (half - half.mean(0) for half in (some[::2], some[1::2]))
    product, lengths = x @ y.T, jnp.outer(jnp.sum(x**2, axis=1), jnp.sum(y**2, axis=1))
    third = jnp.mean(6 * product**3 + 9 * lengths * product)
    first, second = jnp.trace(covariance), covariance @ covariance
    cube = first**3 + 6 * first * jnp.trace(second) + 8 * jnp.sum(second * covariance)
    square = jnp.where(cube > 0, third / jnp.where(cube > 0, cube, 1), jnp.nan)
    return jnp.sign(square) * jnp.sqrt(jnp.abs(square))


def gaussian_entropy(covariance: Float[Array, "w w"], samples: int, live: Int[Array | np.ndarray, ""] | int) -> Scalar:
    """Compute the entropy in nats, per dimension, of a Gaussian with the covariance of these samples.

    It is the unbiased estimator of Ahmed & Gokhale (1989, IEEE Trans. Inf. Theory 35, 688) for independent Gaussian
    samples, over the first `live` dimensions. Directions without variance get the variance of rounding. The result is
    NaN with fewer samples than dimensions.
    """
    place = jnp.arange(len(covariance))
    values = jnp.linalg.eigvalsh(covariance)
    least = jnp.finfo(values.dtype).eps * jnp.maximum(values[-1], jnp.finfo(values.dtype).tiny)
    # Eigenvalues are in rising order, so that those of padding, which are 0, come first.
    logs = jnp.where(place >= len(values) - live, jnp.log(jnp.maximum(values, least)), 0)
    freedom = jnp.where(place < live, jax.scipy.special.digamma(jnp.maximum(samples - 1 - place, 1) / 2), 0)
    mean = jnp.sum(logs - freedom) / live + jnp.log(samples / 2)
    return jnp.where(samples > live + 1, (mean + jnp.log(2 * jnp.pi * jnp.e)) / 2, jnp.nan)


def correlation_length(outputs: Float[Array, "n *positions w"], sides: tuple[int, ...]) -> Scalar:
    """Compute the exponential correlation length, in positions, of activations on a lattice, summed over units.

    It is NaN with fewer than four positions to a side, or if neighbors do not correlate.
    """
    if not sides or min(sides) < 4:
        return jnp.full((), jnp.nan)
    some = outputs[:_LENGTH_ROWS] - outputs[:_LENGTH_ROWS].mean(0)
    field = jnp.moveaxis(some, -1, 1).reshape(-1, *sides)
    # Blocks of the jackknife are whole rows, so that the order of units has no influence.
    return correlation_lengths(
        field, axes=2 if len(sides) == 2 else 1, periodic=False, blocks=_LENGTH_ROWS // 4
    ).exponential
