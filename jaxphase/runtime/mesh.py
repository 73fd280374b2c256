"""Devices: one mesh axis of lanes, and arrays spread over it."""

import os
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import DTypeLike, PyTree, Shaped

LANES = PartitionSpec("lane")
STEPS_OF_LANES = PartitionSpec(None, "lane")
EVERYWHERE = PartitionSpec()


class Machine(NamedTuple):
    """The devices that a sweep runs on.

    Attributes:
        devices: Number of devices.
        platform: "cpu", "gpu" or "tpu".
        memory: Bytes that models may take on each.
    """

    devices: int = 1
    platform: str = "cpu"
    memory: float = 4e9


def this_machine() -> Machine:
    """Describe the devices of this machine.

    Returns:
        Their number, platform and memory.
    """
    return Machine(jax.device_count(), jax.devices()[0].platform, device_memory())


def device_memory() -> float:
    """Bytes that models may take on one device: 80 % of an accelerator's memory, or a share of half of a host's."""
    device = jax.local_devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats:
        return 0.8 * stats["bytes_limit"]
    return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / jax.local_device_count()


def lane_mesh() -> jax.sharding.Mesh:
    """All devices along one axis."""
    return jax.make_mesh((jax.device_count(),), ("lane",), axis_types=(AxisType.Auto,))


def spread(tree: PyTree, mesh: jax.sharding.Mesh, axes: PartitionSpec = LANES) -> Any:
    """Put arrays `[lanes, ...]` onto the mesh, each device holding its own lanes."""
    return jax.device_put(tree, NamedSharding(mesh, axes))


def copy_everywhere(tree: PyTree, mesh: jax.sharding.Mesh) -> Any:
    """Put the same arrays onto every device."""
    return jax.device_put(tree, NamedSharding(mesh, EVERYWHERE))


def abstract(
    shape: tuple[int, ...], dtype: DTypeLike, mesh: jax.sharding.Mesh, axes: PartitionSpec
) -> jax.ShapeDtypeStruct:
    """Describe an array that is spread over the mesh, for compiling a program."""
    return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, axes))


def abstract_rows(tree: PyTree, rows: int, mesh: jax.sharding.Mesh) -> Any:
    """Describe arrays `[lanes, ...]` like these, but with `rows` lanes spread over the mesh."""
    return jax.tree.map(lambda leaf: abstract((rows, *leaf.shape[1:]), leaf.dtype, mesh, LANES), tree)


def pad_rows(array: Shaped[np.ndarray, "lanes ..."], rows: int) -> Shaped[np.ndarray, "rows ..."]:
    """Fill up to `rows` rows with copies of the first: idle lanes, so that every device holds equally many."""
    return np.concatenate([array, np.repeat(array[:1], rows - len(array), axis=0)]) if rows > len(array) else array
