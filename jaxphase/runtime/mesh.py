"""Devices: one mesh axis of lanes."""

import os

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

LANES = PartitionSpec("lane")
STEPS_OF_LANES = PartitionSpec(None, "lane")
EVERYWHERE = PartitionSpec()


def lane_mesh() -> jax.sharding.Mesh:
    """All devices along one axis."""
    return jax.make_mesh((jax.device_count(),), ("lane",), axis_types=(AxisType.Auto,))


def spread(tree, mesh: jax.sharding.Mesh, axes: PartitionSpec = LANES):
    """Arrays [lanes, ...] onto the mesh, each device holding its own lanes."""
    return jax.device_put(tree, NamedSharding(mesh, axes))


def abstract(shape: tuple[int, ...], dtype, mesh: jax.sharding.Mesh, axes: PartitionSpec) -> jax.ShapeDtypeStruct:
    """What a program needs to know of an array that is spread over the mesh."""
    return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, axes))


def abstract_rows(tree, rows: int, mesh: jax.sharding.Mesh):
    """Shapes of arrays [lanes, ...] like these, but with `rows` lanes spread over the mesh."""
    return jax.tree.map(lambda leaf: abstract((rows, *leaf.shape[1:]), leaf.dtype, mesh, LANES), tree)


def copy_everywhere(tree, mesh: jax.sharding.Mesh):
    """The same arrays on every device."""
    return jax.device_put(tree, NamedSharding(mesh, EVERYWHERE))


def device_memory() -> float:
    """Bytes that models may take on one device: 80 % of an accelerator's memory, or half of a host's, shared."""
    device = jax.local_devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats:
        return 0.8 * stats["bytes_limit"]
    return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / jax.local_device_count()


def pad_rows(array: np.ndarray, rows: int) -> np.ndarray:
    """Fill up to `rows` rows with copies of the first: idle lanes, so that every device holds equally many."""
    return np.concatenate([array, np.repeat(array[:1], rows - len(array), axis=0)]) if rows > len(array) else array
