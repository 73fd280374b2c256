"""A coarse model is the fine one where nothing is lost, and loses what it says where something is."""

import dataclasses

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from flax import nnx

from jaxphase.config import SweepSpec
from jaxphase.errors import InputError
from jaxphase.models.layers import PerModel
from jaxphase.rg import coarse_grain
from jaxphase.rg.networks import blocks
from jaxphase.sweep import make_recipe

pytestmark = pytest.mark.usefixtures("full_products")
CELLS = {
    "mlp": ("mlp", "contrastive", "digits", {"bottleneck": 3}),
    "mlp of tokens": ("mlp", "masked_modeling", "hierarchy", {}),
    "resnet": ("resnet", "autoencoding", "digits", {"patch": 2, "bottleneck": 3}),
    "vit": ("vit", "masked_modeling", "digits", {"patch": 2, "head_size": 4}),
    "transformer": ("transformer", "autoencoding", "hierarchy", {"head_size": 4, "rotary": 1, "causal": 1}),
}
NORMS = ("attention_norm", "perceptron_norm")


def recipe_of(cell: str, **options):
    family, objective, data, family_options = CELLS[cell]
    return make_recipe(
        SweepSpec(
            sizes=(1000,),
            data_sizes=(64,),
            checkpoints=(1,),
            family=family,
            objective=objective,
            data=data,
            family_options=family_options | options,
            data_options={"train": 64, "probe": 64, "validation": 64} if data == "hierarchy" else {"train": 64},
        )
    )


def perturbed(recipe, width: int, seed: int = 0) -> nnx.Module:
    """A model none of whose gains, biases and weights is what an initialization makes it."""
    rng = np.random.default_rng(seed)
    model = recipe.build(width, rng)
    noisy = jax.tree.map(lambda a: a + 0.2 * rng.standard_normal(a.shape, np.float32), nnx.state(model, nnx.Param))
    nnx.update(model, noisy)
    return model


def rows_of(recipe) -> jax.Array:
    return recipe.objective.inputs(jnp.asarray(recipe.source.splits.validation[:64]), key=jax.random.key(0))


@jax.jit
def answers(model, rows):
    return model(rows)


def coarse(fine, like, rows, coarse_rows=None, **settings):
    """`coarse_grain` as one program."""
    return jax.jit(lambda *args: coarse_grain(*args, **settings))(fine, like, rows, coarse_rows)


@pytest.mark.parametrize("cell, rescale", [*((cell, True) for cell in CELLS), ("vit", False), ("mlp of tokens", False)])
def test_with_all_units_kept_the_answers_are_those_of_the_fine_model(cell, rescale):
    recipe = recipe_of(cell)
    fine, rows = perturbed(recipe, 12), rows_of(recipe)
    same = coarse(fine, recipe.build(12, None), rows, rescale=rescale)
    wanted = answers(fine, rows)
    np.testing.assert_allclose(answers(same.model, rows), wanted, atol=2e-5 * float(jnp.std(wanted)) + 1e-6, rtol=1e-4)
    assert all(kept > 1 - 1e-5 for kept in same.kept.values())
    np.testing.assert_allclose([*same.scale.values()], 1, atol=1e-4)


@pytest.mark.parametrize("cell", ["mlp", "transformer"])
def test_half_the_units_are_a_smaller_model_of_the_family_that_runs(cell):
    recipe = recipe_of(cell)
    fine, rows = perturbed(recipe, 16), rows_of(recipe)
    half = coarse(fine, recipe.build(8, None), rows)
    alike = jax.tree.map(lambda a: a.shape, nnx.state(recipe.build(8, None), nnx.Param))
    assert jax.tree.map(lambda a: a.shape, nnx.state(half.model, nnx.Param)) == alike
    assert np.isfinite(answers(half.model, rows)).all()
    assert all(0 < kept < 1 for name, kept in half.kept.items()), half.kept


def test_a_perceptron_whose_hidden_layers_have_rank_k_is_cut_to_k_without_loss():
    recipe = recipe_of("mlp of tokens")
    small, wide = perturbed(recipe, 8), recipe.build(16, None)
    twice = np.repeat(np.eye(8, dtype=np.float32), 2, axis=1)  # every unit there twice, with all that it reads
    rng, blocks_of = np.random.default_rng(2), zip(small.encoder, wide.encoder, strict=True)
    reads = np.eye(len(small.encoder[0].dense.kernel[...]))
    for old, new in blocks_of:
        new.dense.kernel.set_value(jnp.asarray(reads @ old.dense.kernel[...] @ twice, jnp.float32))
        new.dense.bias.set_value(old.dense.bias[...] @ twice)
        new.norm.gain.set_value(old.norm.gain[...] @ twice)
        share = rng.uniform(0.2, 0.8, 8)  # what reads the two takes unequal shares of them
        reads = np.stack([share, 1 - share], axis=1).reshape(16, 1) * twice.T
    head = reads @ small.decoder[-1].kernel[...] * small.decoder[-1].scale[...] / wide.decoder[-1].scale[...]
    wide.decoder[-1].kernel.set_value(jnp.asarray(head, jnp.float32))
    wide.decoder[-1].bias.set_value(small.decoder[-1].bias[...])
    rows = rows_of(recipe)
    np.testing.assert_allclose(answers(wide, rows), answers(small, rows), atol=1e-4)
    for rescale in (True, False):
        half = coarse(wide, recipe.build(8, None), rows, rescale=rescale)
        np.testing.assert_allclose(answers(half.model, rows), answers(small, rows), atol=2e-3)
        assert min(half.kept.values()) > 1 - 1e-5


