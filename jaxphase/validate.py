"""What is recovered of systems whose transitions are known exactly: simulated here and now, measured as any data are.

No measurement knows the answer. Control grids are what a user might guess, the same for all sizes; estimates come from
simulated outcomes through `jaxphase.scaling`; the exact answers of `jaxphase.systems` stand beside them at the end.
"""

import math
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table

from jaxphase import scaling
from jaxphase.systems import curie_weiss, ising, linear_learning, perceptron, percolation, spiked

WRONG = 4.0  # standard errors


class Check(NamedTuple):
    """A number or a word that was recovered, beside the exact one.

    error: standard error, statistical and systematic together. pull: (value - exact) / error. precision: error / exact.
    All three are NaN for words.
    """

    system: str
    quantity: str
    value: float | str
    error: float
    exact: float | str
    pull: float
    precision: float

    @property
    def right(self) -> bool:
        """Whether a word is the exact one, or a number within four standard errors of it."""
        return self.value == self.exact if isinstance(self.exact, str) else abs(self.pull) <= WRONG


class Effort(NamedTuple):
    """How much is simulated."""

    ising: dict[int, int]  # replicas at each temperature, by size, and so below
    percolation: dict[int, int]  # lattices at each probability
    sweeps: int  # of a replica
    draws: int  # of a system without space
    starts: int  # of a network


DEFAULT = Effort(
    ising={128: 108, 64: 180, 36: 180, 24: 180},
    percolation={256: 600, 128: 2100, 96: 2700, 64: 4500, 32: 9000},
    sweeps=80,
    draws=40_000,
    starts=64,
)
# Larger lattices, for their corrections to scaling are smaller, and more of them.
LARGE = Effort(
    ising={256: 216, 128: 360, 72: 360, 48: 360},
    percolation={512: 12_000, 256: 40_000, 192: 60_000, 128: 100_000, 64: 200_000},
    sweeps=800,
    draws=1_000_000,
    starts=1024,
)


def validate(
    large: bool = False, seed: int = 0, progress: Callable[[str, float], None] = lambda system, share: None
) -> tuple[Check, ...]:
    """Simulate every system, on all devices at once, measure it, and compare.

    large: errors about five times smaller, for an accelerator or a night. progress is told the system at work and the
    share of the work that is done. Two cores take less than three minutes, compilation included.
    """
    effort, checks = LARGE if large else DEFAULT, []
    jobs = [system.simulate(effort) for system in SYSTEMS]
    total, done = sum(len(parts) + 1 for parts in jobs), 0
    keys = iter(jax.random.split(jax.random.key(seed), total))
    pool, run = ThreadPoolExecutor(jax.local_device_count()), _on_free_devices()
    try:
        begun = [[pool.submit(run, part, next(keys)) for part in parts] for parts in jobs]
        for system, futures in zip(SYSTEMS, begun, strict=True):
            results = []
            for future in futures:
                progress(system.name, done / total)
                results.append(future.result())
                done += 1
            progress(system.name, done / total)
            checks += system.judge(system.name, results)
            done += 1
    finally:
        pool.shutdown(cancel_futures=True)
    progress("done", 1.0)
    return tuple(checks)


def table(checks) -> Table:
    """A row for every check; those that are wrong are red."""
    rows = Table(title="Recovered from simulations, and known exactly")
    rows.add_column("system")
    rows.add_column("quantity")
    for name in ("recovered", "error", "exact", "pull", "precision"):
        rows.add_column(name, justify="right")
    system = None
    for check in checks:
        if isinstance(check.exact, str):
            numbers = check.value, "", check.exact, "", ""
        else:
            numbers = (*_digits(check.value, check.error, check.exact), f"{check.pull:+.1f}", f"{check.precision:.1e}")
        first = "" if check.system == system else check.system
        rows.add_row(first, check.quantity, *numbers, style=None if check.right else "red")
        system = check.system
    return rows


