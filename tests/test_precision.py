"""What is measured is measured in float32, though an accelerator's default for its products keeps ten bits."""

import functools
import re

import jax
import jax.numpy as jnp
import pytest

from jaxphase import evaluate
from jaxphase.config import SweepSpec
from jaxphase.evaluate import METRICS
from jaxphase.rg import coarse_grain, couplings
from jaxphase.runtime.mesh import lane_mesh
from jaxphase.sweep import make_plan, make_recipe
from jaxphase.sweep.lanes import initialize
from jaxphase.sweep.programs import make_programs

ROWS, LABELS = jnp.ones((16, 4)), jnp.arange(16) % 2
MEASURES = {
    "uniformity": (evaluate.uniformity, ROWS),
    "InfoNCE": (evaluate.info_nce_bound, ROWS, ROWS),
    "neighbors": (functools.partial(evaluate.knn_accuracy, classes=2), ROWS, LABELS, ROWS, LABELS),
    "probe": (functools.partial(evaluate.linear_probe, classes=2), ROWS, LABELS, ROWS, LABELS),
}


def products(function, *arguments) -> list[str]:
    """The matrix products and convolutions of a function, as its program writes them."""
    return re.findall(r"(?:dot_general|conv_general_dilated)\[.*?\]\s", str(jax.make_jaxpr(function)(*arguments)), re.S)


def assert_in_full(found):
    assert found
    for product in found:
        assert product.count("HIGHEST") == 2


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_measures_of_a_representation_multiply_in_full(measure):
    assert_in_full(products(*measure))


def test_a_sweep_measures_in_full_and_trains_as_the_device_does():
    spec = SweepSpec(sizes=(200,), data_sizes=(64,), checkpoints=(1,), metrics=tuple(METRICS), batch_size=16)
    recipe = make_recipe(spec)
    bucket, mesh = make_plan(spec).buckets[0], lane_mesh()
    programs = make_programs(bucket, spec, recipe, mesh)
    lanes = initialize(bucket, recipe, len(bucket.lanes))
    splits = recipe.source.splits
    _, prepared = jax.eval_shape(programs.measure, *lanes, splits, None)
    assert_in_full(products(programs.measure, *lanes, splits, None))
    assert_in_full(products(programs.probe, prepared, splits))
    trained = products(programs.advance, *lanes, splits.train, 0, 1)
    assert trained and not any("HIGHEST" in product for product in trained)


def test_networks_are_coarse_grained_and_coupled_in_full():
    recipe = make_recipe(SweepSpec(sizes=(200,), data_sizes=(64,), checkpoints=(1,), objective="autoencoding"))
    fine, like = recipe.build(8, None), recipe.build(4, None)
    rows = recipe.source.splits.train[:32]
    assert_in_full(products(lambda rows: jax.tree.leaves(coarse_grain(fine, like, rows).kept), rows))
    assert_in_full(products(lambda rows: couplings(fine, rows, key=jax.random.key(0)), rows))
