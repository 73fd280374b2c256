"""The planner finds the cheapest cut and says what it costs."""

import dataclasses
import itertools

import numpy as np
import pytest

from jaxphase import sweep
from jaxphase.config import PhaseTransitionConfig
from jaxphase.models import count_parameters
from jaxphase.runtime import Machine
from jaxphase.sweep.grid import lanes_of
from jaxphase.sweep.planning import cheapest_cut

SPEC = PhaseTransitionConfig().sweep()
RECIPE = sweep.make_recipe(SPEC)


@pytest.mark.parametrize("seed", range(5))
def test_the_cut_is_the_cheapest_of_all(seed):
    table = np.random.default_rng(seed).random((9, 9)) + 0.3

    def cost(first, last):
        return table[first, last]

    def total(edges):
        return sum(cost(a, b) for a, b in itertools.pairwise((0, *edges, 8)))

    every = [edges for k in range(8) for edges in itertools.combinations(range(1, 8), k)]
    cut = cheapest_cut(8, cost)
    assert sum(cost(*piece) for piece in cut) == pytest.approx(min(map(total, every)))
    assert [first for first, _ in cut] == [0, *(last for _, last in cut[:-1])] and cut[-1][1] == 8
    assert len(cheapest_cut(8, cost, 3)) == 3


def test_every_model_of_the_grid_is_in_exactly_one_bucket():
    plan = sweep.make_plan(SPEC, RECIPE, machine=Machine(devices=2))
    planned = sorted(lane for bucket in plan.buckets for lane in bucket.lanes)
    assert planned == sorted(lanes_of(SPEC, RECIPE))
    assert len(planned) == 12 * 2 * 4
    assert all(lane.width <= bucket.width for bucket in plan.buckets for lane in bucket.lanes)


def test_counts_are_those_of_the_built_model_and_near_the_request():
    rng = np.random.default_rng(0)
    for lane in lanes_of(SPEC, RECIPE):
        assert count_parameters(RECIPE.build(lane.width, rng)) == lane.params
        neighbors = [count_parameters(RECIPE.build(lane.width + side, None)) for side in (-1, 1)]
        assert all(abs(np.log(lane.params / lane.size)) <= abs(np.log(other / lane.size)) for other in neighbors)


def test_little_memory_makes_waves_of_one_program():
    roomy, tight = (sweep.make_plan(SPEC, RECIPE, machine=Machine(memory=memory), buckets=1) for memory in (1e12, 4e7))
    assert len(roomy.buckets) == 1 and len(tight.buckets) > 1
    assert len({bucket.width for bucket in tight.buckets}) == 1
    sizes = [len(bucket.lanes) for bucket in tight.buckets]
    assert max(sizes) - min(sizes) <= 1 and sum(sizes) == 96


def test_expensive_compilation_makes_fewer_buckets():
    few = sweep.make_plan(
        PhaseTransitionConfig(training_steps_range=(1, 20)).sweep(), RECIPE, machine=Machine(devices=2)
    )
    many = sweep.make_plan(
        PhaseTransitionConfig(training_steps_range=(1, 20000)).sweep(), RECIPE, machine=Machine(devices=2)
    )
    assert len(few.buckets) < len(many.buckets)


@pytest.mark.parametrize(("family", "data"), [("resnet", "digits"), ("vit", "digits"), ("transformer", "hierarchy")])
def test_widths_are_whole_groups_or_heads_and_depth_follows_the_aspect(family, data):
    spec = dataclasses.replace(
        SPEC, family=family, data=data, family_options={"aspect": 16}, sizes=(4000, 20_000, 90_000)
    )
    recipe = sweep.make_recipe(spec)
    lanes = lanes_of(spec, recipe)
    assert all(lane.width % recipe.multiple == 0 for lane in lanes) and recipe.multiple in (4, 8)
    assert len({lane.depth for lane in lanes}) > 1
    for lane in lanes:
        assert lane.depth == max(1, round(lane.width / 16))
        model = recipe.build(lane.width, np.random.default_rng(0))
        assert count_parameters(model) == lane.params and len(model.blocks) == lane.depth
    for fixed in (0, 1):
        for bucket in sweep.make_plan(spec, recipe, machine=Machine(), buckets=fixed).buckets:
            assert {lane.depth for lane in bucket.lanes} == {bucket.depth}
