"""Coordinate checks: under muP a step moves every activation by as much in a wide model as in a narrow one.

Every lane of a bucket takes the same step, on the same rows, a few times over; what is compared over widths is the mean
change of a coordinate since initialization (Yang et al. 2022, "Tensor Programs V"), and over depths likewise.
"""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np
import pytest
from flax import nnx

from jaxphase.config import SweepSpec
from jaxphase.models.layers import PerModel
from jaxphase.runtime.mesh import copy_everywhere, lane_mesh, spread
from jaxphase.sweep import Bucket, Lane, make_recipe
from jaxphase.sweep.lanes import initialize
from jaxphase.sweep.programs import make_programs

STEPS, SEEDS, ROWS = 3, 12, 16
DEPTHS = (2, 8)
DATA = {"transformer": {"data": "hierarchy"}}
# The least depth with a hidden matrix.
SHAPES = {"mlp": {"depth": 2}, "resnet": {"depth": 1, "patch": 4}, "vit": {"depth": 1, "patch": 4}}
SHAPES["transformer"] = {"depth": 1}
CELLS = [*((family, "adam") for family in SHAPES), ("mlp", "sgd"), ("transformer", "sgd")]
WIDTHS = {"mlp": (32, 64, 128, 256), "transformer": (32, 64, 128, 256)}
WIDTHS["resnet"] = WIDTHS["vit"] = (16, 32, 64, 128)
RATES = {"adam": 0.003, "sgd": 0.1}


def spec_of(family: str, optimizer: str = "adam", parametrization: str = "mup", **options) -> SweepSpec:
    return SweepSpec(
        sizes=(1,),
        data_sizes=(ROWS,),
        checkpoints=(1,),
        family=family,
        family_options=SHAPES[family] | options,
        objective="autoencoding",
        optimizer=optimizer,
        parametrization=parametrization,
        base_width=widths_of(family)[0],
        batch_size=ROWS,
        learning_rate=RATES[optimizer],
        warmup_steps=0,
        weight_decay=0.0,
        clip_norm=0.0,
        **DATA.get(family, {"data": "digits"}),
    )


def widths_of(family: str) -> tuple[int, ...]:
    return WIDTHS[family]


class Moves(NamedTuple):
    """Mean absolute coordinate of the representation and of the output, at the start, and of their change since then.

    The change is that with a readout that starts at zero: its random output, of order 1 / sqrt(width), would mix in.
    For the same reason the output's change is averaged over seeds before its size is taken.
    """

    start: np.ndarray  # [2, widths]
    change: np.ndarray  # [2, steps, widths]


def moves(spec: SweepSpec, widths: tuple[int, ...]) -> Moves:
    recipe, mesh = make_recipe(spec), lane_mesh()
    lanes = tuple(Lane(0, 0, width, ROWS, seed, spec.learning_rate) for width in widths for seed in range(SEEDS))
    bucket = Bucket(max(widths), 0, lanes)
    state, constants = initialize(bucket, recipe, len(lanes))
    # One key and one place in the data for all lanes: step 0, taken again and again, has one batch.
    constants = constants._replace(key=np.zeros_like(constants.key), data_offset=np.zeros_like(constants.data_offset))
    state, constants = spread((state, constants), mesh)
    splits = copy_everywhere(recipe.source.splits, mesh)
    template = recipe.build(bucket.width, None)
    graph, *_ = nnx.split(template, nnx.Param, PerModel)

    def activations(params, per_model):
        model = nnx.merge(graph, params, per_model)
        rows = splits.train[:ROWS]
        return recipe.objective.represent(model, rows), model(rows)

    def quickly(program, *arguments):
        return program.lower(*arguments).compile({"xla_backend_optimization_level": 0})

    step = quickly(make_programs(bucket, spec, recipe, mesh).advance, state, constants, splits.train, 0, 1)
    program = quickly(jax.jit(jax.vmap(activations)), state.params, constants.per_model)

    def measure(params) -> list[np.ndarray]:
        """Representation, with zeros beyond the width of a lane, and output [widths, seeds, ...]."""
        seen = map(np.asarray, program(params, constants.per_model))
        return [one.reshape(len(widths), SEEDS, *one.shape[1:]) for one in seen]

    def size(hidden: np.ndarray, output: np.ndarray) -> np.ndarray:
        mean = [np.abs(one).mean(tuple(range(1, one.ndim))) for one in (hidden, output)]
        return np.stack([mean[0] * bucket.width / np.array(widths), mean[1]])

    start = size(*measure(state.params))
    leaves, structure = jax.tree.flatten(state.params)
    roles = [weight.get_metadata()["role"] for weight in weights_of(template)]
    leaves = [0 * leaf if role == "readout" else leaf for role, leaf in zip(roles, leaves, strict=True)]
    state = state._replace(params=jax.tree.unflatten(structure, leaves))
    hidden, output = measure(state.params)
    change = []
    for _ in range(STEPS):
        state = step(state, constants, splits.train, 0, 1)
        now = measure(state.params)
        change.append(size(now[0] - hidden, (now[1] - output).mean(1)))
    assert (np.asarray(state.diverged_at) < 0).all()
    return Moves(start, np.stack(change, 1))


