"""Networks that learn in steps, collapse or jump: linear Barlow Twins, and chains of scalar weights."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from jaxphase import scaling
from jaxphase.systems import linear_learning
from jaxphase.validate.checks import Check, number, word
from jaxphase.validate.system import Effort, Rows, System, points

EIGENVALUES = np.array([1.0, 0.5, 0.25, 0.125])
SMALL = 1e-3  # standard deviation of the initial weights
DECAYS = np.linspace(0.84, 0.90, 13)
EIGENVALUE = 0.43  # of the mode that weight decay removes
START = 8.0  # initial weight, so large that it is soon forgotten
TIMES = (10, 20, 40, 80)
STEPS = 80  # in one unit of time
TARGET = 1.0
CHAIN_DECAYS = {2: np.linspace(0.7, 1.2, 26), 3: np.linspace(0.3, 0.55, 26)}


def _simulate_barlow_twins(effort: Effort) -> tuple[partial, ...]:
    """One task without weight decay, one with it."""
    return partial(_learning_times, effort.starts), partial(_decaying_rows, effort.draws // 4)


def _learning_times(starts: int, *, key: Key[Array, ""]) -> Float[np.ndarray, "starts modes"]:
    """Times at which modes are half learned, in units of those of the theory."""
    weights = SMALL * jax.random.normal(key, (starts, len(EIGENVALUES), len(EIGENVALUES)))
    flow = jax.vmap(lambda w: linear_learning.barlow_twins(w, jnp.asarray(EIGENVALUES), 30.0, steps=1000))(weights)
    times, strength = np.asarray(flow.times[0]), np.asarray(flow.values)
    seen = [[np.interp(0.5, mode, times) for mode in start.T] for start in strength]
    expected = [linear_learning.barlow_half_time(EIGENVALUES, linear_learning.barlow_initial(w)) for w in weights]
    return np.array(seen) / np.array(expected)


def _decaying_rows(samples: int, *, key: Key[Array, ""]) -> Rows:
    """Strength of a mode near the weight decay that removes it, measured on `samples` samples.

    Near that decay the mode takes ever longer to come to rest, and only at rest is there a transition, so time takes
    the role of the size of a lattice.
    """
    weights_key, noise_key = jax.random.split(key)
    weights = linear_learning.aligned(START, 1, 1, key=weights_key)

    def flow(decay: Float[Array, ""]) -> linear_learning.Flow:
        eigenvalue = jnp.array([EIGENVALUE])
        return linear_learning.barlow_twins(weights, eigenvalue, TIMES[-1], decay=decay, steps=STEPS * TIMES[-1])

    strength = np.asarray(jax.vmap(flow)(jnp.asarray(DECAYS)).values, float)[:, [STEPS * time for time in TIMES], 0]
    rng = np.random.default_rng(np.asarray(jax.random.key_data(noise_key)))
    seen = strength * rng.chisquare(samples, strength.shape) / samples
    errors = strength * math.sqrt(2 / samples)
    return np.concatenate([points(time, DECAYS, seen[:, i], errors[:, i]) for i, time in enumerate(TIMES)])


def _judge_barlow_twins(system: str, results: list) -> list[Check]:
    """Compare learning times, and the critical weight decay of a collapse in time, with the exact ones."""
    ratio, rows = results
    found = scaling.collapse(*rows.T[:4])
    se = [math.hypot(*pair) for pair in ((found.critical_se, found.critical_sys), (found.nu_se, found.nu_sys))]
    return [
        number(system, "learning times over theory", ratio.mean(), ratio.std(), 1.0),
        word(system, "collapse of a mode in time", found.kind, scaling.CollapseKind.TRANSITION),
        number(system, "critical weight decay", found.critical, se[0], 2 * EIGENVALUE),
        number(system, "nu z", found.nu, se[1], 1.0),
    ]


def _simulate_chains(effort: Effort) -> tuple[partial, ...]:
    """One task for each depth."""
    return tuple(partial(_chain_products, depth, effort.starts) for depth in CHAIN_DECAYS)


def _chain_products(depth: int, seeds: int, *, key: Key[Array, ""]) -> Float[np.ndarray, "decays seeds"]:
    """The final products of chains of weights."""
    decays = CHAIN_DECAYS[depth]
    products = linear_learning.scalar_chain(decays, TARGET, key=key, depth=depth, seeds=seeds, time=60.0, steps=4000)
    return np.asarray(products, float)


def _judge_chains(system: str, results: list) -> list[Check]:
    """Tell the order from whether outcomes are bimodal over seeds; a scalar has no size."""
    two, three = results
    decays, upper = CHAIN_DECAYS[3], three > TARGET / 10
    rows = []
    for decay, products, above in zip(decays, three, upper, strict=True):
        loss = np.square(TARGET - products) + 3 * decay * np.abs(products) ** (2 / 3)
        for mode, seeds in enumerate((above, ~above), start=1):
            if seeds.sum() > 3:
                rows.append((mode, decay, loss[seeds].mean(), loss[seeds].std() / math.sqrt(seeds.sum()) + 1e-6))
    crossing = scaling.crossings(*np.array(rows).T)
    last = np.flatnonzero(upper.any(axis=1))[-1]
    spinodal, spacing = decays[last : last + 2].mean(), decays[1] - decays[0]
    return [
        word(system, "order, two layers", _order(two), scaling.OrderKind.CONTINUOUS),
        word(system, "order, three layers", _order(three), scaling.OrderKind.FIRST_ORDER),
        number(
            *(system, "decay of equal losses", crossing.critical, crossing.critical_se),
            linear_learning.critical_decay(TARGET, 3),
        ),
        number(
            *(system, "decay without upper end", spinodal, spacing / math.sqrt(12)),
            linear_learning.spinodal_decay(TARGET, 3),
        ),
    ]


def _order(outcomes: Float[np.ndarray, "controls seeds"]) -> scaling.OrderKind:
    """First order if outcomes are bimodal at any control."""
    return scaling.OrderKind.FIRST_ORDER if _bimodal(outcomes).any() else scaling.OrderKind.CONTINUOUS


def _bimodal(outcomes: Float[np.ndarray, "controls seeds"]) -> Bool[np.ndarray, " controls"]:
    """Whether the seeds end at two values far apart, at each control."""
    found = scaling.bimodality(outcomes)
    apart = np.asarray(found.high - found.low) > 0.1 * np.abs(outcomes).max()
    return apart & (np.asarray(found.p_value) < 0.05 / len(outcomes))


BARLOW_TWINS = System("linear Barlow Twins", _simulate_barlow_twins, _judge_barlow_twins)
CHAINS = System("chain of scalar weights", _simulate_chains, _judge_chains)