def _digits(value: float, error: float, exact: float) -> tuple[str, str, str]:
    """Numbers with as many digits as two of the error need, the exact one with at most eight."""
    places = min(max(1 - math.floor(math.log10(error)), 0), 8) if error > 0 else 6
    return f"{value:.{places}f}", f"{error:.{places}f}", f"{exact:.{places}f}"


def _on_free_devices():
    """A function that runs a part of a simulation on a device that no other part is using."""
    free = queue.SimpleQueue()
    for device in jax.local_devices():
        free.put(device)

    def run(part, key):
        device = free.get()
        try:
            with jax.default_device(device):
                return part(key)
        finally:
            free.put(device)

    return run


def _number(system: str, quantity: str, value, error, exact) -> Check:
    value, error, exact = float(value), float(error), float(exact)
    return Check(system, quantity, value, error, exact, (value - exact) / error, error / abs(exact))


def _word(system: str, quantity: str, value: str, exact: str) -> Check:
    return Check(system, quantity, value, math.nan, exact, math.nan, math.nan)


# Rows are [points, 5]: size, control, value, error, observable.


def _rows(size: int, control, value, error, observable: int = 0) -> np.ndarray:
    return np.stack(np.broadcast_arrays(size, control, value, error, observable), axis=1).astype(float)


