"""Renormalization of a trained family: every model of a sweep halved again and again, measured at every step."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from flax import nnx
from jax import Array

from jaxphase import rg
from jaxphase.config import to_toml
from jaxphase.data import Source, Splits
from jaxphase.errors import InputError
from jaxphase.evaluate import prepare_features
from jaxphase.models import count_parameters
from jaxphase.models.layers import PerModel
from jaxphase.rg.networks import blocks
from jaxphase.runtime.mesh import EVERYWHERE, LANES, copy_everywhere, device_memory, lane_mesh, pad_rows, spread
from jaxphase.sweep import Recipe, Trained, load, make_recipe
from jaxphase.sweep.measuring import EVALUATION_SEED, Metrics, evaluation_losses, probe_lane, represent
from jaxphase.sweep.rows import held_out_rows, with_partners

# What directions are chosen by, and whether means and variances are restored.
VARIANTS = {"activations": ("activations", True), "not rescaled": ("activations", False), "weights": ("weights", True)}
_ACTIVATIONS = 16  # arrays as large as the widest layer's activations that a step holds, about


class Scale(NamedTuple):
    """One step of a renormalization: the recipe at its resolution, its data on the devices, what its models read of
    the rows that directions are chosen on, and the widths of its models."""

    recipe: Recipe
    splits: Splits
    inputs: Array
    widths: tuple[int, ...]


def renormalize(
    folder: str | Path,
    steps: int = 0,
    *,
    space: bool = False,
    data_size: int | None = None,
    learning_rate: float | None = None,
    rows: int = 512,
    variants: tuple[str, ...] = tuple(VARIANTS),
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> xr.Dataset:
    """Halve the hidden units of every model of a finished sweep, `steps` times, and measure the models that come out.

    steps: by default the sweep's `renormalization_steps`. space=True: images lose half of their resolution with every
    step too, and sequences half of their tokens. data_size, learning_rate: of the models, by default the most and the
    only one. rows: of the training data, on which directions are chosen and couplings measured. variants: how
    directions are chosen, names of VARIANTS; couplings are those of the first. progress is told what is done and which
    share of all.

    Returns a Dataset with dims (size, seed, scale), scale the step from 0 on, and layer and rank where it says:
    params and width (size, scale), counted; loss, accuracy, probe_cross_entropy and mutual_information on held-out
    rows (variant, size, seed, scale); kept and restored (reduction, size, seed, scale), the share of the variance that
    a step has kept and the scale that activations had before it was restored; and the couplings of `rg.Couplings`
    (size, seed, scale, layer). Models that have diverged are NaN. Sizes too narrow to be halved so often are left out,
    and listed in the attribute left_out.

    Raises InputError for a folder without a finished sweep, and if no model is wide enough.
    """
    for variant in variants:
        if variant not in VARIANTS:
            raise InputError(f"an entry of variants is {variant!r}: choose from {', '.join(VARIANTS)}.")
    trained = load(folder, data_size=data_size, learning_rate=learning_rate)
    steps = steps or trained.config.renormalization_steps
    trained = _wide_enough(trained, steps)
    mesh = lane_mesh()
    scales = _scales(trained, steps, space, rows, mesh)
    programs, found = _programs(scales, trained.width, mesh), {}
    run = partial(_over_lanes, mesh, _at_once(trained, rows))
    for number, variant in enumerate(variants):
        lanes = trained.params, trained.per_model
        for step, (scale, program) in enumerate(zip(scales, programs, strict=True)):
            progress(f"{variant}, step {step}", (number + step / len(scales)) / len(variants))
            if step:
                after = _per_model(scale)
                seen = scales[step - 1].inputs, scale.inputs
                params, *found[variant, "kept", step] = run(program.coarsen[variant], (*lanes, after), seen)
                lanes = params, after
            loss, prepared = run(program.measure, lanes, scale.splits)
            found[variant, "metrics", step] = loss | run(program.probe, prepared, scale.splits)
            if not number:
                found["couplings", step] = run(program.couple, lanes, scale.inputs)
    progress("done", 1.0)
    return _label(trained, scales, variants, found)


def _wide_enough(trained: Trained, steps: int) -> Trained:
    """The lanes that can be halved so often: one unit, normalised by itself, would say nothing."""
    wide = [_halved(lane.width, trained.recipe.multiple, steps) > 1 for lane in trained.lanes]
    if not any(wide):
        raise InputError(
            f"steps is {steps}: the widest model has {trained.width} hidden units in multiples of "
            f"{trained.recipe.multiple}, which cannot be halved so often; take fewer steps."
        )
    params, per_model, diverged = jax.tree.map(
        lambda leaf: leaf[np.array(wide)], (trained.params, trained.per_model, trained.diverged_at)
    )
    lanes = tuple(lane for lane, keep in zip(trained.lanes, wide, strict=True) if keep)
    return trained._replace(lanes=lanes, params=params, per_model=per_model, diverged_at=diverged)


def _halved(width: int, multiple: int, steps: int) -> int:
    for _ in range(steps):
        width = width // 2 // multiple * multiple
    return width


def _scales(trained: Trained, steps: int, space: bool, rows: int, mesh: jax.sharding.Mesh) -> list[Scale]:
    """What models of every step are, and what they see."""
    recipe, spec, found = trained.recipe, trained.spec, []
    splits = recipe.source.splits
    splits = splits._replace(train=splits.train[: max(rows, spec.batch_size)])
    for step in range(steps + 1):
        if step and space:
            source = _block_source(recipe.source._replace(splits=splits), step)
            recipe, splits = _at_half_resolution(trained, recipe, source), source.splits
        chosen = splits.train[with_partners(recipe, jnp.arange(len(splits.train)), len(splits.train))]
        inputs = recipe.objective.inputs(jnp.asarray(chosen), key=jax.random.key(EVALUATION_SEED))
        widths = tuple(_halved(lane.width, recipe.multiple, step) for lane in trained.lanes)
        on_devices = copy_everywhere((splits, inputs), mesh)
        found.append(Scale(recipe, *on_devices, widths=widths))
    return found


def _block_source(source: Source, step: int) -> Source:
    """The same data at half the resolution."""
    key = jax.random.fold_in(jax.random.key(EVALUATION_SEED), step)
    rows = {
        name: np.asarray(blocks.block_rows(jnp.asarray(getattr(source.splits, name)), source.layout, key))
        for name in ("train", "validation", "probe")
    }
    return source._replace(splits=source.splits._replace(**rows), layout=blocks.block_layout(source.layout))


def _at_half_resolution(trained: Trained, recipe: Recipe, source: Source) -> Recipe:
    """The recipe on blocks: squares that a model reads, or that are hidden from it, have half the side."""
    spec, model = trained.spec, recipe.build(recipe.multiple, None)
    side = getattr(getattr(model, "stem", None), "side", None)
    family = {"patch": max(side // 2, 1)} if side else {}
    mask = getattr(recipe.objective, "patch", None)
    objective = {"patch": max(mask // 2, 1)} if mask and source.layout.kind == "image" else {}
    return make_recipe(
        replace(
            spec,
            data_sizes=(len(source.splits.train),),
            family_options={**spec.family_options, **family},
            objective_options={**spec.objective_options, **objective},
        ),
        source,
    )


def _per_model(scale: Scale) -> nnx.State:
    """The numbers of every model of a step that are not trained, [lanes, ...]."""
    states = {width: nnx.state(scale.recipe.build(width, None), PerModel) for width in set(scale.widths)}
    return jax.tree.map(lambda *leaves: np.stack(leaves), *(states[width] for width in scale.widths))


class Programs(NamedTuple):
    """What a step runs, jitted over lanes; steps of one resolution share them, as all are padded to one width."""

    coarsen: dict[str, Callable]  # variant: (params, per_model, coarse per_model), inputs -> params, kept, restored
    measure: Callable  # (params, per_model), splits -> loss, PreparedFeatures
    probe: Callable  # PreparedFeatures, splits -> metrics
    couple: Callable  # (params, per_model), inputs -> Couplings


def _programs(scales: list[Scale], width: int, mesh: jax.sharding.Mesh) -> list[Programs]:
    """Those that make the models of a step and measure them.

    A core takes its lanes one after the other: a batch of decompositions shares XLA's threads with the programs that
    wait for it, which was seen to hang for ever (jax 0.10.2).
    """
    on_cpu = jax.default_backend() == "cpu"
    options = {"xla_backend_optimization_level": 1} if on_cpu else {}

    def over_lanes(function, *static):
        def lifted(lanes, shared):
            one = partial(function, *static)
            if on_cpu:
                return jax.lax.map(lambda lane: one(lane, shared), lanes)
            return jax.vmap(one, in_axes=(0, None))(lanes, shared)

        specs = {"in_specs": (LANES, EVERYWHERE), "out_specs": LANES, "check_vma": False}
        return jax.jit(jax.shard_map(lifted, mesh=mesh, **specs), compiler_options=options)

    made: list[Programs] = []
    for before, scale in zip([scales[0], *scales], scales, strict=False):
        if made and scale.recipe is before.recipe:
            made.append(made[-1])
            continue
        recipe = scale.recipe
        fine, like = (one.recipe.build(width, None) for one in (before, scale))
        coarsen = {name: over_lanes(_coarsen, fine, like, *settings) for name, settings in VARIANTS.items()}
        probe = over_lanes(_probe, recipe.source.classes)
        made.append(Programs(coarsen, over_lanes(_measure, like, recipe), probe, over_lanes(_couple, like)))
    return made


def _merge(template: nnx.Module, params: nnx.State, per_model: nnx.State) -> nnx.Module:
    return nnx.merge(nnx.graphdef(template), params, per_model)


def _coarsen(fine: nnx.Module, like: nnx.Module, method: str, rescale: bool, lane, inputs):
    params, per_model, after = lane
    empty = jax.tree.map(jnp.asarray, nnx.state(like, nnx.Param))
    models = _merge(fine, params, per_model), _merge(like, empty, after)
    coarse = rg.coarse_grain(*models, *inputs, method=method, rescale=rescale)
    return nnx.state(coarse.model, nnx.Param), coarse.kept, coarse.scale


@jax.default_matmul_precision("highest")
def _measure(template: nnx.Module, recipe: Recipe, lane, splits: Splits):
    model = _merge(template, *lane)
    (loss,) = evaluation_losses(recipe, model, held_out_rows(recipe, splits))
    features = represent(recipe, model, jnp.concatenate([splits.validation, splits.probe]))
    features, fitted = jnp.split(features, [len(splits.validation)])
    return {"loss": loss}, prepare_features(fitted, features)


def _probe(classes: int, prepared, splits: Splits) -> Metrics:
    return probe_lane((), classes, prepared, splits)


def _couple(template: nnx.Module, lane, inputs: Array) -> rg.Couplings:
    return rg.couplings(_merge(template, *lane), inputs, jax.random.key(EVALUATION_SEED))


def _at_once(trained: Trained, rows: int) -> int:
    """Lanes whose activations fit the memory of the devices together."""
    positions = -(-trained.recipe.positions // trained.recipe.batch_size)
    lane = 4 * rows * positions * trained.width * _ACTIVATIONS
    return max(int(device_memory() // lane), 1) * jax.device_count()


def _over_lanes(mesh: jax.sharding.Mesh, at_once: int, program: Callable, lanes, shared):
    """What a program gives for trees [lanes, ...], as many lanes at a time as there is memory for."""
    count = len(jax.tree.leaves(lanes)[0])
    groups = -(-count // at_once)
    devices = jax.device_count()
    size = -(-count // (groups * devices)) * devices
    found = []
    for first in range(0, count, size):
        group = jax.tree.map(lambda leaf, first=first: pad_rows(np.asarray(leaf)[first : first + size], size), lanes)
        found.append(jax.device_get(program(spread(group, mesh), shared)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *found)


def _label(trained: Trained, scales: list[Scale], variants: tuple[str, ...], found: dict) -> xr.Dataset:
    """Everything with named dimensions; lanes are in order of size and seed."""
    sizes = sorted({lane.size for lane in trained.lanes})
    seeds, steps = len(trained.lanes) // len(sizes), range(len(scales))
    alive = np.where(trained.diverged_at < 0, 1.0, np.nan)

    def grid(values: np.ndarray) -> np.ndarray:
        """[sizes, seeds, ...] of [lanes, ...]."""
        values = values * alive.reshape(-1, *[1] * (values.ndim - 1))
        return values.reshape(len(sizes), seeds, *values.shape[1:])

    def over_steps(which: Callable[[int], np.ndarray], first: int = 0) -> np.ndarray:
        """[sizes, seeds, scale, ...], NaN before `first`."""
        values = [grid(which(step)) for step in steps[first:]]
        return np.stack([np.full_like(values[0], np.nan)] * first + values, axis=2)

    axes = ("size", "seed", "scale")
    variables = {}
    for name in found[variants[0], "metrics", 0]:
        values = [over_steps(lambda step, v=v, n=name: found[v, "metrics", step][n]) for v in variants]
        variables[name] = ("variant", *axes), np.stack(values)
    reductions = list(found[variants[0], "kept", 1][0])
    for i, name in enumerate(("kept", "restored")):
        columns = [
            over_steps(lambda step, i=i, layer=layer: found[variants[0], "kept", step][i][layer], 1)
            for layer in reductions
        ]
        variables[name] = ("reduction", *axes), np.stack(columns)
    for name in rg.Couplings._fields:
        dims = (*axes, "layer", "rank") if name == "eigenvalues" else (*axes, "layer")
        variables[name] = dims, over_steps(lambda step, n=name: getattr(found["couplings", step], n))
    widths = np.array([scale.widths[::seeds] for scale in scales]).T
    params = [
        [count_parameters(scale.recipe.build(int(width), None)) for scale, width in zip(scales, row, strict=True)]
        for row in widths
    ]
    threshold = trained.config.criticality_threshold
    attributes = {"spec": to_toml(trained.spec, trained.config), "criticality_threshold": threshold}
    coordinates = {
        "variant": list(variants),
        "size": ("size", sizes, {"long_name": "requested parameters"}),
        "seed": np.arange(seeds),
        "scale": ("scale", list(steps), {"long_name": "halvings"}),
        "reduction": reductions,
        "params": (("size", "scale"), params, {"long_name": "parameters"}),
        "width": (("size", "scale"), widths, {"long_name": "width"}),
    }
    if narrow := [size for size in trained.spec.sizes if size not in sizes]:
        attributes["left_out"] = narrow
    return xr.Dataset(variables, coordinates, attributes)
