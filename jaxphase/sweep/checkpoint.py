"""Checkpoints of a bucket in training, by Orbax: the only file that knows of it."""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from jaxtyping import PyTree


class Checkpointer:
    """Keeps the newest complete checkpoint of one bucket; one that a killed run left unfinished is ignored."""

    def __init__(self, folder: Path) -> None:
        options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True)
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def save(self, step: int, tree: PyTree) -> None:
        """Write a pytree of arrays as of this step; when it returns, their buffers may be donated."""
        leaves = {str(i): leaf for i, leaf in enumerate(jax.tree.leaves(tree))}
        self._manager.save(step, args=ocp.args.StandardSave(leaves))
        self._manager.wait_until_finished()

    def restore(self, like: PyTree) -> tuple[int, Any] | None:
        """Read the newest checkpoint.

        Args:
            like: A pytree with the structure, shapes and placement of the saved one.

        Returns:
            Step and pytree, or None if there is no checkpoint. NumPy arrays come back as NumPy arrays, JAX arrays on
            the devices of the arrays in `like`.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        leaves, structure = jax.tree.flatten(like)
        target = {
            str(i): jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
            if isinstance(leaf, jax.Array)
            else leaf
            for i, leaf in enumerate(leaves)
        }
        restored = self._manager.restore(step, args=ocp.args.StandardRestore(target))
        return step, jax.tree.unflatten(structure, [restored[str(i)] for i in range(len(leaves))])

    def close(self) -> None:
        """Wait until everything is on disk."""
        self._manager.close()