def _mean(outcomes) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the last axis and its standard error."""
    outcomes = np.asarray(outcomes, float)
    return outcomes.mean(-1), outcomes.std(-1, ddof=1) / math.sqrt(outcomes.shape[-1])


def _share(outcomes) -> tuple[np.ndarray, np.ndarray]:
    """Share that is true over the last axis, with an error that is not zero where all are alike."""
    count = outcomes.shape[-1]
    share = np.mean(outcomes, axis=-1)
    smoothed = (share * count + 1) / (count + 2)
    return share, np.sqrt(smoothed * (1 - smoothed) / count)


# A ratio without dimension, an order parameter and a susceptibility that share a critical point.


def _collapse_checks(system: str, rows: np.ndarray, control: str, critical: float, known: dict, best: str):
    """Critical point, exponents and universality class from one collapse of three observables."""
    size, place, value, error, observable = rows.T
    found = scaling.collapse(size, place, value, error, observable=observable.astype(int))
    exponents, covariance = found.exponents("ratio", "beta/nu", "gamma/nu")
    del exponents["ratio"]
    covariance = np.delete(np.delete(covariance, 1, axis=0), 1, axis=1)
    identified = scaling.identify_universality_class(exponents, covariance, dimension=2)
    critical_error = math.hypot(found.critical_se, found.critical_sys)
    checks = [
        _word(system, "collapse", scaling.COLLAPSE_KINDS[found.kind], "transition"),
        _number(system, control, found.critical, critical_error, critical),
        _number(system, "nu", found.nu, math.hypot(found.nu_se, found.nu_sys), known["nu"]),
    ]
    for i, name in ((1, "beta"), (2, "gamma")):
        exponent = exponents[f"{name}/nu"] * found.nu
        slope = found.nu * (np.arange(3) == i)
        slope[0] = -exponent * found.nu
        checks.append(_number(system, name, exponent, math.sqrt(slope @ covariance @ slope), known[name]))
    return [*checks, _word(system, "universality class", _nearest(identified), best)]


def _nearest(found: scaling.Universality) -> str:
    """The class of the largest p-value, if that is as probable as four standard errors: `found.best` is "none" below
    0.05, which one right answer in twenty is."""
    p_value = np.nan_to_num(found.p_value)
    return found.classes[np.argmax(p_value)] if p_value.max() > math.erfc(WRONG / math.sqrt(2)) else "none"


def _crossing_check(system: str, quantity: str, rows: np.ndarray, exact: float) -> Check:
    """The critical point from the crossings of the first observable, without a fit of its scaling: of the smallest,
    a middle and the largest size, for curves of sizes that are much alike cross anywhere."""
    first = rows[rows[:, 4] == 0]
    sizes = np.unique(first[:, 0])
    found = scaling.crossings(*first[np.isin(first[:, 0], sizes[[0, len(sizes) // 2, -1]])].T[:4])
    return _number(system, quantity, found.critical, found.critical_se, exact)


# The Ising model in two dimensions.

COUPLINGS = np.linspace(0.43, 0.45, 9)
BURN = 40  # sweeps
WARM = 2.5  # a temperature at which the correlation length is finite
HOT = np.linspace(3.5, 6.0, 9)


def _simulate_ising(effort: Effort) -> tuple:
    largest_first = sorted(effort.ising.items(), reverse=True)
    return tuple(partial(_ising_rows, size, count, effort.sweeps) for size, count in largest_first)


def _ising_rows(size: int, replicas: int, sweeps: int, key) -> np.ndarray:
    """Binder cumulant, |m| and V <m**2>, each from a third of the replicas, so that their errors are independent."""
    samples = ising.swendsen_wang(key, COUPLINGS, size, replicas, sweeps, BURN)
    magnetization = np.asarray(samples.magnetization, float)
    for_binder, for_order, for_susceptibility = np.array_split(magnetization, 3, axis=1)
    count = for_binder.shape[1]
    binder = scaling.binder_cumulant(for_binder.reshape(len(COUPLINGS), -1), blocks=count)
    observables = (
        (np.asarray(binder.value), np.asarray(binder.se)),
        _mean(np.abs(for_order).mean(-1)),
        _mean(size**2 * np.square(for_susceptibility).mean(-1)),
    )
    parts = []
    for k, (value, error) in enumerate(observables):
        # Of few replicas an error is large or small by chance, and together with its value, which would pull a fit.
        smooth = np.exp(np.polyval(np.polyfit(COUPLINGS - COUPLINGS[0], np.log(error), 3), COUPLINGS - COUPLINGS[0]))
        parts.append(_rows(size, COUPLINGS, value, smooth, k))
    return np.concatenate(parts)


def _judge_ising(system: str, parts: list) -> list[Check]:
    rows = np.concatenate(parts)
    exact = ising.CRITICAL_COUPLING
    checks = [
        *_collapse_checks(system, rows, "T_c", exact, ising.EXPONENTS, "2-D Ising"),
        _crossing_check(system, "T_c, crossings", rows, exact),
    ]
    return [_inverse(check) if check.quantity.startswith("T_c") else check for check in checks]


def _inverse(check: Check) -> Check:
    """Of a coupling, the temperature."""
    error = check.error / check.value**2
    return _number(check.system, check.quantity, 1 / check.value, error, 1 / check.exact)


def _simulate_warm_ising(effort: Effort) -> tuple:
    return partial(_ising_configurations, effort.starts * 20), partial(_hot_rows, effort.starts)


def _ising_configurations(count: int, key) -> np.ndarray:
    return scaling.correlation_lengths(ising.configurations(key, [1 / WARM], 64, count)[0], axes=2)


def _hot_rows(replicas: int, key) -> np.ndarray:
    """The energy far above the critical temperature: smooth, and the same at every size."""
    parts = []
    for i, size in enumerate((8, 16, 32)):
        samples = ising.swendsen_wang(jax.random.fold_in(key, i), 1 / HOT, size, replicas, 60, BURN)
        parts.append(_rows(size, HOT, *_mean(np.asarray(samples.energy).mean(-1))))
    return np.concatenate(parts)


def _judge_warm_ising(system: str, parts: list) -> list[Check]:
    lengths, rows = parts
    kind = scaling.COLLAPSE_KINDS[scaling.collapse(*rows.T[:4]).kind]
    exact = ising.correlation_length(1 / WARM)
    return [
        _number(system, f"correlation length, T = {WARM}", lengths.exponential, lengths.exponential_se, exact),
        _word(system, f"energy, T = {HOT[0]:g} to {HOT[-1]:g}", kind, "crossover"),
    ]


# Site percolation in two dimensions.

PROBABILITIES = np.linspace(0.575, 0.61, 9)
WIDE = np.linspace(0.4, 0.8, 17)
SITES_AT_ONCE = 1 << 22


def _simulate_percolation(effort: Effort) -> tuple:
    largest_first = sorted(effort.percolation.items(), reverse=True)
    parts = [partial(_percolation_rows, size, count) for size, count in largest_first]
    return (*parts, partial(_percolation_outcomes, effort.starts))


def _percolation_rows(size: int, lattices: int, key) -> np.ndarray:
    """Probability to wrap, share of the largest cluster and mean size of a site's cluster, each from a third of the
    lattices."""
    at_once = max(SITES_AT_ONCE // (size**2 * len(PROBABILITIES)), 1)
    keys = jax.random.split(key, -(-lattices // at_once))
    batches = [percolation.sample(key, PROBABILITIES, size, at_once) for key in keys]
    seen = percolation.Percolation(*(np.concatenate(field, axis=1) for field in zip(*batches, strict=True)))
    third = seen.largest.shape[1] // 3
    observables = (
        _share((seen.horizontal | seen.vertical)[:, :third]),
        _mean(seen.largest[:, third : 2 * third]),
        _mean((seen.susceptibility + size**2 * np.square(seen.largest))[:, 2 * third :]),
    )
    return np.concatenate([_rows(size, PROBABILITIES, *pair, k) for k, pair in enumerate(observables)])


def _percolation_outcomes(lattices: int, key):
    """How the share of the largest cluster changes over a wide range, and the order of that change."""
    sizes = (16, 32, 64)
    keys = jax.random.split(key, len(sizes))
    outcomes = [percolation.sample(key, WIDE, size, lattices).largest for key, size in zip(keys, sizes, strict=True)]
    return scaling.transition_order(sizes, WIDE, np.stack(outcomes))


def _judge_percolation(system: str, parts: list) -> list[Check]:
    *parts, order = parts
    rows = np.concatenate(parts)
    critical = percolation.CRITICAL_PROBABILITY["site"]
    return [
        *_collapse_checks(system, rows, "p_c", critical, percolation.EXPONENTS, "2-D percolation"),
        _crossing_check(system, "p_c, crossings", rows, critical),
        _word(system, "order", scaling.ORDERS[order.kind], "continuous"),
    ]


# Systems without space: every size has its own exact answer.

MEAN_FIELD_COUPLINGS = np.linspace(0.95, 1.08, 11)
SPINS = (256, 512)
LOADS = np.linspace(1.9, 2.12, 12)
WEIGHTS = (64, 128, 256, 512, 1024)


def _simulate_curie_weiss(effort: Effort) -> tuple:
    return (partial(_curie_weiss_rows, effort.draws),)


def _curie_weiss_rows(draws: int, key) -> np.ndarray:
    parts = []
    for size in SPINS:
        samples = curie_weiss.sample(jax.random.fold_in(key, size), MEAN_FIELD_COUPLINGS, size, draws)
        binder = scaling.binder_cumulant(samples, blocks=200)
        parts.append(_rows(size, MEAN_FIELD_COUPLINGS, np.asarray(binder.value), np.asarray(binder.se)))
    return np.concatenate(parts)


def _judge_curie_weiss(system: str, parts: list) -> list[Check]:
    found = scaling.crossings(*parts[0].T[:4])
    pairs = zip(
        ("crossing, N = 256 and 512", "Binder cumulant there", "1/nu there"),
        ((found.control, found.control_se), (found.value, found.value_se), (found.inverse_nu, found.inverse_nu_se)),
        curie_weiss.crossing(SPINS[0]),
        strict=True,
    )
    return [_number(system, name, value[0], error[0], exact) for name, (value, error), exact in pairs]


def _simulate_perceptron(effort: Effort) -> tuple:
    return (partial(_perceptron_rows, effort.draws // 40),)


def _perceptron_rows(draws: int, key) -> np.ndarray:
    """Share of labellings that are separable, each of `draws` being so with Cover's probability."""
    rng, parts = np.random.default_rng(np.asarray(jax.random.key_data(key))), []
    for size in WEIGHTS:
        patterns = np.round(LOADS * size)
        probability = perceptron.separable_probability(patterns, size)
        separable = rng.random((len(patterns), draws)) < probability[:, None]
        parts.append(_rows(size, patterns / size, *_share(separable)))
    return np.concatenate(parts)


