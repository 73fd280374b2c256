"""Systems without space, each with an exact answer at every size or in the limit: Curie-Weiss, perceptron, spike."""

import math
from functools import partial

import jax
import numpy as np
from jaxtyping import Array, Key

from jaxphase import scaling
from jaxphase.systems import curie_weiss, perceptron, spiked
from jaxphase.validate.checks import Check, number, word
from jaxphase.validate.system import Effort, Rows, System, mean, points, share

MEAN_FIELD_COUPLINGS = np.linspace(0.95, 1.08, 11)
SPINS = (256, 512)
LOADS = np.linspace(1.9, 2.12, 12)
WEIGHTS = (64, 128, 256, 512, 1024)
STRENGTH, DIMENSIONS = 1.5, (400, 800)  # of twice as many samples


def _simulate_curie_weiss(effort: Effort) -> tuple[partial, ...]:
    """One task for both sizes."""
    return (partial(_curie_weiss_rows, effort.draws),)


def _curie_weiss_rows(draws: int, *, key: Key[Array, ""]) -> Rows:
    """Binder cumulants at all couplings and sizes."""
    rows = []
    for size in SPINS:
        samples = curie_weiss.sample(MEAN_FIELD_COUPLINGS, size, draws, key=jax.random.fold_in(key, size))
        binder = scaling.binder_cumulant(samples, blocks=200)
        rows.append(points(size, MEAN_FIELD_COUPLINGS, np.asarray(binder.value), np.asarray(binder.se)))
    return np.concatenate(rows)


def _judge_curie_weiss(system: str, results: list) -> list[Check]:
    """Compare the crossing of the two sizes with that of their exact cumulants."""
    found = scaling.crossings(*results[0].T[:4])
    pairs = zip(
        ("crossing, N = 256 and 512", "Binder cumulant there", "1/nu there"),
        ((found.control, found.control_se), (found.value, found.value_se), (found.inverse_nu, found.inverse_nu_se)),
        curie_weiss.crossing(SPINS[0]),
        strict=True,
    )
    return [number(system, name, value[0], error[0], exact) for name, (value, error), exact in pairs]


def _simulate_perceptron(effort: Effort) -> tuple[partial, ...]:
    """One task for all sizes."""
    return (partial(_perceptron_rows, effort.draws // 40),)


def _perceptron_rows(draws: int, *, key: Key[Array, ""]) -> Rows:
    """Shares of labelings that are separable; each of `draws` is so with Cover's probability."""
    rng, rows = np.random.default_rng(np.asarray(jax.random.key_data(key))), []
    for size in WEIGHTS:
        patterns = np.round(LOADS * size)
        probability = perceptron.separable_probability(patterns, size)
        separable = rng.random((len(patterns), draws)) < probability[:, None]
        rows.append(points(size, patterns / size, *share(separable)))
    return np.concatenate(rows)


def _judge_perceptron(system: str, results: list) -> list[Check]:
    """Compare the capacity and exponent of a collapse with the exact ones."""
    found = scaling.collapse(*results[0].T[:4])
    critical_error = math.hypot(found.critical_se, found.critical_sys)
    return [
        word(system, "collapse", found.kind, scaling.CollapseKind.TRANSITION),
        number(system, "capacity", found.critical, critical_error, perceptron.CAPACITY),
        number(system, "nu", found.nu, math.hypot(found.nu_se, found.nu_sys), perceptron.EXPONENTS["nu"]),
    ]


def _simulate_spike(effort: Effort) -> tuple[partial, ...]:
    """One task for both dimensions."""
    return (partial(_spikes, effort.draws // 50),)


def _spikes(replicas: int, *, key: Key[Array, ""]) -> list[spiked.Spike]:
    """Sample covariances of both dimensions."""
    keys = jax.random.split(key, len(DIMENSIONS))
    strength = np.array([STRENGTH])
    return [spiked.sample(strength, p, 2 * p, replicas, key=key) for key, p in zip(keys, DIMENSIONS, strict=True)]


def _judge_spike(system: str, results: list) -> list[Check]:
    """Extrapolate to infinite dimension: the difference from the limit falls as the inverse of the dimension."""
    checks = []
    for name, small, large, exact in zip(
        ("eigenvalue", "overlap"), *results[0], spiked.limit(STRENGTH, 0.5), strict=True
    ):
        (less, less_error), (more, more_error) = mean(small[0]), mean(large[0])
        checks.append(number(system, name, 2 * more - less, math.hypot(2 * more_error, less_error), exact))
    return checks


CURIE_WEISS = System("Curie-Weiss magnet", _simulate_curie_weiss, _judge_curie_weiss)
PERCEPTRON = System("perceptron", _simulate_perceptron, _judge_perceptron)
SPIKE = System("spiked covariance", _simulate_spike, _judge_spike)
