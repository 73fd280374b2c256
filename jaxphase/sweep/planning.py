"""Which models share a program: lanes sorted by width, cut into buckets of one depth, padded to their widest member.

Few buckets compile fast and waste work on padding; many waste nothing and compile long. `make_plan` takes the cheapest
cut by dynamic programming over the distinct widths, and splits a bucket into waves of the same program when its models
do not fit into memory together.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxphase.config import SweepSpec
from jaxphase.models import count_parameters
from jaxphase.runtime.mesh import Machine, this_machine
from jaxphase.sweep.costs import COSTS, lane_bytes, step_seconds
from jaxphase.sweep.grid import Lane, lanes_of
from jaxphase.sweep.recipes import Recipe, make_recipe

SHARE_OF_DATA = 0.5  # of a device's memory: more training data than that are streamed from the host
WIDTH_MULTIPLE = 8  # bucket widths are rounded up to whole vector registers


class Bucket(NamedTuple):
    """Lanes that run in one program, as models of one padded width.

    Attributes:
        width: The padded width.
        params: Number of parameters of a model of that width.
        lanes: The models.
    """

    width: int
    params: int
    lanes: tuple[Lane, ...]

    @property
    def depth(self) -> int:
        """Number of blocks, the same for all models of the bucket."""
        return self.lanes[0].depth


class Plan(NamedTuple):
    """Buckets in the order in which they run, and the numbers that decide how long they take.

    Attributes:
        buckets: The buckets.
        steps: Training steps of every model.
        positions: Positions that a model works through in a step.
        devices: Number of devices.
        platform: "cpu", "gpu" or "tpu".
        streamed: Whether training data stay on the host because they do not fit on a device.
    """

    buckets: tuple[Bucket, ...]
    steps: int
    positions: int
    devices: int
    platform: str
    streamed: bool = False

    def rows(self, bucket: Bucket) -> int:
        """Number of lanes of a bucket, with idle ones so that every device has equally many."""
        return math.ceil(len(bucket.lanes) / self.devices) * self.devices

    def run_seconds(self, bucket: Bucket) -> float:
        """Expected training time of a bucket in seconds."""
        rows = math.ceil(len(bucket.lanes) / self.devices)
        return self.steps * step_seconds(rows, bucket.params, self.positions, COSTS[self.platform])

    def padding(self, bucket: Bucket) -> float:
        """Number of weights computed over number of weights trained: 1 is no waste."""
        return bucket.params * len(bucket.lanes) / sum(lane.params for lane in bucket.lanes)

    @property
    def seconds(self) -> float:
        """Expected time of everything in seconds, compilation included."""
        programs = len({(bucket.width, bucket.depth, len(bucket.lanes)) for bucket in self.buckets})
        return COSTS[self.platform].compile * programs + sum(map(self.run_seconds, self.buckets))


def make_plan(
    spec: SweepSpec, recipe: Recipe | None = None, *, machine: Machine | None = None, buckets: int = 0
) -> Plan:
    """Choose the buckets that cost the least compile time and padded work.

    Args:
        spec: The sweep.
        recipe: The result of `make_recipe(spec)`, if it has been made already.
        machine: The devices to plan for; by default those of this machine.
        buckets: How many buckets to make; 0 leaves the number to the planner.

    Returns:
        A `Plan`; nothing is compiled or trained.

    Raises:
        InputError: If the spec cannot be run.

    Example:
        >>> plan = jaxphase.sweep.make_plan(spec)
        >>> plan.seconds, [len(bucket.lanes) for bucket in plan.buckets]
    """
    recipe = make_recipe(spec) if recipe is None else recipe
    machine = this_machine() if machine is None else machine
    lanes = lanes_of(spec, recipe)
    widths = sorted({lane.width for lane in lanes})
    by_width = {width: [lane for lane in lanes if lane.width == width] for width in widths}
    multiple = math.lcm(WIDTH_MULTIPLE, recipe.multiple)
    padded = {width: math.ceil(width / multiple) * multiple for width in widths}
    depth = {width: recipe.depth_of(width) for width in widths}
    params = {width: count_parameters(recipe.build(padded[width], None, depth[width])) for width in widths}
    costs = COSTS[machine.platform]
    data_bytes = len(recipe.source.splits.train) * recipe.source.layout.row_bytes
    streamed = data_bytes > SHARE_OF_DATA * machine.memory
    memory = machine.memory - (0 if streamed else data_bytes)

    def bucket_seconds(first: int, last: int) -> float:
        if depth[widths[first]] != depth[widths[last - 1]]:
            return math.inf
        rows = math.ceil(sum(len(by_width[width]) for width in widths[first:last]) / machine.devices)
        return costs.compile + spec.steps * step_seconds(rows, params[widths[last - 1]], recipe.positions, costs)

    pieces = buckets and max(buckets, len(set(depth.values())))
    made: list[Bucket] = []
    for first, last in cheapest_cut(len(widths), bucket_seconds, pieces):
        members = [lane for width in widths[first:last] for lane in by_width[width]]
        widest = widths[last - 1]
        per_device = max(1, int(memory / lane_bytes(params[widest], recipe.positions)))
        waves = math.ceil(len(members) / (per_device * machine.devices))
        # A wave takes every `waves`-th lane, so that all waves are alike and share one program.
        made += [Bucket(padded[widest], params[widest], tuple(members[wave::waves])) for wave in range(waves)]
    return Plan(tuple(made), spec.steps, recipe.positions, machine.devices, machine.platform, streamed)


def cheapest_cut(n: int, cost: Callable[[int, int], float], pieces: int = 0) -> list[tuple[int, int]]:
    """Cut range(n) into contiguous pieces [first, last) with the least total cost.

    Dynamic programming: O(n^2) evaluations of the cost, O(n^3) additions.

    Args:
        n: Length of the range.
        cost: Cost of a piece, given `first` and `last`.
        pieces: Exact number of pieces; 0 takes the cheapest number.

    Returns:
        The pieces in order.
    """
    best = np.full((n + 1, n + 1), np.inf)  # best[k, last]: k pieces covering range(last)
    best[0, 0] = 0
    origin = np.zeros((n + 1, n + 1), int)
    costs = {(first, last): cost(first, last) for last in range(1, n + 1) for first in range(last)}
    for k in range(1, n + 1):
        for last in range(k, n + 1):
            totals = [best[k - 1, first] + costs[first, last] for first in range(last)]
            origin[k, last] = int(np.argmin(totals))
            best[k, last] = totals[origin[k, last]]
    k = min(pieces, n) or int(np.argmin(best[:, n]))
    edges = [n]
    while k:
        edges.append(int(origin[k, edges[-1]]))
        k -= 1
    return list(zip(edges[:0:-1], edges[-2::-1], strict=True))
