"""The result of a sweep: the metrics of all buckets as one Dataset with named dimensions."""

from importlib.metadata import version

import numpy as np
import xarray as xr
from jaxtyping import Float, Int, Shaped

from jaxphase.config import PhaseTransitionConfig, SweepSpec, to_toml
from jaxphase.evaluate import METRICS, compressed_size, entropy
from jaxphase.sweep.grid import Lane
from jaxphase.sweep.planning import Plan
from jaxphase.sweep.recipes import Recipe

SAMPLED = 1 << 20  # numbers of the training data whose complexity is measured

Table = dict[str, Float[np.ndarray, "checkpoints _"]]


def label(
    spec: SweepSpec,
    recipe: Recipe,
    config: PhaseTransitionConfig,
    plan: Plan,
    results: list[tuple[Table, Int[np.ndarray, " _"]]],
) -> xr.Dataset:
    """Put the metrics of all buckets into one Dataset, with the complexity of the data in bits per number.

    Args:
        spec: The sweep.
        recipe: What its models have in common.
        config: The question that is stored beside the spec.
        plan: The buckets.
        results: Metrics and `diverged_at` of each bucket.

    Returns:
        The Dataset that `run` describes.
    """
    lanes = [lane for bucket in plan.buckets for lane in bucket.lanes]
    axes = {
        "data_size": (spec.data_sizes, [lane.data_size for lane in lanes]),
        "size": (spec.sizes, [lane.size for lane in lanes]),
        "seed": (range(spec.seeds), [lane.seed for lane in lanes]),
    }
    if len(spec.learning_rates) > 1:
        axes = {"learning_rate": (spec.learning_rates, [lane.learning_rate for lane in lanes])} | axes
    where = tuple([axis.index(value) for value in values] for axis, values in axes.values())
    grid = tuple(len(axis) for axis, _ in axes.values())

    def fill(columns: list[Shaped[np.ndarray, "..."]]) -> Shaped[np.ndarray, "..."]:
        values = np.concatenate(columns, axis=-1).T
        array = np.empty(grid + values.shape[1:], values.dtype)
        array[where] = values
        return array

    dims = (*axes, "step")
    variables: dict[str, tuple] = {
        name: (dims, fill([table[name] for table, _ in results]), METRICS[name]._asdict()) for name in spec.metrics
    }
    diverged = "step at which loss or gradient were first not finite, -1 for never"
    variables["diverged_at"] = (dims[:-1], fill([column for _, column in results]), {"long_name": diverged})
    return xr.Dataset(variables, _coordinates(spec, lanes), _attributes(spec, recipe, config, plan))


def _coordinates(spec: SweepSpec, lanes: list[Lane]) -> dict[str, tuple]:
    """The axes of the grid, and the width and depth of every size."""
    of_size = {lane.size: lane for lane in lanes}
    coordinates = {
        "data_size": ("data_size", list(spec.data_sizes), {"long_name": "training samples"}),
        "size": ("size", list(spec.sizes), {"long_name": "requested parameters"}),
        "seed": ("seed", np.arange(spec.seeds)),
        "step": ("step", list(spec.checkpoints), {"long_name": "training steps"}),
        "params": ("size", [of_size[size].params for size in spec.sizes], {"long_name": "parameters"}),
        "width": ("size", [of_size[size].width for size in spec.sizes], {"long_name": "width"}),
        "depth": ("size", [of_size[size].depth for size in spec.sizes], {"long_name": "depth"}),
    }
    if len(spec.learning_rates) > 1:
        coordinates["learning_rate"] = ("learning_rate", list(spec.learning_rates), {"long_name": "learning rate"})
    return coordinates


def _attributes(
    spec: SweepSpec, recipe: Recipe, config: PhaseTransitionConfig, plan: Plan
) -> dict[str, str | int | float]:
    """Where the numbers come from: spec, devices, data and versions."""
    rows = recipe.source.splits.train[: max(SAMPLED // recipe.source.layout.size, 1)]
    return {
        "spec": to_toml(spec, config),
        "platform": plan.platform,
        "devices": plan.devices,
        "data_entropy_bits": entropy(rows),
        "data_compressed_bits": compressed_size(rows),
        **{f"{name}_version": version(name) for name in ("jaxphase", "jax", "flax", "optax", "numpy")},
    }
