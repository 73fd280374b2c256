"""The Ising model on an L x L torus, J = 1, controlled by the coupling K = 1 / T: two simulators and the exact answer.

Near K_c use `swendsen_wang`: there configurations are independent after a few of its sweeps, and after a number of
sweeps of `metropolis` that grows like L**2.17. `kaufman` gives the exact mean energy and heat capacity at every finite
L; both simulators must agree with it.
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import threefry_2x32
from jaxtyping import Array, ArrayLike, Float, Int, Int8, Key, UInt32

from jaxphase.errors import InputError

from .clusters import label
from .clusters import wrapping as wrapping_of

CRITICAL_COUPLING = float(np.log(1 + np.sqrt(2)) / 2)  # 0.44068679, Onsager (1944)
EXPONENTS = {"alpha": 0.0, "beta": 1 / 8, "gamma": 7 / 4, "delta": 15.0, "nu": 1.0, "eta": 1 / 4}


class Samples(NamedTuple):
    """The measurements of a simulation, and its last spins.

    Attributes:
        magnetization: Signed magnetization per site, `[couplings, replicas, measurements]`.
        energy: Energy per site, of the same shape.
        spins: The last spins, int8 -1 or 1, `[couplings, replicas, L, L]`; they can start another run.
        wrapping: The share of the two directions in which a cluster winds around the torus, 0, 1/2 or 1, of the shape
            of `energy`; None unless `swendsen_wang` was asked for it.
    """

    magnetization: Float[Array, "couplings replicas measurements"]
    energy: Float[Array, "couplings replicas measurements"]
    spins: Int8[Array, "couplings replicas L L"]
    wrapping: Float[Array, "couplings replicas measurements"] | None = None


def metropolis(
    coupling: ArrayLike,
    size: int,
    replicas: int,
    sweeps: int,
    burn: int,
    *,
    key: Key[Array, ""],
    every: int = 1,
    start: Int8[ArrayLike, "..."] | None = None,
) -> Samples:
    """Measure while single spins flip, one color of the checkerboard at a time.

    A move that costs nothing is always made: as K goes to 0 every spin flips in every sweep, and replicas stay as alike
    as they began.

    Args:
        coupling: K = 1 / T, positive, `[couplings]`.
        size: Side L of the torus, even.
        replicas: Independent lattices at each coupling.
        sweeps: Sweeps after the first `burn`.
        burn: Sweeps that are thrown away.
        key: Decides all flips.
        every: Measure after every so many sweeps.
        start: First spins, -1 or 1, `[couplings, replicas, L, L]`; all up if None.

    Returns:
        `Samples` with `sweeps // every` measurements.

    Raises:
        ValueError: If the size is odd or the shape of `coupling` or `start` is wrong.

    References:
        Metropolis et al. (1953), J. Chem. Phys. 21, 1087.
    """
    if size % 2:
        raise InputError(f"size is {size}: a checkerboard on a torus needs an even one.")
    coupling, spins = _initial(coupling, size, replicas, start)
    return _run_metropolis(key, coupling, spins, sweeps // every, burn, every)


def swendsen_wang(
    coupling: ArrayLike,
    size: int,
    replicas: int,
    sweeps: int,
    burn: int,
    *,
    key: Key[Array, ""],
    every: int = 1,
    start: Int8[ArrayLike, "..."] | None = None,
    wrapping: bool = False,
) -> Samples:
    """Measure while whole clusters of spins flip.

    Equal neighbors are bound at random, and every cluster gets a random sign. Sweeps decorrelate slowest at K_c.

    Args:
        coupling: K = 1 / T, 0 or positive, `[couplings]`.
        size: Side L of the torus, even or odd.
        replicas: Independent lattices at each coupling.
        sweeps: Sweeps after the first `burn`.
        burn: Sweeps that are thrown away.
        key: Decides bonds and signs.
        every: Measure after every so many sweeps.
        start: First spins, -1 or 1, `[couplings, replicas, L, L]`; all up if None.
        wrapping: Whether to measure if clusters wind around the torus, which locates K_c better than Binder cumulants.

    Returns:
        `Samples` with `sweeps // every` measurements.

    Raises:
        ValueError: If the shape of `coupling` or `start` is wrong.

    References:
        Swendsen & Wang (1987), Phys. Rev. Lett. 58, 86.
    """
    coupling, spins = _initial(coupling, size, replicas, start)
    observe = _with_wrapping if wrapping else _observables
    spins, seen = _run_clusters(key, coupling, spins, sweeps // every, burn, every, observe)
    magnetization, energy, *around = (jnp.moveaxis(series, 0, -1) for series in seen)
    return Samples(magnetization, energy, spins, *around)


def configurations(
    coupling: ArrayLike,
    size: int,
    count: int,
    *,
    key: Key[Array, ""],
    replicas: int = 16,
    every: int = 5,
    burn: int = 100,
) -> Int8[Array, "couplings count L L"]:
    """Draw configurations in equilibrium by `swendsen_wang`.

    Args:
        coupling: K = 1 / T, `[couplings]`.
        size: Side L of the torus.
        count: Configurations at each coupling.
        key: Decides bonds and signs.
        replicas: Independent lattices at each coupling.
        every: Sweeps between successive configurations of a lattice.
        burn: Sweeps before the first.

    Returns:
        Spins -1 and 1, int8 `[couplings, count, L, L]`. Every replica gives a run of successive configurations, so a
        jackknife needs bins of neighboring ones.
    """
    replicas = min(replicas, count)
    coupling, spins = _initial(coupling, size, replicas, None)
    _, seen = _run_clusters(key, coupling, spins, -(-count // replicas), burn, every, _configuration)
    return jnp.moveaxis(seen, 0, 2).reshape(len(coupling), -1, size, size)[:, :count]


def kaufman(coupling: ArrayLike, size: int) -> tuple[Float[np.ndarray, "*couplings"], Float[np.ndarray, "*couplings"]]:
    """Compute the exact mean energy and heat capacity per site of a torus.

    Args:
        coupling: K = 1 / T, positive, any shape.
        size: Side L of the torus.

    Returns:
        Energy and heat capacity per site, float64 of the shape of `coupling`.

    References:
        Kaufman (1949), Phys. Rev. 76, 1232; Ferdinand & Fisher (1969), Phys. Rev. 185, 832.
    """
    coupling = np.asarray(coupling, float)
    with jax.enable_x64(True):
        first, second = (np.asarray(d).reshape(coupling.shape) for d in _derivatives(coupling.reshape(-1), size))
    return np.asarray(-first / size**2), np.asarray(coupling**2 * second / size**2)


def log_partition(coupling: Float[ArrayLike, ""], size: int) -> Float[Array, ""]:
    """Compute the logarithm of Kaufman's partition function of a torus, to be differentiated.

    Z = (2 sinh 2K)**(L**2 / 2) / 2 * sum of four products over r = 0 .. L - 1: of 2 cosh(L g / 2) and of
    2 sinh(L g / 2), each for g_{2r + 1} and for g_{2r}, where cosh g_l = cosh(2K)**2 / sinh(2K) - cos(pi l / L) and
    g_0 = 2K + ln tanh K, which changes its sign at K_c.

    Args:
        coupling: One K = 1 / T, positive.
        size: Side L of the torus.

    Returns:
        `ln Z`.
    """
    s = jnp.sinh(2 * coupling)
    # cosh g - 1, written without cancellation where the lattice is critical.
    above_one = (1 - s) ** 2 / s + 2 * jnp.sin(jnp.pi * jnp.arange(1, 2 * size) / (2 * size)) ** 2
    half = size / 2 * jnp.log1p(above_one + jnp.sqrt(above_one * (2 + above_one)))
    zero = size / 2 * (2 * coupling + jnp.log(jnp.tanh(coupling)))

    log_product = lambda halves, sign: jnp.sum(halves + jnp.log1p(sign * jnp.exp(-2 * halves)))  # noqa: E731
    odd, even = half[::2], half[1::2]
    # The last product is one of sinh and so has a factor e^zero - e^-zero, which may be 0: it is two terms of the sum.
    cosh, sinh = log_product(even, 1), log_product(even, -1)
    terms = jnp.stack([log_product(odd, 1), log_product(odd, -1), cosh + zero, cosh - zero, sinh + zero, sinh - zero])
    total = jax.scipy.special.logsumexp(terms, b=jnp.array([1, 1, 1, 1, 1, -1]))
    return size**2 / 2 * jnp.log(2 * s) - jnp.log(2) + total


@functools.partial(jax.jit, static_argnums=1)
def _derivatives(
    coupling: Float[ArrayLike, " couplings"], size: int
) -> tuple[Float[Array, " couplings"], Float[Array, " couplings"]]:
    """First and second derivatives of `log_partition` at each coupling."""
    slope = jax.jacfwd(functools.partial(log_partition, size=size))
    return jax.vmap(slope)(coupling), jax.vmap(jax.jacfwd(slope))(coupling)


def spontaneous_magnetization(coupling: ArrayLike) -> Float[np.ndarray, "*couplings"]:
    """Compute the magnetization of the infinite lattice, (1 - sinh(2K)**-4)**(1 / 8) above K_c and 0 below.

    Args:
        coupling: K = 1 / T, any shape.

    Returns:
        Magnetization per site, float64 of the shape of `coupling`.

    References:
        Yang (1952), Phys. Rev. 85, 808.
    """
    coupling = np.asarray(coupling, float)
    ordered = coupling > CRITICAL_COUPLING
    return np.asarray(np.where(ordered, 1 - np.sinh(2 * np.where(ordered, coupling, 1)) ** -4.0, 0) ** (1 / 8))


def correlation_length(coupling: ArrayLike) -> Float[np.ndarray, "*couplings"]:
    """Compute the distance along an axis over which correlations fall by e, 1 / (ln coth K - 2K), for 0 < K <= K_c.

    Args:
        coupling: K = 1 / T, positive, any shape.

    Returns:
        Length in sites, float64 of the shape of `coupling`; infinite at K_c and NaN in the ordered phase.

    References:
        Onsager (1944), Phys. Rev. 65, 117.
    """
    coupling = np.asarray(coupling, float)
    rate = -np.log(np.tanh(coupling)) - 2 * coupling
    with np.errstate(divide="ignore"):
        length = 1 / np.where(np.abs(rate) < 4 * np.finfo(float).eps, 0, rate)
    return np.where(length > 0, length, np.nan)


def _initial(
    coupling: ArrayLike, size: int, replicas: int, start: Int8[ArrayLike, "..."] | None
) -> tuple[Float[Array, " couplings"], Int8[Array, "couplings replicas L L"]]:
    """Couplings in float32 and the spins that a run begins with; raises for shapes that do not fit."""
    coupling = jnp.asarray(coupling, jnp.float32)
    if coupling.ndim != 1:
        raise InputError(f"coupling has shape {coupling.shape}: give one axis of couplings, [k].")
    shape = (len(coupling), replicas, size, size)
    if start is None:
        return coupling, jnp.ones(shape, jnp.int8)
    if np.shape(start) != shape:
        raise InputError(f"start has shape {np.shape(start)}: give spins of shape {shape}.")
    return coupling, jnp.asarray(start, jnp.int8)


def _run(
    sweep: Callable[[Any, Key[Array, ""]], Any],
    observe: Callable[[Any], Any],
    state: Any,
    key: Key[Array, ""],
    measurements: int,
    burn: int | Int[Array, ""],
    every: int | Int[Array, ""],
) -> tuple[Any, Any]:
    """The state after all sweeps, and what `observe` sees of it after each `every` sweeps that follow the burn."""
    burn_key, keep_key = jax.random.split(key)
    state = jax.lax.fori_loop(0, burn, lambda i, state: sweep(state, jax.random.fold_in(burn_key, i)), state)

    def measure(state: Any, i: Int[Array, ""]) -> tuple[Any, Any]:
        keys = lambda j: jax.random.fold_in(keep_key, i * every + j)  # noqa: E731
        state = jax.lax.fori_loop(0, every, lambda j, state: sweep(state, keys(j)), state)
        return state, observe(state)

    return jax.lax.scan(measure, state, jnp.arange(measurements))


# The black sites of even and odd rows, a and b, then the white ones, c and d: arrays [..., L / 2, L / 2] without gaps.
_SUBLATTICES = ((0, 0), (1, 1), (0, 1), (1, 0))
_Sublattice = Int8[Array, "couplings replicas half half"]


@functools.partial(jax.jit, static_argnames=("measurements",))
def _run_metropolis(
    key: Key[Array, ""],
    coupling: Float[Array, " couplings"],
    spins: Int8[Array, "couplings replicas L L"],
    measurements: int,
    burn: int | Int[Array, ""],
    every: int | Int[Array, ""],
) -> Samples:
    """`metropolis` of given spins."""
    size = spins.shape[-1]
    # A flip against two or four neighbors in excess costs 4 or 8, and is made with probability exp(-K * cost).
    two, four = (_threshold(jnp.exp(-cost * coupling)) for cost in (4, 8))

    def flip(own: _Sublattice, field: _Sublattice, random: UInt32[Array, "..."]) -> _Sublattice:
        against = own * field
        accepted = (against <= 0) | (random < jnp.where(against == 2, two, four))
        return jnp.where(accepted, -own, own)

    def sweep(state: tuple[_Sublattice, ...], key: Key[Array, ""]) -> tuple[_Sublattice, ...]:
        a, b, c, d = state
        first, second = jax.random.split(key)
        a, b = map(flip, (a, b), _fields_of_black(c, d), _two_random(first, a.shape))
        c, d = map(flip, (c, d), _fields_of_white(a, b), _two_random(second, c.shape))
        return a, b, c, d

    def observe(state: tuple[_Sublattice, ...]):
        a, b, c, d = state
        field_c, field_d = _fields_of_white(a, b)
        total = functools.partial(jnp.sum, axis=(-2, -1), dtype=jnp.int32)
        bonds = total(c * field_c + d * field_d)  # each joins a black site to a white one
        return sum(total(sublattice) for sublattice in state) / size**2, -bonds / size**2

    start = tuple(spins[..., row::2, column::2] for row, column in _SUBLATTICES)
    state, (magnetization, energy) = _run(sweep, observe, start, key, measurements, burn, every)
    for sublattice, (row, column) in zip(state, _SUBLATTICES, strict=True):
        spins = spins.at[..., row::2, column::2].set(sublattice)
    return Samples(jnp.moveaxis(magnetization, 0, -1), jnp.moveaxis(energy, 0, -1), spins)


def _fields_of_black(c: _Sublattice, d: _Sublattice) -> tuple[_Sublattice, _Sublattice]:
    """Sums of the four neighbors of the black sites, from the white ones."""
    return c + jnp.roll(c, 1, -1) + d + jnp.roll(d, 1, -2), d + jnp.roll(d, -1, -1) + c + jnp.roll(c, -1, -2)


def _fields_of_white(a: _Sublattice, b: _Sublattice) -> tuple[_Sublattice, _Sublattice]:
    """Sums of the four neighbors of the white sites, from the black ones."""
    return a + jnp.roll(a, -1, -1) + b + jnp.roll(b, 1, -2), b + jnp.roll(b, 1, -1) + a + jnp.roll(a, -1, -2)


def _two_random(key: Key[Array, ""], shape: tuple[int, ...]) -> UInt32[Array, "2 ..."]:
    """Two arrays of 32 random bits, from the two halves of each hash, of which `jax.random.bits` keeps only one."""
    both = threefry_2x32(jax.random.bits(key, (2,)), jnp.arange(2 * math.prod(shape), dtype=jnp.uint32))
    return both.reshape(2, *shape)


def _threshold(probability: Float[Array, " couplings"]) -> UInt32[Array, "couplings 1 1 1"]:
    """The number that 32 random bits are below with this probability, as precisely as float32 knows it."""
    below = jnp.minimum(probability * 2.0**32, np.nextafter(np.float32(2**32), np.float32(0)))
    return below.astype(jnp.uint32)[:, None, None, None]


@functools.partial(jax.jit, static_argnames=("measurements", "observe"))
def _run_clusters(
    key: Key[Array, ""],
    coupling: Float[Array, " couplings"],
    spins: Int8[Array, "couplings replicas L L"],
    measurements: int,
    burn: int | Int[Array, ""],
    every: int | Int[Array, ""],
    observe: Callable[[Any], Any],
) -> tuple[Int8[Array, "couplings replicas L L"], Any]:
    """Spins after all sweeps, and what `observe` sees of the spins and of the bonds by which they were last flipped."""
    bind, winding = _threshold(-jnp.expm1(-2 * coupling)), observe is _with_wrapping

    def sweep(state, key: Key[Array, ""]):
        spins, _ = state
        random = _two_random(key, spins.shape)
        right, down = (
            (spins == jnp.roll(spins, -1, axis)) & (drawn < bind) for drawn, axis in zip(random, (-1, -2), strict=True)
        )
        labels, *around = wrapping_of(right, down) if winding else (label(right, down),)
        cluster = labels.reshape(*spins.shape[:2], -1)
        # The last bit of a random number is free: thresholds have 24 leading bits, so no comparison depends on it.
        sign = 2 * (random[0] & 1).astype(jnp.int8) - 1
        return jnp.take_along_axis(sign.reshape(cluster.shape), cluster, -1).reshape(spins.shape) * spins, around

    start = spins, [jnp.zeros(spins.shape[:2], bool)] * (2 * winding)
    (spins, _), seen = _run(sweep, observe, start, key, measurements, burn, every)
    return spins, seen


_configuration = operator.itemgetter(0)  # the spins themselves


def _with_wrapping(state: tuple[Int8[Array, "*lattices L L"], Any]) -> tuple[Float[Array, "*lattices"], ...]:
    """Magnetization and energy per site, and the share of directions in which a cluster wraps."""
    return *_observables(state), jnp.asarray(sum(state[1]) / 2)


def _observables(state: tuple[Int8[Array, "*lattices L L"], Any]) -> tuple[Float[Array, "*lattices"], ...]:
    """Magnetization and energy per site of spins, the first entry of the state."""
    spins = state[0]
    total = functools.partial(jnp.sum, axis=(-2, -1), dtype=jnp.int32)
    sites = spins.shape[-2] * spins.shape[-1]
    bonds = total(spins * (jnp.roll(spins, -1, -1) + jnp.roll(spins, -1, -2)))
    return total(spins) / sites, -bonds / sites
