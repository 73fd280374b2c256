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
from jaxphase.sweep.plan import plan
from jaxphase.sweep.recipe import recipe
from jaxphase.sweep.train import initialise, programs

ROWS, LABELS = jnp.ones((16, 4)), jnp.arange(16) % 2
MEASURES = {
    "uniformity": (evaluate.uniformity, ROWS),
    "InfoNCE": (evaluate.info_nce_bound, ROWS, ROWS),
    "neighbours": (functools.partial(evaluate.knn_accuracy, classes=2), ROWS, LABELS, ROWS, LABELS),
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
    parts = recipe(spec)
    bucket, mesh = plan(spec, parts).buckets[0], lane_mesh()
    of = programs(bucket, spec, parts, mesh)
    lanes = initialise(bucket, spec, parts, len(bucket.lanes))
    images = parts.source.splits
    _, prepared = jax.eval_shape(of.look, *lanes, images, None)
    assert_in_full(products(of.look, *lanes, images, None))
    assert_in_full(products(of.read, prepared, images))
    trained = products(of.advance, *lanes, images.train, 0, 1)
    assert trained and not any("HIGHEST" in product for product in trained)


def test_networks_are_coarse_grained_and_coupled_in_full():
    parts = recipe(SweepSpec(sizes=(200,), data_sizes=(64,), checkpoints=(1,), objective="autoencoding"))
    fine, like = parts.build(8, None), parts.build(4, None)
    rows = parts.source.splits.train[:32]
    assert_in_full(products(lambda rows: jax.tree.leaves(coarse_grain(fine, like, rows).kept), rows))
    assert_in_full(products(lambda rows: couplings(fine, rows, jax.random.key(0)), rows))
