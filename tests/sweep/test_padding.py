"""A padded lane is the model trained alone: the promise that the whole sweep stands on."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.flatten_util import ravel_pytree

from jaxphase.config import SweepSpec
from jaxphase.errors import InputError
from jaxphase.evaluate import METRICS
from jaxphase.models import mlp
from jaxphase.models.mlp import Block
from jaxphase.objectives import OBJECTIVES
from jaxphase.runtime.mesh import copy_everywhere, lane_mesh, spread
from jaxphase.sweep.optimizer import optimizer
from jaxphase.sweep.plan import Bucket, Lane
from jaxphase.sweep.recipe import recipe
from jaxphase.sweep.train import initialise, padding_moved, programs

STEPS = 50
WIDTHS = (3, 8, 13)
PROBED = ("accuracy", "probe_cross_entropy", "mutual_information")
DATA = {
    "image": {"data": "digits", "data_options": {"train": 100}},
    "vector": {"data": "spiked", "data_options": {"dimension": 12, "train": 100, "probe": 40, "validation": 40}},
    "tokens": {"data": "hierarchy", "data_options": {"train": 100, "probe": 40, "validation": 40}},
}
READS = {"mlp": tuple(DATA), "resnet": ("image",), "vit": ("image",), "transformer": ("tokens",)}
SHAPES = {"mlp": {}, "resnet": {"patch": 4, "group_size": 2}, "vit": {"patch": 4, "head_size": 2}}
SHAPES["transformer"] = {"head_size": 2, "rotary": 1, "causal": 1}
CELLS = [
    (family, kind, objective) for family, kinds in READS.items() for kind in kinds for objective in OBJECTIVES
]  # fmt: skip


def spec_of(objective: str, family="mlp", kind="image", optimizer="adamw", **options) -> SweepSpec:
    return SweepSpec(
        sizes=(1000,),
        data_sizes=(100,),
        checkpoints=(STEPS,),
        family=family,
        objective=objective,
        optimizer=optimizer,
        family_options=SHAPES[family] | options,
        batch_size=16,
        weight_decay=0.01,
        learning_rate=2e-3,
        base_width=8,
        **DATA[kind],
    )


def lane_of(width: int) -> Lane:
    return Lane(size=width, params=width, width=width, data_size=64 + width, seed=width, learning_rate=1e-3 * width)


def train(bucket: Bucket, spec: SweepSpec, dtype, measured: bool = True) -> tuple:
    """(state, numbers, metrics, prepared, whether padding moved) after STEPS steps in this precision, on the host."""
    with jax.enable_x64(dtype == np.float64):
        parts, mesh = recipe(spec), lane_mesh()
        rows = -(-len(bucket.lanes) // 2) * 2

        def cast(tree):
            return jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype == np.float32 else leaf, tree)

        state, numbers = spread(cast(initialise(bucket, spec, parts, rows)), mesh)
        images = copy_everywhere(cast(parts.source.splits), mesh)
        run = programs(bucket, spec, parts, mesh)

        def quickly(program, *arguments):
            # Nothing here runs for long: half the time to compile.
            return program.lower(*arguments).compile({"xla_backend_optimization_level": 0})(*arguments)

        state = quickly(run.advance, state, numbers, images.train, 0, STEPS)
        metrics, prepared = {}, None
        if measured:
            metrics, prepared = quickly(run.look, state, numbers, images, None)
            metrics |= quickly(run.read, prepared, images) if prepared else {}
        moved = padding_moved(state, numbers)
        return *jax.tree.map(np.asarray, (state, numbers, metrics, prepared)), moved


def live_leaves(tree, numbers, row: int) -> list[np.ndarray]:
    return [
        leaf[row][tuple(map(slice, shape[row]))]
        for leaf, shape in zip(jax.tree.leaves(tree), numbers.live_shapes, strict=True)
    ]


@pytest.mark.parametrize(("family", "kind", "objective"), CELLS)
def test_padding_is_invisible_in_float64(family, kind, objective):
    options = {"bottleneck": 4} if objective == "autoencoding" else {}
    spec = spec_of(objective, family, kind, depth=1, **options)
    lanes = tuple(lane_of(width) for width in (4, 8))
    state, numbers, _, _, moved = train(Bucket(16, 0, lanes), spec, np.float64, measured=False)
    assert not moved
    alone, alone_numbers, *_ = train(Bucket(4, 0, lanes[:1]), spec, np.float64, measured=False)
    before, _ = initialise(Bucket(4, 0, lanes[:1]), spec, recipe(spec), 1)
    pairs = zip(*(live_leaves(s.weights, n, 0) for s, n in ((state, numbers), (alone, alone_numbers))), strict=True)
    for (a, b), start in zip(pairs, jax.tree.leaves(before.weights), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
        assert np.any(a != start[0])


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lion"])
def test_padding_is_invisible_to_optimizers(optimizer):
    spec, lanes = spec_of("contrastive", optimizer=optimizer, depth=1), (lane_of(3), lane_of(8))
    state, numbers, *_ = train(Bucket(16, 0, lanes), spec, np.float64, measured=False)
    alone, alone_numbers, *_ = train(Bucket(3, 0, lanes[:1]), spec, np.float64, measured=False)
    for a, b in zip(live_leaves(state.weights, numbers, 0), live_leaves(alone.weights, alone_numbers, 0), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


@pytest.mark.parametrize(
    ("objective", "options"), [("masked_modeling", {"depth": 2}), ("autoencoding", {"depth": 1, "bottleneck": 4})]
)
def test_padding_is_invisible_in_every_metric(objective, options):
    spec = spec_of(objective, **options)
    lanes = tuple(lane_of(width) for width in WIDTHS)
    _, _, metrics, prepared, moved = train(Bucket(16, 0, lanes), spec, np.float64)
    assert not moved and set(metrics) == set(METRICS)
    # The narrowest and the widest: each width alone is three programs to compile.
    for row, lane in ((0, lanes[0]), (2, lanes[2])):
        *_, alone_metrics, alone_prepared, _ = train(Bucket(lane.width, 0, (lane,)), spec, np.float64)
        for name, column in metrics.items():
            # The probe's 40 conjugate gradients amplify round-off; everything else agrees to the last digits.
            tolerance = 1e-5 if name in PROBED else 1e-9
            np.testing.assert_allclose(column[row], alone_metrics[name][0], rtol=tolerance, err_msg=name)
        features = alone_prepared.x.shape[-1]
        np.testing.assert_allclose(prepared.x[row][:, :features], alone_prepared.x[0], atol=1e-9)
        assert not prepared.x[row][:, features:].any()


def test_the_padded_block_of_weights_and_moments_is_bitwise_zero():
    spec = spec_of("masked_modeling")
    lanes = tuple(lane_of(width) for width in WIDTHS)
    state, numbers, *_ = train(Bucket(16, 0, lanes), spec, np.float32, measured=False)
    one = jax.tree.map(lambda leaf: leaf[0], state.weights)
    for moment in (state.moments.mu, state.moments.nu):
        moments = jax.vmap(ravel_pytree(one)[1])(moment)
        for tree in (state.weights, moments):
            for leaf, shape in zip(jax.tree.leaves(tree), numbers.live_shapes, strict=True):
                for row in range(len(lanes)):
                    padding = np.array(leaf[row]).view(np.uint32)
                    padding[tuple(map(slice, shape[row]))] = 0
                    assert not padding.any()


def test_in_float32_the_difference_is_round_off():
    spec = dataclasses.replace(spec_of("masked_modeling"), metrics=("val_loss",))
    wide, narrow = lane_of(13), lane_of(8)
    *_, padded, _, _ = train(Bucket(24, 0, (narrow, wide)), spec, np.float32)
    for row, lane in enumerate((narrow, wide)):
        *_, alone, _, _ = train(Bucket(lane.width, 0, (lane,)), spec, np.float32)
        np.testing.assert_allclose(padded["val_loss"][row], alone["val_loss"][0], rtol=2e-4)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("param_block_rms", "padding would change its steps"),
        ("trust_ratio_of_mine", "choose one of adamw, adam, sgd, or what optax has as scale_by_NAME"),
        ("backtracking_linesearch", "it cannot be used here"),
    ],
)
def test_an_optimizer_that_cannot_be_is_refused_by_name(name, reason):
    with pytest.raises(InputError, match=f"optimizer is '{name}': {reason}"):
        optimizer(name)


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
        *_, moved = train(Bucket(16, 0, (lane_of(width),)), spec_of("masked_modeling"), np.float32, measured=False)
        assert moved == (width == 3)