@pytest.mark.parametrize("cell", ["vit", "resnet"])
def test_a_stream_that_uses_half_of_its_directions_is_cut_to_them_without_loss(cell):
    recipe = recipe_of(cell, **({"bottleneck": 0} if cell == "resnet" else {}))
    small, rows = perturbed(recipe, 8), rows_of(recipe)
    wide = grown(small, recipe.build(16, None))
    if cell == "vit":
        wide = turned(wide, 16)
    np.testing.assert_allclose(answers(wide, rows), answers(small, rows), atol=1e-3)
    half = coarse(wide, recipe.build(8, None), rows)
    np.testing.assert_allclose(answers(half.model, rows), answers(small, rows), atol=1e-3)
    assert min(half.kept.values()) > 1 - 1e-5


def grown(small, wide):
    """A model twice as wide that does what the small one does in its first units, and nothing in the others."""
    weights = jax.tree.map(
        lambda a, like: np.pad(a, [(0, n - m) for m, n in zip(a.shape, like.shape, strict=True)]),
        *(nnx.state(model, nnx.Param) for model in (small, wide)),
    )
    wide = nnx.merge(nnx.graphdef(wide), weights, nnx.state(wide, PerModel))
    norms = [wide.norm, *(getattr(block, name) for block in wide.blocks for name in NORMS if hasattr(block, name))]
    for norm in norms:  # the mean square is one over twice as many
        norm.gain.set_value(norm.gain[...] / 2**0.5)
    wide.head.kernel.set_value(wide.head.kernel[...] * small.head.scale[...] / wide.head.scale[...])
    return wide


def turned(model, width: int):
    """The same transformer with its stream in other axes; padded directions turn with the live ones."""
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((width, width)))[0].astype(np.float32)
    model = nnx.merge(*nnx.split(model))

    def fold(norm, *readers):
        for reader in readers:
            reader.kernel.set_value(turn.T @ (norm.gain[...][:, None] * reader.kernel[...]))
        norm.gain.set_value(jnp.ones(width))

    embed = model.stem.embed
    for written in (embed.dense.kernel, embed.dense.bias, embed.place):
        written.set_value(written[...] @ turn)
    for block in model.blocks:
        fold(block.attention_norm, block.attention.query, block.attention.key, block.attention.value)
        fold(block.perceptron_norm, block.up)
        for written in (block.attention.out.kernel, block.down.kernel, block.down.bias):
            written.set_value(written[...] @ turn)
    fold(model.norm, model.head)
    return model


def test_a_rotation_of_the_stream_changes_nothing_that_comes_out():
    recipe = recipe_of("vit")
    fine, rows = perturbed(recipe, 16), rows_of(recipe)
    other = turned(fine, 16)
    np.testing.assert_allclose(answers(other, rows), answers(fine, rows), atol=1e-4)
    half, half_other = (coarse(model, recipe.build(8, None), rows) for model in (fine, other))
    np.testing.assert_allclose(answers(half_other.model, rows), answers(half.model, rows), atol=2e-3)
    np.testing.assert_allclose([*half_other.kept.values()], [*half.kept.values()], atol=1e-4)


def test_a_permutation_of_hidden_units_changes_nothing_that_comes_out():
    recipe = recipe_of("mlp of tokens")
    fine, rows = perturbed(recipe, 16), rows_of(recipe)
    order = np.random.default_rng(3).permutation(16)
    other = nnx.merge(*nnx.split(fine))
    first, second = other.encoder
    for written in (first.dense.kernel, first.dense.bias, first.norm.gain):
        written.set_value(written[...][..., order])
    second.dense.kernel.set_value(second.dense.kernel[...][order])
    half, half_other = (coarse(model, recipe.build(8, None), rows) for model in (fine, other))
    np.testing.assert_allclose(answers(half_other.model, rows), answers(half.model, rows), atol=1e-4)
    np.testing.assert_allclose([*half_other.kept.values()], [*half.kept.values()], atol=1e-5)


