"""Renormalization of a trained family: every model of a sweep is halved again and again, and measured at every step."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from flax import nnx
from jaxtyping import Array, Float, Num, PyTree

from jaxphase.config import to_toml
from jaxphase.data import Source, Splits
from jaxphase.errors import InputError
from jaxphase.evaluate import PreparedFeatures, prepare_features
from jaxphase.models import count_parameters
from jaxphase.models.layers import PerModel
from jaxphase.rg.networks import blocks
from jaxphase.rg.networks.coarse_graining import coarse_grain
from jaxphase.rg.networks.couplings import Couplings, couplings
from jaxphase.rg.networks.surgery import Settings
from jaxphase.runtime.mesh import EVERYWHERE, LANES, copy_everywhere, device_memory, lane_mesh, pad_rows, spread
from jaxphase.sweep import Recipe, Trained, load, make_recipe
from jaxphase.sweep.measuring import EVALUATION_SEED, Metrics, evaluation_losses, probe_lane, represent
from jaxphase.sweep.rows import held_out_rows, with_partners

# How units are chosen, and whether means and variances are restored.
VARIANTS = {
    "activations": Settings("activations", rescale=True),
    "not rescaled": Settings("activations", rescale=False),
    "weights": Settings("weights", rescale=True),
}
# During a step, about this many arrays as large as the activations of the widest layer are in memory.
_ACTIVATIONS = 16


class Scale(NamedTuple):
    """The models after a number of halvings.

    Attributes:
        recipe: The recipe at the resolution of this step.
        splits: Its data, on every device.
        inputs: Inputs of models on the rows that units are chosen on and couplings measured on, on every device.
        widths: Widths of the models, `[lanes]`.
    """

    recipe: Recipe
    splits: Splits
    inputs: Num[Array, "n numbers"]
    widths: tuple[int, ...]


class Programs(NamedTuple):
    """The jitted programs of a step; steps of one resolution share them, as all models are padded to one width.

    Attributes:
        coarsen: By variant, from (params, per_model, coarse per_model) and inputs to (params, kept, restored).
        measure: From (params, per_model) and splits to (loss, features prepared for a probe).
        probe: From prepared features and splits to metrics.
        couple: From (params, per_model) and inputs to couplings.
    """

    coarsen: dict[str, Callable]
    measure: Callable
    probe: Callable
    couple: Callable


class Measured(NamedTuple):
    """The measurements after each halving, for all lanes.

    Attributes:
        metrics: By variant, the metrics of each scale.
        kept: For the first variant and each scale but the first, the share of the variance that a reduction has kept.
        restored: For each scale but the first, the scale that activations had before it was restored.
        couplings: For the first variant, the couplings of each scale.
    """

    metrics: dict[str, list[Metrics]]
    kept: list[dict[str, Float[np.ndarray, " lanes"]]]
    restored: list[dict[str, Float[np.ndarray, " lanes"]]]
    couplings: list[Couplings]


def renormalize(
    folder: str | Path,
    steps: int | None = None,
    *,
    space: bool = False,
    data_size: int | None = None,
    learning_rate: float | None = None,
    rows: int = 512,
    variants: tuple[str, ...] = tuple(VARIANTS),
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> xr.Dataset:
    """Halve the hidden units of every model of a finished sweep, again and again, and measure the smaller models.

    Args:
        folder: Folder of the sweep.
        steps: How often to halve; by default the sweep's `renormalization_steps`.
        space: Whether each step also halves the resolution of images, or the number of tokens.
        data_size: Data size of the models; by default the largest of the sweep.
        learning_rate: Learning rate of the models; needed if the sweep has several.
        rows: Number of training rows on which units are chosen and couplings measured.
        variants: How units are chosen, names in `VARIANTS`; couplings are those of the first.
        progress: Called with the current task and the share of all work that is done.

    Returns:
        A Dataset with dimensions (size, seed, scale), scale being the number of halvings, and for some variables
        variant, reduction, layer and rank. It holds `params` and `width`; `loss`, `accuracy`, `probe_cross_entropy` and
        `mutual_information` on held-out rows, by variant; `kept` and `restored`, by reduction; and the fields of
        `rg.Couplings`, by layer. Models that diverged are NaN. Sizes too narrow to be halved so often are listed in the
        attribute `left_out`.

    Raises:
        InputError: If there is no finished sweep, no model is wide enough, or an option is not valid.

    Example:
        >>> dataset = jaxphase.rg.renormalize("quickstart", 2)
        >>> jaxphase.rg.follow(dataset).flows[0].kind
    """
    for variant in variants:
        if variant not in VARIANTS:
            raise InputError(f"an entry of variants is {variant!r}: choose from {', '.join(VARIANTS)}.")
    trained = load(folder, data_size=data_size, learning_rate=learning_rate)
    steps = trained.config.renormalization_steps if steps is None else steps
    if steps < 1:
        raise InputError(f"steps is {steps}: give a whole number of at least 1.")
    trained, mesh = _wide_enough(trained, steps), lane_mesh()
    scales = _scales(trained, steps, space, rows, mesh)
    run = partial(_over_lanes, mesh, _at_once(trained, rows))
    measured = _measure_all(trained, scales, _programs(scales, trained.width, mesh), run, variants, progress)
    progress("done", 1.0)
    return _as_dataset(trained, scales, measured)


def _measure_all(
    trained: Trained,
    scales: list[Scale],
    programs: list[Programs],
    run: Callable,
    variants: tuple[str, ...],
    progress: Callable[[str, float], None],
) -> Measured:
    """Halve and measure all models, in every variant; `run(program, lanes, shared)` runs a program over all lanes."""
    measured = Measured({variant: [] for variant in variants}, [], [], [])
    for number, variant in enumerate(variants):
        lanes = trained.params, trained.per_model
        for step, (scale, program) in enumerate(zip(scales, programs, strict=True)):
            progress(f"{variant}, step {step}", (number + step / len(scales)) / len(variants))
            if step:
                per_model = _per_model(scale)
                inputs = scales[step - 1].inputs, scale.inputs
                params, kept, restored = run(program.coarsen[variant], (*lanes, per_model), inputs)
                lanes = params, per_model
                if number == 0:
                    measured.kept.append(kept)
                    measured.restored.append(restored)
            loss, prepared = run(program.measure, lanes, scale.splits)
            measured.metrics[variant].append(loss | run(program.probe, prepared, scale.splits))
            if number == 0:
                measured.couplings.append(run(program.couple, lanes, scale.inputs))
    return measured


def _wide_enough(trained: Trained, steps: int) -> Trained:
    """The lanes that keep more than one unit after all halvings: a single unit, normalized, carries no information."""
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
    """A width after so many halvings, each rounded down to a multiple."""
    for _ in range(steps):
        width = width // 2 // multiple * multiple
    return width


def _scales(trained: Trained, steps: int, space: bool, rows: int, mesh: jax.sharding.Mesh) -> list[Scale]:
    """Recipe, data and widths of every step."""
    recipe, spec, scales = trained.recipe, trained.spec, []
    splits = recipe.source.splits
    splits = splits._replace(train=splits.train[: max(rows, spec.batch_size)])
    for step in range(steps + 1):
        if step and space:
            source = _block_source(recipe.source._replace(splits=splits), step)
            recipe, splits = _at_half_resolution(trained, recipe, source), source.splits
        chosen = splits.train[with_partners(recipe, jnp.arange(len(splits.train)), len(splits.train))]
        inputs = recipe.objective.inputs(jnp.asarray(chosen), key=jax.random.key(EVALUATION_SEED))
        widths = tuple(_halved(lane.width, recipe.multiple, step) for lane in trained.lanes)
        scales.append(Scale(recipe, copy_everywhere(splits, mesh), copy_everywhere(inputs, mesh), widths))
    return scales


def _block_source(source: Source, step: int) -> Source:
    """The same data at half the resolution."""
    key = jax.random.fold_in(jax.random.key(EVALUATION_SEED), step)
    rows = {
        name: np.asarray(blocks.block_rows(jnp.asarray(getattr(source.splits, name)), source.layout, key=key))
        for name in ("train", "validation", "probe")
    }
    return source._replace(splits=source.splits._replace(**rows), layout=blocks.block_layout(source.layout))


def _at_half_resolution(trained: Trained, recipe: Recipe, source: Source) -> Recipe:
    """The recipe for rows of blocks; patches that a model reads, or that an objective masks, have half the side."""
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
    """The numbers of every model that are not trained, `[lanes, ...]`."""
    states = {width: nnx.state(scale.recipe.build(width, None), PerModel) for width in set(scale.widths)}
    return jax.tree.map(lambda *leaves: np.stack(leaves), *(states[width] for width in scale.widths))


def _programs(scales: list[Scale], width: int, mesh: jax.sharding.Mesh) -> list[Programs]:
    """The programs of every step.

    A core takes its lanes one after the other, as a batch of decompositions on a CPU can hang (see `jaxphase.linalg`).
    """
    on_cpu = jax.default_backend() == "cpu"
    options = {"xla_backend_optimization_level": 1} if on_cpu else {}

    def over_lanes(function: Callable, *static: Any) -> Callable:
        def lifted(lanes, shared):
            one = partial(function, *static)
            if on_cpu:
                return jax.lax.map(lambda lane: one(lane, shared), lanes)
            return jax.vmap(one, in_axes=(0, None))(lanes, shared)

        sharded = jax.shard_map(lifted, mesh=mesh, in_specs=(LANES, EVERYWHERE), out_specs=LANES, check_vma=False)
        return jax.jit(sharded, compiler_options=options)

    programs: list[Programs] = []
    for before, scale in zip([scales[0], *scales], scales, strict=False):
        if programs and scale.recipe is before.recipe:
            programs.append(programs[-1])
            continue
        fine, like = (one.recipe.build(width, None) for one in (before, scale))
        programs.append(
            Programs(
                coarsen={name: over_lanes(_coarsen, fine, like, settings) for name, settings in VARIANTS.items()},
                measure=over_lanes(_measure, like, scale.recipe),
                probe=over_lanes(_probe, scale.recipe.source.classes),
                couple=over_lanes(_couple, like),
            )
        )
    return programs


def _merge(template: nnx.Module, params: nnx.State, per_model: nnx.State) -> nnx.Module:
    """A model of the template's form with these numbers."""
    return nnx.merge(nnx.graphdef(template), params, per_model)


