"""Systems without space, each size with its own exact answer: Curie-Weiss, the perceptron, spiked covariance."""

import math
from functools import partial

import jax
import numpy as np

from jaxphase import scaling
from jaxphase.systems import curie_weiss, perceptron, spiked
from jaxphase.validate.checks import Check, number, word
from jaxphase.validate.system import Effort, System, mean, points, share

MEAN_FIELD_COUPLINGS = np.linspace(0.95, 1.08, 11)
SPINS = (256, 512)
LOADS = np.linspace(1.9, 2.12, 12)
WEIGHTS = (64, 128, 256, 512, 1024)
STRENGTH, DIMENSIONS = 1.5, (400, 800)  # of twice as many samples


def _simulate_curie_weiss(effort: Effort) -> tuple:
    return (partial(_curie_weiss_rows, effort.draws),)


def _curie_weiss_rows(draws: int, key) -> np.ndarray:
    parts = []
    for size in SPINS:
        samples = curie_weiss.sample(jax.random.fold_in(key, size), MEAN_FIELD_COUPLINGS, size, draws)
        binder = scaling.binder_cumulant(samples, blocks=200)
        parts.append(points(size, MEAN_FIELD_COUPLINGS, np.asarray(binder.value), np.asarray(binder.se)))
    return np.concatenate(parts)


def _judge_curie_weiss(system: str, parts: list) -> list[Check]:
    found = scaling.crossings(*parts[0].T[:4])
    pairs = zip(
        ("crossing, N = 256 and 512", "Binder cumulant there", "1/nu there"),
        ((found.control, found.control_se), (found.value, found.value_se), (found.inverse_nu, found.inverse_nu_se)),
        curie_weiss.crossing(SPINS[0]),
        strict=True,
    )
    return [number(system, name, value[0], error[0], exact) for name, (value, error), exact in pairs]


def _simulate_perceptron(effort: Effort) -> tuple:
    return (partial(_perceptron_rows, effort.draws // 40),)


def _perceptron_rows(draws: int, key) -> np.ndarray:
    """Share of labellings that are separable, each of `draws` being so with Cover's probability."""
    rng, parts = np.random.default_rng(np.asarray(jax.random.key_data(key))), []
    for size in WEIGHTS:
        patterns = np.round(LOADS * size)
        probability = perceptron.separable_probability(patterns, size)
        separable = rng.random((len(patterns), draws)) < probability[:, None]
        parts.append(points(size, patterns / size, *share(separable)))
    return np.concatenate(parts)


def _judge_perceptron(system: str, parts: list) -> list[Check]:
    found = scaling.collapse(*parts[0].T[:4])
    critical_error = math.hypot(found.critical_se, found.critical_sys)
    return [
        word(system, "collapse", scaling.COLLAPSE_KINDS[found.kind], "transition"),
        number(system, "capacity", found.critical, critical_error, perceptron.CAPACITY),
        number(system, "nu", found.nu, math.hypot(found.nu_se, found.nu_sys), perceptron.EXPONENTS["nu"]),
    ]


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
        (less, less_error), (more, more_error) = mean(small[0]), mean(large[0])
        checks.append(number(system, name, 2 * more - less, math.hypot(2 * more_error, less_error), exact))
    return checks


CURIE_WEISS = System("Curie-Weiss magnet", _simulate_curie_weiss, _judge_curie_weiss)
PERCEPTRON = System("perceptron", _simulate_perceptron, _judge_perceptron)
SPIKE = System("spiked covariance", _simulate_spike, _judge_spike)
