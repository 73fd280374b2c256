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
from jaxphase.sweep import Bucket, Lane, make_recipe
from jaxphase.sweep.lanes import initialize, padding_moved
from jaxphase.sweep.optimizers import make_optimizer
from jaxphase.sweep.programs import make_programs

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
    """(state, constants, metrics, prepared, whether padding moved) after STEPS steps in this precision, on the host."""
    with jax.enable_x64(dtype == np.float64):
        recipe, mesh = make_recipe(spec), lane_mesh()
        rows = -(-len(bucket.lanes) // 2) * 2

        def cast(tree):
            return jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype == np.float32 else leaf, tree)

        state, constants = spread(cast(initialize(bucket, recipe, rows)), mesh)
        splits = copy_everywhere(cast(recipe.source.splits), mesh)
        programs = make_programs(bucket, spec, recipe, mesh)

        def quickly(program, *arguments):
            # Nothing here runs for long: half the time to compile.
            return program.lower(*arguments).compile({"xla_backend_optimization_level": 0})(*arguments)

        state = quickly(programs.advance, state, constants, splits.train, 0, STEPS)
        metrics, prepared = {}, None
        if measured:
            metrics, prepared = quickly(programs.measure, state, constants, splits, None)
            metrics |= quickly(programs.probe, prepared, splits) if prepared else {}
        moved = padding_moved(state, constants)
        return *jax.tree.map(np.asarray, (state, constants, metrics, prepared)), moved


def live_leaves(tree, constants, row: int) -> list[np.ndarray]:
    return [
        leaf[row][tuple(map(slice, shape[row]))]
        for leaf, shape in zip(jax.tree.leaves(tree), constants.live_shapes, strict=True)
    ]


@pytest.mark.parametrize(("family", "kind", "objective"), CELLS)
def test_padding_is_invisible_in_float64(family, kind, objective):
    options = {"bottleneck": 4} if objective == "autoencoding" else {}
    spec = spec_of(objective, family, kind, depth=1, **options)
    lanes = tuple(lane_of(width) for width in (4, 8))
    state, constants, _, _, moved = train(Bucket(16, 0, lanes), spec, np.float64, measured=False)
    assert not moved
    alone, alone_constants, *_ = train(Bucket(4, 0, lanes[:1]), spec, np.float64, measured=False)
    before, _ = initialize(Bucket(4, 0, lanes[:1]), make_recipe(spec), 1)
    pairs = zip(*(live_leaves(s.params, n, 0) for s, n in ((state, constants), (alone, alone_constants))), strict=True)
    for (a, b), start in zip(pairs, jax.tree.leaves(before.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
        assert np.any(a != start[0])


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lion"])
def test_padding_is_invisible_to_optimizers(optimizer):
    spec, lanes = spec_of("contrastive", optimizer=optimizer, depth=1), (lane_of(3), lane_of(8))
    state, constants, *_ = train(Bucket(16, 0, lanes), spec, np.float64, measured=False)
    alone, alone_constants, *_ = train(Bucket(3, 0, lanes[:1]), spec, np.float64, measured=False)
    for a, b in zip(
        live_leaves(state.params, constants, 0), live_leaves(alone.params, alone_constants, 0), strict=True
    ):
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


def test_the_padded_block_of_params_and_opt_state_is_bitwise_zero():
    spec = spec_of("masked_modeling")
    lanes = tuple(lane_of(width) for width in WIDTHS)
    state, constants, *_ = train(Bucket(16, 0, lanes), spec, np.float32, measured=False)
    one = jax.tree.map(lambda leaf: leaf[0], state.params)
    _, adam = state.opt_state  # after the clipping, which has none
    for moment in (adam.mu, adam.nu):
        for tree in (state.params, jax.vmap(ravel_pytree(one)[1])(moment)):
            for leaf, shape in zip(jax.tree.leaves(tree), constants.live_shapes, strict=True):
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
        make_optimizer(name)


class Careless(nnx.Module):
    """A norm that averages over the padding too: right by value alone, wrong by gradient."""

    def __init__(self, norm):
        self.norm = norm

    def __call__(self, x):
        centered = x - jnp.sum(x, axis=-1, keepdims=True) / self.norm.live[...]
        return self.norm(centered)


def test_a_layer_that_leaks_is_caught(monkeypatch):
    class Leaking(Block):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.norm = Careless(self.norm)

    monkeypatch.setattr(mlp, "Block", Leaking)
    for width in (3, 16):
        *_, moved = train(Bucket(16, 0, (lane_of(width),)), spec_of("masked_modeling"), np.float32, measured=False)
        assert moved == (width == 3)
