"""A padded lane is the model trained alone: the promise that the whole sweep stands on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxphase.config import SweepSpec
from jaxphase.models import mlp
from jaxphase.models.mlp import Block
from jaxphase.sweep.mesh import copy_everywhere, lane_mesh, spread
from jaxphase.sweep.plan import Bucket, Lane
from jaxphase.sweep.recipe import recipe
from jaxphase.sweep.train import initialise, padding_moved, programs

STEPS = 50
WIDTHS = (3, 8, 13)
PROBED = ("accuracy", "probe_cross_entropy", "mutual_information")


def spec_of(objective: str, **options) -> SweepSpec:
    return SweepSpec(
        sizes=(1000,),
        data_sizes=(100,),
        checkpoints=(STEPS,),
        objective=objective,
        family_options=options,
        batch_size=16,
        weight_decay=0.01,
        learning_rate=2e-3,
        base_width=8,
    )


def lane_of(width: int) -> Lane:
    return Lane(size=width, params=width, width=width, data_size=64 + width, seed=width, learning_rate=1e-3 * width)


def train(bucket: Bucket, spec: SweepSpec, dtype) -> tuple:
    """(state, numbers, metrics, prepared, whether padding moved) after STEPS steps in this precision, on the host."""
    with jax.enable_x64(dtype == np.float64):
        parts, mesh = recipe(spec), lane_mesh()
        rows = -(-len(bucket.lanes) // 2) * 2

        def cast(tree):
            return jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype == np.float32 else leaf, tree)

        state, numbers = spread(cast(initialise(bucket, spec, parts, rows)), mesh)
        images = copy_everywhere(cast(parts.source.splits), mesh)
        run = programs(bucket, spec, parts, mesh)
        state = run.advance(state, numbers, images, 0, STEPS)
        seen, prepared = run.look(state, numbers, images)
        metrics = seen | run.read(prepared, images)
        moved = padding_moved(state, numbers)
        return *jax.tree.map(np.asarray, (state, numbers, metrics, prepared)), moved


def live_leaves(tree, numbers, row: int) -> list[np.ndarray]:
    return [
        leaf[row][tuple(map(slice, shape[row]))]
        for leaf, shape in zip(jax.tree.leaves(tree), numbers.live_shapes, strict=True)
    ]


@pytest.mark.parametrize(
    ("objective", "options"), [("masked_modeling", {"depth": 2}), ("autoencoding", {"depth": 1, "bottleneck": 4})]
)
def test_padding_is_invisible_in_float64(objective, options):
    spec = spec_of(objective, **options)
    lanes = tuple(lane_of(width) for width in WIDTHS)
    state, numbers, metrics, prepared, moved = train(Bucket(16, 0, lanes), spec, np.float64)
    assert not moved
    for row, lane in enumerate(lanes):
        alone, alone_numbers, alone_metrics, alone_prepared, _ = train(Bucket(lane.width, 0, (lane,)), spec, np.float64)
        for name, column in metrics.items():
            # The probe's 40 conjugate gradients amplify round-off; everything else agrees to the last digits.
            tolerance = 1e-5 if name in PROBED else 1e-9
            np.testing.assert_allclose(column[row], alone_metrics[name][0], rtol=tolerance, err_msg=name)
        for tree, other in ((state.weights, alone.weights), (state.moments.mu, alone.moments.mu)):
            for a, b in zip(live_leaves(tree, numbers, row), live_leaves(other, alone_numbers, 0), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-9)
        features = alone_prepared.x.shape[-1]
        np.testing.assert_allclose(prepared.x[row][:, :features], alone_prepared.x[0], atol=1e-9)
        assert not prepared.x[row][:, features:].any()


def test_the_padded_block_of_weights_and_moments_is_bitwise_zero():
    spec = spec_of("masked_modeling")
    lanes = tuple(lane_of(width) for width in WIDTHS)
    state, numbers, *_ = train(Bucket(16, 0, lanes), spec, np.float32)
    for tree in (state.weights, state.moments.mu, state.moments.nu):
        for leaf, shape in zip(jax.tree.leaves(tree), numbers.live_shapes, strict=True):
            for row in range(len(lanes)):
                padding = leaf[row].view(np.uint32).copy()
                padding[tuple(map(slice, shape[row]))] = 0
                assert not padding.any()


def test_in_float32_the_difference_is_round_off():
    spec = spec_of("masked_modeling")
    wide, narrow = lane_of(13), lane_of(8)
    *_, padded, _, _ = train(Bucket(24, 0, (narrow, wide)), spec, np.float32)
    for row, lane in enumerate((narrow, wide)):
        *_, alone, _, _ = train(Bucket(lane.width, 0, (lane,)), spec, np.float32)
        np.testing.assert_allclose(padded["val_loss"][row], alone["val_loss"][0], rtol=2e-4)


class Careless(nnx.Module):
    """A norm that averages over the padding too: right by value alone, wrong by gradient."""

    def __init__(self, norm):
        self.norm = norm

    def __call__(self, x):
        centred = x - jnp.sum(x, axis=-1, keepdims=True) / self.norm.live[...]
        return self.norm(centred)


def test_a_layer_that_leaks_is_caught(monkeypatch):
    class Leaking(Block):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.norm = Careless(self.norm)

    monkeypatch.setattr(mlp, "Block", Leaking)
    for width in (3, 16):
        *_, moved = train(Bucket(16, 0, (lane_of(width),)), spec_of("masked_modeling"), np.float32)
        assert moved == (width == 3)
