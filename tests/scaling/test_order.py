import jax
import numpy as np
import pytest

from jaxphase.scaling import ChangeShape, OrderKind, transition_order
from jaxphase.systems import curie_weiss

SIZE = np.array([16.0, 64, 256, 1024])
CONTROL = np.linspace(-1, 1, 21)


pytestmark = pytest.mark.usefixtures("optimized")


def continuous(rng, seeds=48):
    """Order parameters of finite size: a curve that sharpens, normal scatter that peaks in the middle and shrinks."""
    x = 4 * CONTROL * np.sqrt(SIZE[:, None] / 16)
    scatter = 0.3 * (SIZE[:, None] / 16) ** -0.25 / np.cosh(x) + 0.01
    return (0.5 + 0.5 * np.tanh(x))[..., None] + scatter[..., None] * rng.standard_normal((4, 21, seeds))


def first_order(rng, seeds=48):
    """Every model ends in one of two states, with odds that sharpen with size."""
    odds = 1 / (1 + np.exp(-8 * CONTROL * np.sqrt(SIZE[:, None] / 16)))
    state = rng.random((4, 21, seeds)) < odds[..., None]
    return np.where(state, 1.0, 0.1) + 0.05 * rng.standard_normal(state.shape)


def crossover(rng, seeds=48):
    """The same curve at every size, means of more and more independent units."""
    mean = (0.5 + 0.5 * np.tanh(4 * CONTROL))[None, :, None]
    return mean + 0.3 * np.sqrt(16 / SIZE)[:, None, None] * rng.standard_normal((4, 21, seeds))


FAMILIES = [
    (continuous, OrderKind.CONTINUOUS),
    (first_order, OrderKind.FIRST_ORDER),
    (crossover, OrderKind.CROSSOVER),
]


@pytest.mark.parametrize(("family", "kind"), FAMILIES)
def test_each_order_is_called_by_its_name(family, kind):
    rng = np.random.default_rng(0)
    kinds = [transition_order(SIZE, CONTROL, family(rng)).kind for _ in range(40)]
    assert kinds.count(kind) >= 37, kinds


def test_sixteen_seeds_are_enough_for_bimodal_outcomes_and_their_sharpening():
    rng = np.random.default_rng(3)
    found = [transition_order(SIZE, CONTROL, first_order(rng, seeds=16)) for _ in range(20)]
    assert sum(one.kind == OrderKind.FIRST_ORDER for one in found) >= 19
    assert np.mean([one.sharpening_interval[0] <= 0.5 <= one.sharpening_interval[1] for one in found]) >= 0.8
    # The odds of the two peaks change over the same controls at every size.
    odds = 1 / (1 + np.exp(-8 * CONTROL))
    still = [(rng.random((4, 21, 16)) < odds[:, None]) + 0.05 * rng.standard_normal((4, 21, 16)) for _ in range(20)]
    kinds = [transition_order(SIZE, CONTROL, outcomes).kind for outcomes in still]
    assert kinds.count(OrderKind.CROSSOVER) >= 17, kinds


def test_its_numbers_are_those_of_the_families():
    rng = np.random.default_rng(1)
    result = transition_order(SIZE, CONTROL, first_order(rng))
    assert result.sharpening_interval[0] < 0.5 < result.sharpening_interval[1]
    assert result.peak_growth_interval[0] < 0 < result.peak_growth_interval[1]
    assert np.all(result.separation > 5) and np.all(np.abs(result.peak_control) < 0.3)
    np.testing.assert_allclose(result.center, 0, atol=0.1)
    still = transition_order(SIZE, CONTROL, crossover(rng))
    assert still.sharpening_interval[0] < 0 < still.sharpening_interval[1]
    assert still.peak_growth_interval[0] < -1 < still.peak_growth_interval[1]


@pytest.mark.parametrize("power", [1, 2])
def test_a_magnet_whose_order_parameter_rises_as_a_root_is_continuous(power):
    size, coupling = np.array([64, 256, 1024, 4096]), np.linspace(0.5, 1.8, 21)
    keys = jax.random.split(jax.random.key(0), len(size))
    m = np.stack([curie_weiss.sample(coupling, int(one), 48, key=key) for key, one in zip(keys, size, strict=True)])
    result = transition_order(size, coupling, np.abs(m) ** power)
    assert result.kind == OrderKind.CONTINUOUS and result.shape == ChangeShape.ONSET
    assert result.sharpening_interval[0] < 0.5 < result.sharpening_interval[1]  # 1 / nu
    assert np.all(np.abs(result.center[1:] - 1) < 0.1) and result.judged == 3
    # The curve of one size with the scatter of many has the corner, but it is no sharper.
    of_one = np.abs(m[1]).mean(axis=1)[None, :, None]
    still = of_one + 0.3 / np.sqrt(size)[:, None, None] * np.random.default_rng(4).standard_normal(m.shape)
    assert transition_order(size, coupling, still).kind == OrderKind.CROSSOVER


def test_too_little_is_undecided():
    rng = np.random.default_rng(2)
    outcomes = continuous(rng)
    outcomes[1:3] = np.nan
    assert transition_order(SIZE, CONTROL, outcomes).kind == OrderKind.UNDECIDED
    assert transition_order(SIZE, CONTROL, np.full_like(outcomes, 0.5)).kind == OrderKind.UNDECIDED
    with pytest.raises(ValueError, match="outcomes"):
        transition_order(SIZE, CONTROL[1:], outcomes)