@pytest.mark.parametrize("cell", ["mlp", "resnet", "vit"])
def test_a_padded_model_is_coarse_grained_as_the_unpadded_one(cell):
    recipe = recipe_of(cell)
    fine, rows = perturbed(recipe, 8), rows_of(recipe)
    alone = coarse(fine, recipe.build(4, None), rows)

    def pad(model, width):
        like = recipe.build(width, None)
        fit = lambda a, b: np.pad(a, [(0, n - m) for m, n in zip(a.shape, b.shape, strict=True)])  # noqa: E731
        weights = jax.tree.map(fit, *(nnx.state(m, nnx.Param) for m in (model, like)))
        return nnx.merge(nnx.graphdef(like), weights, nnx.state(model, PerModel))

    padded = coarse(pad(fine, 16), pad(recipe.build(4, None), 12), rows)
    np.testing.assert_allclose(answers(padded.model, rows), answers(alone.model, rows), atol=2e-4)
    np.testing.assert_allclose([*padded.kept.values()], [*alone.kept.values()], atol=1e-4)
    np.testing.assert_allclose([*padded.scale.values()], [*alone.scale.values()], atol=1e-3)


def test_kept_units_get_back_the_mean_and_the_deviation_that_they_had():
    recipe = recipe_of("mlp of tokens")
    fine, rows = perturbed(recipe, 16), rows_of(recipe)

    def second_layer(model):
        layers = model.encoder
        return np.asarray(layers[1].dense(layers[0](model.numbers(rows))))

    half, loose = (coarse(fine, recipe.build(6, None), rows, rescale=flag) for flag in (True, False))
    before, after, raw = second_layer(fine), second_layer(half.model), second_layer(loose.model)
    # Which units were kept is told by the bias of the loose model's first layer, which is as it was.
    stats = {tuple(np.round([x.mean(), x.std()], 3)) for x in before.T}
    assert all(tuple(np.round([x.mean(), x.std()], 3)) in stats for x in after.T)
    assert not any(tuple(np.round([x.mean(), x.std()], 3)) in stats for x in raw.T)
    assert abs(half.scale["encoder.1"] - 1) > 0.01
    np.testing.assert_allclose(loose.scale["encoder.1"], half.scale["encoder.1"], rtol=0.2)


def test_activations_choose_better_than_weights():
    recipe = recipe_of("resnet")
    fine, rows = perturbed(recipe, 16), rows_of(recipe)
    wanted = answers(fine, rows)
    like = recipe.build(8, None)
    error = {
        method: float(jnp.mean((answers(coarse(fine, like, rows, method=method).model, rows) - wanted) ** 2))
        for method in ("activations", "weights")
    }
    assert error["activations"] < 0.7 * error["weights"]


@pytest.mark.parametrize("cell", ["mlp of tokens", "vit", "resnet"])
def test_on_data_constant_over_blocks_half_the_resolution_loses_nothing(cell):
    recipe = recipe_of(cell)
    layout = recipe.source.layout
    halved = blocks.block_layout(layout)
    objective = dataclasses.replace(recipe.objective, layout=halved)
    if cell == "vit":
        objective = dataclasses.replace(objective, patch=1)
    spec = SweepSpec(sizes=(1000,), data_sizes=(64,), checkpoints=(1,))
    options = CELLS[cell][3] | ({} if cell == "mlp of tokens" else {"patch": 1})
    like_recipe = make_recipe(
        dataclasses.replace(spec, family=CELLS[cell][0], objective=CELLS[cell][1], family_options=options),
        recipe.source._replace(layout=halved),
    )
    assert like_recipe.objective.layout == halved
    fine = perturbed(recipe, 8)
    few = blocks.block_rows(jnp.asarray(recipe.source.splits.validation[:64]), layout, key=jax.random.key(1))
    spread = blocks.spread_rows(few, halved) if layout.kind == "image" else jnp.repeat(few, 2, axis=1)
    key = jax.random.key(2)
    rows, coarse_rows = spread, few
    if cell == "vit":  # the same squares are hidden from both
        rows, coarse_rows = recipe.objective.inputs(spread, key=key), objective.inputs(few, key=key)
    half = coarse(fine, like_recipe.build(8, None), rows, coarse_rows)
    wanted = answers(fine, rows)
    if layout.kind == "image":
        wanted = blocks.block_rows(wanted, layout)
    else:
        wanted = wanted.reshape(len(wanted), -1, 2, wanted.shape[-1]).mean(2)
    np.testing.assert_allclose(answers(half.model, coarse_rows), wanted, atol=1e-4)


def test_what_cannot_be_coarse_grained_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users run it
    recipe, other = recipe_of("mlp of tokens"), recipe_of("transformer")
    with pytest.raises(InputError, match="MLP into Transformer"):
        coarse_grain(recipe.build(8, None), other.build(8, None), rows_of(recipe))
    with pytest.raises(InputError, match="'spectra'"):
        coarse_grain(recipe.build(8, None), recipe.build(4, None), rows_of(recipe), method="spectra")
    halved = blocks.block_layout(other.source.layout)
    like = make_recipe(
        SweepSpec(
            sizes=(1000,),
            data_sizes=(64,),
            checkpoints=(1,),
            family="transformer",
            objective="autoencoding",
            family_options=CELLS["transformer"][3],
        ),
        other.source._replace(layout=halved),
    )
    with pytest.raises(InputError, match="rotary"):
        coarse_grain(other.build(8, None), like.build(8, None), rows_of(other))
