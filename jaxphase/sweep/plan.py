"""Which models share a program: lanes sorted by width, cut into buckets of one depth padded to their widest member.

Few buckets compile fast and waste work on padding; many waste nothing and compile long. `plan` takes the cheapest cut
by dynamic programming over the distinct widths, under a cost model of three numbers per platform, and splits a bucket
into waves of the same program when its models do not fit into memory together. It is pure and touches no device.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from jaxphase.config import SweepSpec
from jaxphase.errors import InputError
from jaxphase.models import count_parameters, width_for
from jaxphase.sweep.recipe import Recipe

SHARE_OF_DATA = 0.5  # of a device's memory: more training data than that are streamed from the host
WIDTH_MULTIPLE = 8  # bucket widths are rounded up to whole vector registers


class Costs(NamedTuple):
    """Seconds on one device: to compile a bucket; per step, position and weight; per step, position and sqrt(weights);
    per step whatever its models are.

    The first is what a bucket adds to the whole, since it compiles while others run. The second is matrix products and
    the optimizer, the third the elementwise work, which grows with the width, the last the starts of kernels.
    """

    compile: float
    weight: float
    unit: float
    step: float


# CPU: fitted to MLPs of width 8 to 256, batch 128, one core (AMD EPYC). GPU: to the families of benchmarks/sweep.py in
# one bucket and in several, on an H100: within 20 %, for transformers a third too low. TPU: a guess, never run.
COSTS = {
    "cpu": Costs(2.5, 8.5e-11, 1.5e-8, 0.0),
    "gpu": Costs(2.5, 2e-13, 4e-11, 1.2e-4),
    "tpu": Costs(2.5, 2e-13, 4e-11, 1.2e-4),
}


class Lane(NamedTuple):
    """One model of the grid."""

    size: int  # requested parameters
    params: int  # counted parameters
    width: int
    data_size: int
    seed: int
    learning_rate: float
    depth: int = 0  # 0 for what the recipe says of the width


class Bucket(NamedTuple):
    """Lanes that run in one program, as models of one padded width."""

    width: int
    params: int  # of a model of that width
    lanes: tuple[Lane, ...]

    @property
    def depth(self) -> int:
        """Of all its models."""
        return self.lanes[0].depth


class Plan(NamedTuple):
    """Buckets in the order they run, with what they are expected to cost on `devices` devices."""

    buckets: tuple[Bucket, ...]
    steps: int
    positions: int  # that a model works through in a step
    devices: int
    platform: str
    streamed: bool = False  # training data stay on the host, for they do not fit on a device

    def run_seconds(self, bucket: Bucket) -> float:
        """Expected training time of a bucket."""
        rows = math.ceil(len(bucket.lanes) / self.devices)
        return self.steps * step_seconds(rows, bucket.params, self.positions, COSTS[self.platform])

    def padding(self, bucket: Bucket) -> float:
        """Weights computed over weights trained: 1 is no waste."""
        return bucket.params * len(bucket.lanes) / sum(lane.params for lane in bucket.lanes)

    @property
    def seconds(self) -> float:
        """Expected time of everything, compilation included."""
        programs = len({(bucket.width, bucket.depth, len(bucket.lanes)) for bucket in self.buckets})
        return COSTS[self.platform].compile * programs + sum(map(self.run_seconds, self.buckets))


def sizes_of_their_own(spec: SweepSpec, parts: Recipe) -> tuple[int, ...]:
    """The sizes without those that a nearer one keeps from having a width of its own."""
    count = functools.cache(lambda width: count_parameters(parts.build(width, None)))
    nearest = {}
    for size in spec.sizes:
        width = width_for(size, count, parts.multiple)
        nearest[width] = min(size, nearest.get(width, size), key=lambda size: abs(math.log(size / count(width))))
    return tuple(sorted(nearest.values()))


def lanes_of(spec: SweepSpec, parts: Recipe) -> list[Lane]:
    """Every size x data size x seed x learning rate of the grid, sizes in increasing order."""

    @functools.cache
    def count(width: int) -> int:
        return count_parameters(parts.build(width, None))

    lanes, before = [], {}
    for size in spec.sizes:
        width = width_for(size, count, parts.multiple)
        if width in before:
            raise InputError(
                f"sizes {before[width]} and {size} are both nearest to width {width} "
                f"({count(width)} parameters): space the sizes wider or start higher."
            )
        before[width] = size
        params = count(width)
        lanes += [
            Lane(size, params, width, data_size, seed, rate, parts.depth_of(width))
            for data_size in spec.data_sizes
            for seed in range(spec.seeds)
            for rate in spec.learning_rates
        ]
    return lanes


def plan(
    spec: SweepSpec, parts: Recipe, *, devices: int = 1, platform: str = "cpu", memory: float = 4e9, buckets: int = 0
) -> Plan:
    """The cheapest buckets for `devices` devices with `memory` bytes each; `buckets`, unless 0, fixes their number."""
    lanes = lanes_of(spec, parts)
    widths = sorted({lane.width for lane in lanes})
    by_width = {width: [lane for lane in lanes if lane.width == width] for width in widths}
    multiple = math.lcm(WIDTH_MULTIPLE, parts.multiple)
    padded = {width: -(-width // multiple) * multiple for width in widths}
    depth = {width: parts.depth_of(width) for width in widths}
    params = {width: count_parameters(parts.build(padded[width], None, depth[width])) for width in widths}
    costs = COSTS[platform]
    source = parts.source
    data_bytes = len(source.splits.train) * source.layout.row_bytes
    streamed = data_bytes > SHARE_OF_DATA * memory
    for_models = memory - (0 if streamed else data_bytes)
    buckets = buckets and max(buckets, len(set(depth.values())))

    def bucket_seconds(first: int, last: int) -> float:
        if depth[widths[first]] != depth[widths[last - 1]]:
            return math.inf
        rows = math.ceil(sum(len(by_width[width]) for width in widths[first:last]) / devices)
        return costs.compile + spec.steps * step_seconds(rows, params[widths[last - 1]], parts.positions, costs)

    cut = []
    for first, last in cheapest_cut(len(widths), bucket_seconds, buckets):
        members = [lane for width in widths[first:last] for lane in by_width[width]]
        top = widths[last - 1]
        per_device = max(1, int(for_models / lane_bytes(params[top], parts.positions)))
        waves = math.ceil(len(members) / (per_device * devices))
        # Every wave takes every waves-th lane, so that waves are alike and share one program.
        cut += [Bucket(padded[top], params[top], tuple(members[wave::waves])) for wave in range(waves)]
    return Plan(tuple(cut), spec.steps, parts.positions, devices, platform, streamed)


def step_seconds(models: int, params: int, positions: int, costs: Costs) -> float:
    """Expected seconds of one training step of so many models on one device."""
    return costs.step + models * positions * (costs.weight * params + costs.unit * math.sqrt(params))


def lane_bytes(params: int, positions: int) -> float:
    """Memory of one model in training: weights, gradient, two moments, an update, and activations."""
    return 4 * (5 * params + 16 * positions * math.sqrt(params))


def cheapest_cut(n: int, cost, pieces: int = 0) -> list[tuple[int, int]]:
    """Contiguous pieces [first, last) of range(n) with the least total cost; exactly `pieces` of them unless 0.

    Dynamic programming, O(n^2) evaluations of cost for each number of pieces up to n.
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