def weights_of(model: nnx.Module) -> list[nnx.Variable]:
    """In the order of the leaves of a state's weights."""
    return jax.tree.leaves(nnx.state(model, nnx.Param), is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))


def slopes(sizes: tuple[int, ...], values: np.ndarray) -> np.ndarray:
    """Exponents [...] of the growth of values [..., sizes]."""
    size = np.log(sizes) - np.mean(np.log(sizes))
    return np.log(values) @ size / (size @ size)


def growth(sizes: tuple[int, ...], change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exponents of the changes [2, steps, sizes] of the representation, which moves after the readout, and of the
    output."""
    return slopes(sizes, change[0, 1:]), slopes(sizes, change[1])


@pytest.mark.parametrize(("family", "optimizer"), CELLS)
def test_a_step_moves_activations_alike_at_every_width(family, optimizer):
    widths = widths_of(family)
    found = moves(spec_of(family, optimizer), widths)
    of_hidden, of_output = growth(widths, found.change)
    assert np.abs(of_hidden).max() < 0.1, found
    assert np.abs(of_output).max() < 0.1, found
    np.testing.assert_allclose(slopes(widths, found.start), [0, -0.5], atol=0.1)


def test_the_standard_parametrization_moves_wide_models_more():
    widths = widths_of("mlp")
    found = moves(spec_of("mlp", parametrization="standard"), widths)
    of_hidden, of_output = growth(widths, found.change)
    assert of_hidden.min() > 0.3 and of_output.min() > 0.8, found
    np.testing.assert_allclose(slopes(widths, found.start), [0, 0], atol=0.1)


@pytest.mark.parametrize("family", ["resnet", "vit"])
def test_a_step_moves_the_representation_alike_at_every_depth(family):
    """Branches scaled by 1 / depth (Dey et al. 2025, "CompleteP"); as they are, the exponents are 0.4 to 1."""
    width = widths_of(family)[1:2]
    found = [moves(spec_of(family, depth=depth), width).change for depth in DEPTHS]
    of_hidden, _ = growth(DEPTHS, np.concatenate(found, axis=-1))
    assert np.abs(of_hidden).max() < 0.15, found


@pytest.mark.parametrize("objective", ["autoencoding", "contrastive"])
@pytest.mark.parametrize("family", SHAPES)
def test_the_role_of_a_weight_says_which_of_its_sides_grow(family, objective):
    bottleneck = {"bottleneck": 8} if objective == "autoencoding" else {}
    recipe = make_recipe(dataclasses.replace(spec_of(family, **bottleneck), objective=objective))
    narrow, wide = (weights_of(recipe.build(width, None)) for width in (16, 32))
    roles = {(): {"finite"}, (-1,): {"input", "vector"}, (-2,): {"readout"}, (-2, -1): {"hidden"}}
    for a, b in zip(narrow, wide, strict=True):
        grown = tuple(axis for axis in range(-a.ndim, 0) if a.shape[axis] != b.shape[axis])
        assert b.get_metadata()["role"] in roles[grown], b