def _judge_perceptron(system: str, parts: list) -> list[Check]:
    found = scaling.collapse(*parts[0].T[:4])
    critical_error = math.hypot(found.critical_se, found.critical_sys)
    return [
        _word(system, "collapse", scaling.COLLAPSE_KINDS[found.kind], "transition"),
        _number(system, "capacity", found.critical, critical_error, perceptron.CAPACITY),
        _number(system, "nu", found.nu, math.hypot(found.nu_se, found.nu_sys), perceptron.EXPONENTS["nu"]),
    ]


STRENGTH, DIMENSIONS = 1.5, (400, 800)  # of twice as many samples


def _simulate_spike(effort: Effort) -> tuple:
    return (partial(_spikes, effort.draws // 50),)


def _spikes(replicas: int, key) -> list:
    keys = jax.random.split(key, len(DIMENSIONS))
    return [spiked.sample(key, [STRENGTH], p, 2 * p, replicas) for key, p in zip(keys, DIMENSIONS, strict=True)]


def _judge_spike(system: str, parts: list) -> list[Check]:
    """Extrapolated to infinite dimension, for what is missing at a finite one falls as its inverse."""
    checks = []
    for name, small, large, exact in zip(
        ("eigenvalue", "overlap"), *parts[0], spiked.limit(STRENGTH, 0.5), strict=True
    ):
        (less, less_error), (more, more_error) = _mean(small[0]), _mean(large[0])
        checks.append(_number(system, name, 2 * more - less, math.hypot(2 * more_error, less_error), exact))
    return checks


# Networks that learn in steps, collapse or jump.

EIGENVALUES = np.array([1.0, 0.5, 0.25, 0.125])
SMALL = 1e-3  # of the weights to begin with
DECAYS = np.linspace(0.84, 0.90, 13)
EIGENVALUE = 0.43  # of the mode that decay takes away
START = 8.0  # large, so that it is soon forgotten
TIMES = (10, 20, 40, 80)
STEPS = 80  # in a unit of time
TARGET = 1.0
CHAIN_DECAYS = {2: np.linspace(0.7, 1.2, 26), 3: np.linspace(0.3, 0.55, 26)}


def _simulate_barlow_twins(effort: Effort) -> tuple:
    return partial(_learning_times, effort.starts), partial(_decaying_rows, effort.draws // 4)


def _learning_times(starts: int, key) -> np.ndarray:
    """Times at which modes are half learnt over those of the theory, [starts, modes]."""
    weights = SMALL * jax.random.normal(key, (starts, len(EIGENVALUES), len(EIGENVALUES)))
    flow = jax.vmap(lambda w: linear_learning.barlow_twins(w, jnp.asarray(EIGENVALUES), 30.0, steps=1000))(weights)
    times, strength = np.asarray(flow.times[0]), np.asarray(flow.values)
    seen = [[np.interp(0.5, mode, times) for mode in start.T] for start in strength]
    expected = [linear_learning.barlow_time(EIGENVALUES, linear_learning.barlow_initial(w)) for w in weights]
    return np.array(seen) / np.array(expected)


def _decaying_rows(samples: int, key) -> np.ndarray:
    """Strength of a mode near the decay that takes it away, measured on so many samples.

    Near that decay it takes ever longer to come to rest, and only at rest is there a transition: time is what the size
    of a lattice is elsewhere.
    """
    to_weights, to_noise = jax.random.split(key)
    weights = linear_learning.aligned(to_weights, START, 1, 1)

    def flow(decay):
        eigenvalue = jnp.array([EIGENVALUE])
        return linear_learning.barlow_twins(weights, eigenvalue, TIMES[-1], decay=decay, steps=STEPS * TIMES[-1])

    strength = np.asarray(jax.vmap(flow)(jnp.asarray(DECAYS)).values, float)[:, [STEPS * time for time in TIMES], 0]
    rng = np.random.default_rng(np.asarray(jax.random.key_data(to_noise)))
    seen = strength * rng.chisquare(samples, strength.shape) / samples
    errors = strength * math.sqrt(2 / samples)
    return np.concatenate([_rows(time, DECAYS, seen[:, i], errors[:, i]) for i, time in enumerate(TIMES)])


def _judge_barlow_twins(system: str, parts: list) -> list[Check]:
    ratio, rows = parts
    found = scaling.collapse(*rows.T[:4])
    se = [math.hypot(*pair) for pair in ((found.critical_se, found.critical_sys), (found.nu_se, found.nu_sys))]
    return [
        _number(system, "learning times over theory", ratio.mean(), ratio.std(), 1.0),
        _word(system, "collapse of a mode in time", scaling.COLLAPSE_KINDS[found.kind], "transition"),
        _number(system, "critical weight decay", found.critical, se[0], 2 * EIGENVALUE),
        _number(system, "nu z", found.nu, se[1], 1.0),
    ]


def _simulate_chains(effort: Effort) -> tuple:
    return tuple(partial(_chain_products, depth, effort.starts) for depth in CHAIN_DECAYS)


def _chain_products(depth: int, seeds: int, key) -> np.ndarray:
    decays = CHAIN_DECAYS[depth]
    products = linear_learning.scalar_chain(key, decays, TARGET, depth=depth, seeds=seeds, time=60.0, steps=4000)
    return np.asarray(products, float)


def _judge_chains(system: str, parts: list) -> list[Check]:
    """Seeds are the only second axis that a scalar has, so the order is told from how they fall into heaps."""
    two, three = parts
    heaps = _two_heaps(three)
    decays, upper = CHAIN_DECAYS[3], three > TARGET / 10
    rows = []
    for decay, products, above in zip(decays, three, upper, strict=True):
        loss = np.square(TARGET - products) + 3 * decay * np.abs(products) ** (2 / 3)
        for heap, mine in enumerate((above, ~above), start=1):
            if mine.sum() > 3:
                rows.append((heap, decay, loss[mine].mean(), loss[mine].std() / math.sqrt(mine.sum()) + 1e-6))
    crossing = scaling.crossings(*np.array(rows).T)
    last = np.flatnonzero(upper.any(axis=1))[-1]
    spinodal, spacing = decays[last : last + 2].mean(), decays[1] - decays[0]
    return [
        _word(system, "order, two layers", "first order" if _two_heaps(two).any() else "continuous", "continuous"),
        _word(system, "order, three layers", "first order" if heaps.any() else "continuous", "first order"),
        _number(
            *(system, "decay of equal losses", crossing.critical, crossing.critical_se),
            linear_learning.critical_decay(TARGET, 3),
        ),
        _number(
            *(system, "decay without upper end", spinodal, spacing / math.sqrt(12)),
            linear_learning.spinodal_decay(TARGET, 3),
        ),
    ]


def _two_heaps(outcomes: np.ndarray) -> np.ndarray:
    """Whether the seeds end in two places far apart, bool [controls] of outcomes [controls, seeds]."""
    found = scaling.bimodality(outcomes)
    apart = np.asarray(found.high - found.low) > 0.1 * np.abs(outcomes).max()
    return apart & (np.asarray(found.p_value) < 0.05 / len(outcomes))


class System(NamedTuple):
    """simulate(effort) gives the parts of a simulation, functions of a key; judge(name, results) gives checks."""

    name: str
    simulate: Callable[[Effort], tuple]
    judge: Callable[[str, list], list[Check]]


# The longest first.
SYSTEMS = (
    System("2-D Ising model", _simulate_ising, _judge_ising),
    System("2-D site percolation", _simulate_percolation, _judge_percolation),
    System("2-D Ising model, warm", _simulate_warm_ising, _judge_warm_ising),
    System("Curie-Weiss magnet", _simulate_curie_weiss, _judge_curie_weiss),
    System("perceptron", _simulate_perceptron, _judge_perceptron),
    System("spiked covariance", _simulate_spike, _judge_spike),
    System("linear Barlow Twins", _simulate_barlow_twins, _judge_barlow_twins),
    System("chain of scalar weights", _simulate_chains, _judge_chains),
)
