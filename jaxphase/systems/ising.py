"""The Ising model on an L x L torus, J = 1, controlled by the coupling K = 1 / T: two simulators and the exact answer.

`swendsen_wang` is the one to use near K_c, where one in 10 of its sweeps is independent and of those of `metropolis`
one in ~ L**2.17. `kaufman` gives the mean energy and the heat capacity that both must find, at every finite L.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import threefry_2x32

from jaxphase.errors import InputError

from .clusters import label
from .clusters import wrapping as wrapping_of

CRITICAL_COUPLING = np.log(1 + np.sqrt(2)) / 2  # 0.44068679, Onsager (1944)
EXPONENTS = {"alpha": 0.0, "beta": 1 / 8, "gamma": 7 / 4, "delta": 15.0, "nu": 1.0, "eta": 1 / 4}


class Samples(NamedTuple):
    """Magnetization (signed) and energy per site, `[k, replicas, measurements]`; the last spins, `[k, replicas, L, L]`.

    The spins are int8, -1 or 1, and start another run. wrapping, if `swendsen_wang` was asked for it: the share of the
    two directions in which a cluster of bonds winds around the torus, 0, 1/2 or 1, `[k, replicas, measurements]`.
    """

    magnetization: jax.Array
    energy: jax.Array
    spins: jax.Array
    wrapping: jax.Array | None = None


def metropolis(key, coupling, size, replicas, sweeps, burn, *, every=1, start=None) -> Samples:
    """Measure while single spins flip (Metropolis et al. 1953), those of one colour of the checkerboard at a time.

    coupling: `[k]`, positive. `burn` sweeps are thrown away; of the `sweeps` that follow, each `every`-th is measured.
    start: spins `[k, replicas, size, size]`, all up if None. size is even. A move that costs nothing is always made: as
    K goes to 0 every spin flips in every sweep, and replicas stay as alike as they began.
    """
    if size % 2:
        raise InputError(f"size is {size}: a checkerboard on a torus needs an even one.")
    coupling, spins = _beginning(coupling, size, replicas, start)
    return _run_metropolis(key, coupling, spins, sweeps // every, burn, every)


def swendsen_wang(key, coupling, size, replicas, sweeps, burn, *, every=1, start=None, wrapping=False) -> Samples:
    """Measure while whole clusters flip: Swendsen & Wang (1987), Phys. Rev. Lett. 58, 86; arguments as in `metropolis`.

    Any size, odd ones too, and any coupling from 0 on. The integrated time of the energy at K_c is 8.3, 8.7 and 9.8
    sweeps for sizes 32, 64 and 128 (measured); elsewhere it is less.
    wrapping: measure as well whether clusters wind around the torus, which takes a quarter more time. Near K_c its mean
    tells couplings apart as a Binder cumulant of 4.6 times the sweeps does (measured, size 32).
    """
    coupling, spins = _beginning(coupling, size, replicas, start)
    observe = _with_wrapping if wrapping else _observables
    spins, seen = _run_clusters(key, coupling, spins, sweeps // every, burn, every, observe)
    magnetization, energy, *around = (jnp.moveaxis(a, 0, -1) for a in seen)
    return Samples(magnetization, energy, spins, *around)


def configurations(key, coupling, size, count, *, replicas=16, every=5, burn=100):
    """Spins -1 and 1 in equilibrium, int8 `[k, count, size, size]`, from `swendsen_wang`.

    Every replica gives a run of successive ones, `every` sweeps apart: bins of neighbours are what a jackknife needs.
    """
    replicas = min(replicas, count)
    coupling, spins = _beginning(coupling, size, replicas, None)
    _, seen = _run_clusters(key, coupling, spins, -(-count // replicas), burn, every, _configuration)
    return jnp.moveaxis(seen, 0, 2).reshape(len(coupling), -1, size, size)[:, :count]


def kaufman(size, coupling):
    """Mean energy and heat capacity per site of a size x size torus, exactly, float64 with the shape of coupling > 0.

    Kaufman (1949), Phys. Rev. 76, 1232; Ferdinand & Fisher (1969), Phys. Rev. 185, 832.
    """
    coupling = np.asarray(coupling, float)
    with jax.enable_x64(True):
        first, second = (np.asarray(d).reshape(coupling.shape) for d in _derivatives(size, coupling.reshape(-1)))
    return -first / size**2, coupling**2 * second / size**2


def log_partition(size, coupling):
    """Logarithm of Kaufman's partition function of a size x size torus at one coupling > 0, to be differentiated.

    Z = (2 sinh 2K)**(L**2 / 2) / 2 * sum of four products over r = 0 .. L - 1, of 2 cosh(L g / 2) and of
    2 sinh(L g / 2) for g_{2r + 1} and for g_{2r}, where cosh g_l = cosh(2K)**2 / sinh(2K) - cos(pi l / L) and
    g_0 = 2K + ln tanh K, which changes its sign at K_c.
    """
    s = jnp.sinh(2 * coupling)
    # cosh g - 1, free of cancellation where the lattice is critical.
    above_one = (1 - s) ** 2 / s + 2 * jnp.sin(jnp.pi * jnp.arange(1, 2 * size) / (2 * size)) ** 2
    half = size / 2 * jnp.log1p(above_one + jnp.sqrt(above_one * (2 + above_one)))
    zero = size / 2 * (2 * coupling + jnp.log(jnp.tanh(coupling)))

    def log_product(halves, sign):
        return jnp.sum(halves + jnp.log1p(sign * jnp.exp(-2 * halves)))

    odd, even = half[::2], half[1::2]
    # The last product is one of sinh and so has a factor e^zero - e^-zero, which may be 0: it is two terms of the sum.
    cosh, sinh = log_product(even, 1), log_product(even, -1)
    terms = jnp.stack([log_product(odd, 1), log_product(odd, -1), cosh + zero, cosh - zero, sinh + zero, sinh - zero])
    total = jax.scipy.special.logsumexp(terms, b=jnp.array([1, 1, 1, 1, 1, -1]))
    return size**2 / 2 * jnp.log(2 * s) - jnp.log(2) + total


@functools.partial(jax.jit, static_argnums=0)
def _derivatives(size, coupling):
    """First and second derivatives of `log_partition` at couplings `[k]`."""
    slope = jax.jacfwd(functools.partial(log_partition, size))
    return jax.vmap(slope)(coupling), jax.vmap(jax.jacfwd(slope))(coupling)


def spontaneous_magnetization(coupling):
    """(1 - sinh(2K)**-4)**(1 / 8) above K_c and 0 below, in the infinite lattice (Yang 1952, Phys. Rev. 85, 808)."""
    coupling = np.asarray(coupling, float)
    ordered = coupling > CRITICAL_COUPLING
    return np.where(ordered, 1 - np.sinh(2 * np.where(ordered, coupling, 1)) ** -4.0, 0) ** (1 / 8)


def correlation_length(coupling):
    """Length in sites over which correlations fall by e along an axis, 1 / (ln coth K - 2K), for 0 < K <= K_c.

    Onsager (1944), Phys. Rev. 65, 117. Infinite at K_c, NaN in the ordered phase.
    """
    coupling = np.asarray(coupling, float)
    rate = -np.log(np.tanh(coupling)) - 2 * coupling
    with np.errstate(divide="ignore"):
        length = 1 / np.where(np.abs(rate) < 4 * np.finfo(float).eps, 0, rate)
    return np.where(length > 0, length, np.nan)


def _beginning(coupling, size, replicas, start):
    """Couplings, float32 `[k]`, and the spins that a run begins with."""
    coupling = jnp.asarray(coupling, jnp.float32)
    if coupling.ndim != 1:
        raise InputError(f"coupling has shape {coupling.shape}: give one axis of them, [k].")
    shape = (len(coupling), replicas, size, size)
    if start is None:
        return coupling, jnp.ones(shape, jnp.int8)
    if start.shape != shape:
        raise InputError(f"start has shape {start.shape}: spins of these couplings and replicas have {shape}.")
    return coupling, jnp.asarray(start, jnp.int8)


def _run(sweep, observe, state, key, measurements, burn, every):
    """The state after all sweeps, and what is observed of it after each `every` sweeps that follow on the first."""
    to_burn, to_keep = jax.random.split(key)
    state = jax.lax.fori_loop(0, burn, lambda i, state: sweep(state, jax.random.fold_in(to_burn, i)), state)

    def measure(state, i):
        keys = lambda j: jax.random.fold_in(to_keep, i * every + j)  # noqa: E731
        state = jax.lax.fori_loop(0, every, lambda j, state: sweep(state, keys(j)), state)
        return state, observe(state)

    return jax.lax.scan(measure, state, jnp.arange(measurements))


@functools.partial(jax.jit, static_argnames=("measurements",))
def _run_metropolis(key, coupling, spins, measurements, burn, every):
    size = spins.shape[-1]
    # A flip against two or four neighbours in excess costs 4 or 8, and is made with probability exp(-K * cost).
    two, four = (_threshold(jnp.exp(-cost * coupling)) for cost in (4, 8))

    def flip(own, field, random):
        against = own * field
        accepted = (against <= 0) | (random < jnp.where(against == 2, two, four))
        return jnp.where(accepted, -own, own)

    def sweep(state, key):
        a, b, c, d = state
        first, second = jax.random.split(key)
        a, b = map(flip, (a, b), _fields_of_black(c, d), _two_random(first, a.shape))
        c, d = map(flip, (c, d), _fields_of_white(a, b), _two_random(second, c.shape))
        return a, b, c, d

    def observe(state):
        a, b, c, d = state
        of_c, of_d = _fields_of_white(a, b)
        total = functools.partial(jnp.sum, axis=(-2, -1), dtype=jnp.int32)
        bonds = total(c * of_c + d * of_d)  # each joins a black site to a white one
        return sum(total(part) for part in state) / size**2, -bonds / size**2

    start = tuple(spins[..., row::2, column::2] for row, column in _PLACES)
    state, (magnetization, energy) = _run(sweep, observe, start, key, measurements, burn, every)
    for part, (row, column) in zip(state, _PLACES, strict=True):
        spins = spins.at[..., row::2, column::2].set(part)
    return Samples(jnp.moveaxis(magnetization, 0, -1), jnp.moveaxis(energy, 0, -1), spins)


# The black sites of even and odd rows, a and b, then the white ones, c and d: arrays [..., L / 2, L / 2] without gaps.
_PLACES = ((0, 0), (1, 1), (0, 1), (1, 0))


def _fields_of_black(c, d):
    return c + jnp.roll(c, 1, -1) + d + jnp.roll(d, 1, -2), d + jnp.roll(d, -1, -1) + c + jnp.roll(c, -1, -2)


def _fields_of_white(a, b):
    return a + jnp.roll(a, -1, -1) + b + jnp.roll(b, 1, -2), b + jnp.roll(b, 1, -1) + a + jnp.roll(a, -1, -2)


def _two_random(key, shape):
    """Two arrays of 32 random bits from the two halves of each hash, of which `jax.random.bits` throws one away."""
    both = threefry_2x32(jax.random.bits(key, (2,)), jnp.arange(2 * math.prod(shape), dtype=jnp.uint32))
    return both.reshape(2, *shape)


def _threshold(probability):
    """What 32 random bits are below with this probability `[k]`, as near as float32 has it, `[k, 1, 1, 1]`."""
    below = jnp.minimum(probability * 2.0**32, np.nextafter(np.float32(2**32), np.float32(0)))
    return below.astype(jnp.uint32)[:, None, None, None]


@functools.partial(jax.jit, static_argnames=("measurements", "observe"))
def _run_clusters(key, coupling, spins, measurements, burn, every, observe):
    """Spins after all sweeps, and what `observe` says of the spins and of the bonds that they were last flipped by."""
    bind, winding = _threshold(-jnp.expm1(-2 * coupling)), observe is _with_wrapping

    def sweep(state, key):
        spins, _ = state
        random = _two_random(key, spins.shape)
        right, down = (
            (spins == jnp.roll(spins, -1, axis)) & (drawn < bind) for drawn, axis in zip(random, (-1, -2), strict=True)
        )
        labels, *around = wrapping_of(right, down) if winding else (label(right, down),)
        cluster = labels.reshape(*spins.shape[:2], -1)
        # The last bit of a number is free: thresholds have 24 leading bits, so that none is told from its last.
        sign = 2 * (random[0] & 1).astype(jnp.int8) - 1
        return jnp.take_along_axis(sign.reshape(cluster.shape), cluster, -1).reshape(spins.shape) * spins, around

    start = spins, [jnp.zeros(spins.shape[:2], bool)] * (2 * winding)
    (spins, _), seen = _run(sweep, observe, start, key, measurements, burn, every)
    return spins, seen


def _configuration(state):
    return state[0]


def _with_wrapping(state):
    return *_observables(state), sum(state[1]) / 2


def _observables(state):
    """Magnetization and energy per site `[...]` of spins `[..., L, L]`, the first part of the state."""
    spins = state[0]
    mean = functools.partial(jnp.sum, axis=(-2, -1), dtype=jnp.int32)
    sites = spins.shape[-2] * spins.shape[-1]
    bonds = mean(spins * (jnp.roll(spins, -1, -1) + jnp.roll(spins, -1, -2)))
    return mean(spins) / sites, -bonds / sites
