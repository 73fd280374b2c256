"""The measurements of one lane: losses, the spectrum of its representation, and the metrics of probes."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from jaxphase.data import Splits
from jaxphase.evaluate import (
    PROBE_METRICS,
    VIEW_METRICS,
    PreparedFeatures,
    alignment,
    effective_rank,
    feature_std,
    fit_probe,
    info_nce_bound,
    mutual_information,
    prepare_features,
    rank_of_spectrum,
    slope_of_spectrum,
    spectrum,
    uniformity,
    vote_accuracy,
)
from jaxphase.objectives.views import two_views
from jaxphase.sweep.recipes import Recipe
from jaxphase.sweep.rows import held_out_rows

EVALUATION_SEED = 0x5EED  # one fixed mask for all lanes and checkpoints: common random numbers

Metrics = dict[str, Float[Array, "*lanes"]]


@jax.default_matmul_precision("highest")
def measure_lane(
    wanted: tuple[str, ...],
    recipe: Recipe,
    model: nnx.Module,
    splits: Splits,
    own: Shaped[Array, "*pair n values"],
) -> tuple[Metrics, PreparedFeatures | None]:
    """Measure losses and spectra of a model, and make its features ready for probes.

    Args:
        wanted: Names of metrics.
        recipe: What the models of the sweep have in common.
        model: The model, padded or not.
        splits: The data.
        own: Rows that the training loss is measured on.

    Returns:
        The metrics that are wanted and need no probe, and the prepared features, None if no probe is wanted.
    """
    train_loss, val_loss = evaluation_losses(recipe, model, own, held_out_rows(recipe, splits))
    metrics = {"train_loss": train_loss, "val_loss": val_loss, "generalization_gap": val_loss - train_loss}
    if set(wanted) <= set(metrics):
        return metrics, None

    rows = [jnp.asarray(splits.validation), jnp.asarray(splits.probe)]
    if of_views := not set(wanted).isdisjoint(VIEW_METRICS):
        rows += evaluation_views(recipe, splits)
    features = represent(recipe, model, jnp.concatenate(rows))
    features, probe_features, *views = jnp.split(features, np.cumsum([len(part) for part in rows[:-1]]))
    if of_views:
        first, second = views
        metrics |= {"alignment": alignment(first, second), "info_nce": info_nce_bound(first, second)}
    metrics |= {"uniformity": uniformity(features), "feature_std": feature_std(features)}
    if "spectrum_slope" in wanted:
        decomposed = spectrum(features)
        metrics |= {
            "effective_rank": rank_of_spectrum(decomposed.values),
            "spectrum_slope": slope_of_spectrum(decomposed).alpha,
        }
    else:
        metrics["effective_rank"] = effective_rank(features)
    prepared = None
    if not set(wanted).isdisjoint(PROBE_METRICS):
        prepared = prepare_features(probe_features, features)
        metrics["effective_capacity"] = prepared.degrees_of_freedom
    return {name: value for name, value in metrics.items() if name in wanted}, prepared


def probe_lane(wanted: tuple[str, ...], classes: int, prepared: PreparedFeatures, splits: Splits) -> Metrics:
    """Measure probes on the features of a lane, on rows that neither model nor probes were fitted on."""
    labels = jnp.asarray(splits.probe_labels), jnp.asarray(splits.validation_labels)
    probe = fit_probe(prepared, *labels, classes)
    metrics = {
        "accuracy": probe.accuracy,
        "probe_cross_entropy": probe.cross_entropy,
        "mutual_information": mutual_information(probe.cross_entropy, labels[1], classes),
    }
    if "knn_accuracy" in wanted:
        metrics["knn_accuracy"] = vote_accuracy(prepared.x, prepared.x_test, *labels, classes)
    return metrics


def represent(recipe: Recipe, model: nnx.Module, rows: Shaped[Array, "n values"]) -> Float[Array, "n features"]:
    """Compute the features of many rows, a batch at a time.

    This takes no more memory than training, little enough for a CPU's cache, which makes large models much faster.
    """
    batches = -(-len(rows) // recipe.batch_size)
    filled = rows[jnp.arange(batches * recipe.batch_size) % len(rows)].reshape(batches, recipe.batch_size, -1)
    features = jax.lax.map(lambda batch: recipe.objective.represent(model, batch), filled)
    return features.reshape(-1, features.shape[-1])[: len(rows)]


def evaluation_views(recipe: Recipe, splits: Splits) -> tuple[Shaped[Array, "n values"], Shaped[Array, "n values"]]:
    """Two views of every validation row, the same for all lanes and checkpoints."""
    source, rows = recipe.source, jnp.asarray(splits.validation)
    index = jnp.arange(len(rows))
    partners = rows[(index ^ 1) % len(index) if source.paired else index]
    return two_views(source.layout, rows, partners, strength=1.0, key=jax.random.key(EVALUATION_SEED))


def evaluation_losses(
    recipe: Recipe, model: nnx.Module, *rows: Shaped[Array, "*pair n values"]
) -> Float[Array, " sets"]:
    """Mean loss on each of several equally large sets of rows, in whole batches.

    One pass over all sets compiles half as much program as one pass for each. Masks and views are the same for every
    set: common random numbers.
    """
    axis = rows[0].ndim - 2
    batches = max(rows[0].shape[axis] // recipe.batch_size, 1)
    together = jnp.concatenate(rows, axis)
    together = together.reshape(*together.shape[:axis], len(rows) * batches, -1, together.shape[-1])
    keys = jnp.tile(jax.random.split(jax.random.key(EVALUATION_SEED), batches), len(rows))
    cut = jnp.moveaxis(together, axis, 0), keys
    losses = jax.lax.map(lambda one: jnp.mean(recipe.objective.loss(model, one[0], key=one[1])), cut)
    return losses.reshape(len(rows), batches).mean(axis=1)