def _coarsen(
    fine: nnx.Module,
    like: nnx.Module,
    settings: Settings,
    lane: tuple[nnx.State, nnx.State, nnx.State],
    inputs: tuple[Num[Array, "n numbers"], Num[Array, "n coarse_numbers"]],
) -> tuple[nnx.State, dict[str, Float[Array, ""]], dict[str, Float[Array, ""]]]:
    """The weights of a halved model, and of each reduction the share of variance kept and the scale to restore."""
    params, per_model, coarse_per_model = lane
    empty = jax.tree.map(jnp.asarray, nnx.state(like, nnx.Param))
    model, smaller = _merge(fine, params, per_model), _merge(like, empty, coarse_per_model)
    coarse = coarse_grain(model, smaller, *inputs, method=settings.method, rescale=settings.rescale)
    return nnx.state(coarse.model, nnx.Param), coarse.kept, coarse.scale


@jax.default_matmul_precision("highest")
def _measure(
    template: nnx.Module, recipe: Recipe, lane: tuple[nnx.State, nnx.State], splits: Splits
) -> tuple[Metrics, PreparedFeatures]:
    """The held-out loss of a model, and its features prepared for a probe."""
    model = _merge(template, *lane)
    (loss,) = evaluation_losses(recipe, model, held_out_rows(recipe, splits))
    rows = jnp.concatenate([jnp.asarray(splits.validation), jnp.asarray(splits.probe)])
    features, probe_features = jnp.split(represent(recipe, model, rows), [len(splits.validation)])
    return {"loss": loss}, prepare_features(probe_features, features)


def _probe(classes: int, prepared: PreparedFeatures, splits: Splits) -> Metrics:
    """The metrics that a probe reads from features."""
    return probe_lane((), classes, prepared, splits)


def _couple(template: nnx.Module, lane: tuple[nnx.State, nnx.State], inputs: Num[Array, "n numbers"]) -> Couplings:
    """The couplings of a model."""
    return couplings(_merge(template, *lane), inputs, key=jax.random.key(EVALUATION_SEED))


def _at_once(trained: Trained, rows: int) -> int:
    """Number of lanes whose activations fit into the memory of the devices together."""
    positions = -(-trained.recipe.positions // trained.recipe.batch_size)
    lane = 4 * rows * positions * trained.width * _ACTIVATIONS
    return max(int(device_memory() // lane), 1) * jax.device_count()


def _over_lanes(mesh: jax.sharding.Mesh, at_once: int, program: Callable, lanes: PyTree, shared: PyTree) -> Any:
    """The results of a program for trees `[lanes, ...]`, computed for as many lanes at a time as memory holds."""
    count = len(jax.tree.leaves(lanes)[0])
    groups = -(-count // at_once)
    devices = jax.device_count()
    size = -(-count // (groups * devices)) * devices
    results = []
    for first in range(0, count, size):
        group = jax.tree.map(lambda leaf, first=first: pad_rows(np.asarray(leaf)[first : first + size], size), lanes)
        results.append(jax.device_get(program(spread(group, mesh), shared)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *results)


def _as_dataset(trained: Trained, scales: list[Scale], measured: Measured) -> xr.Dataset:
    """All measurements with named dimensions; lanes are in order of size and seed."""
    sizes = sorted({lane.size for lane in trained.lanes})
    seeds, reductions = len(trained.lanes) // len(sizes), list(measured.kept[0])
    widths = np.array([scale.widths[::seeds] for scale in scales]).T
    params = [
        [count_parameters(scale.recipe.build(int(width), None)) for scale, width in zip(scales, row, strict=True)]
        for row in widths
    ]
    coordinates = {
        "variant": list(measured.metrics),
        "size": ("size", sizes, {"long_name": "requested parameters"}),
        "seed": np.arange(seeds),
        "scale": ("scale", np.arange(len(scales)), {"long_name": "halvings"}),
        "reduction": reductions,
        "params": (("size", "scale"), params, {"long_name": "parameters"}),
        "width": (("size", "scale"), widths, {"long_name": "width"}),
    }
    threshold = trained.config.criticality_threshold
    attributes = {"spec": to_toml(trained.spec, trained.config), "criticality_threshold": threshold}
    if narrow := [size for size in trained.spec.sizes if size not in sizes]:
        attributes["left_out"] = narrow
    return xr.Dataset(_variables(trained, measured, len(sizes), seeds), coordinates, attributes)


def _variables(trained: Trained, measured: Measured, sizes: int, seeds: int) -> dict[str, tuple]:
    """Dimensions and values of all variables, NaN for models that diverged."""
    alive = np.where(trained.diverged_at < 0, 1.0, np.nan)
    axes = ("size", "seed", "scale")

    def over_scales(values: Sequence[Any]) -> np.ndarray:
        """`[sizes, seeds, scales, ...]` of arrays `[lanes, ...]`, one for each scale."""
        living = [value * alive.reshape(-1, *[1] * (value.ndim - 1)) for value in values]
        return np.stack([value.reshape(sizes, seeds, *value.shape[1:]) for value in living], axis=2)

    def over_steps(values: list[dict[str, np.ndarray]]) -> np.ndarray:
        """`[reductions, sizes, seeds, scales]`, NaN at scale 0, which no step has made."""
        unknown = np.full(len(alive), np.nan)
        return np.stack([over_scales([unknown, *(value[name] for value in values)]) for name in values[0]])

    variables: dict[str, tuple] = {}
    by_variant = list(measured.metrics.values())
    for name in by_variant[0][0]:
        values = [over_scales([metrics[name] for metrics in scales]) for scales in by_variant]
        variables[name] = ("variant", *axes), np.stack(values)
    variables["kept"] = ("reduction", *axes), over_steps(measured.kept)
    variables["restored"] = ("reduction", *axes), over_steps(measured.restored)
    for name in Couplings._fields:
        dims = (*axes, "layer", "rank") if name == "eigenvalues" else (*axes, "layer")
        variables[name] = dims, over_scales([getattr(each, name) for each in measured.couplings])
    return variables
