"""Optimizers by name: the direction of a step, without rate and decay, and a check that padding does not change it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
from jaxtyping import Float

from jaxphase.errors import InputError

Tree = dict[str, Float[np.ndarray, "..."]]

# Elementwise, so that all weights may be one vector: fewer kernels to compile and to launch.
KNOWN = {
    "adamw": optax.flatten(optax.scale_by_adam()),
    "adam": optax.flatten(optax.scale_by_adam()),
    "sgd": optax.flatten(optax.trace(0.9)),
}


def make_optimizer(name: str, clip_norm: float = 0.0) -> optax.GradientTransformation:
    """Make the transformation from gradients to directions for a name.

    Args:
        name: One of `KNOWN`, or NAME of optax's `scale_by_NAME`.
        clip_norm: Largest norm of the gradient, to which larger ones are scaled; 0 scales none.

    Returns:
        An optax transformation without learning rate and weight decay.

    Raises:
        InputError: If the name is unknown, or if a trial shows that the optimizer is not exact under padding.
    """
    direction = KNOWN[name] if name in KNOWN else _from_optax(name)
    return optax.chain(optax.clip_by_global_norm(clip_norm), direction) if clip_norm else direction


def _from_optax(name: str) -> optax.GradientTransformation:
    """Optax's `scale_by_NAME`, if it can be used."""
    make = getattr(optax, f"scale_by_{name}", getattr(optax.contrib, f"scale_by_{name}", None))
    if make is None:
        raise InputError(
            f"optimizer is {name!r}: choose one of {', '.join(KNOWN)}, or what optax has as scale_by_NAME."
        )
    try:
        chosen = make()
        error = padding_error(chosen)
    except (TypeError, ValueError) as problem:
        raise InputError(f"optimizer is {name!r}: it cannot be used here ({problem}).") from problem
    if error > 1e-9:
        raise InputError(
            f"optimizer is {name!r}: padding would change its steps (by {error:.0e} in five); choose one of "
            f"{', '.join(KNOWN)}."
        )
    return chosen


def padding_error(optimizer: optax.GradientTransformation, steps: int = 5) -> float:
    """Measure by how much zeros beyond the true shape of two matrices and a vector change the steps of an optimizer.

    Args:
        optimizer: From gradients to directions.
        steps: How many steps to try.

    Returns:
        The largest difference of an element of a step, in double precision.
    """
    rng = np.random.Generator(np.random.Philox(0))
    shapes = {"a": (150, 130), "b": (130, 150), "c": (130,)}  # large enough for Adafactor to factor
    trees: list[Tree] = [{name: rng.standard_normal(shape) for name, shape in shapes.items()} for _ in range(1 + steps)]

    def pad(tree: Tree) -> Tree:
        return {name: np.pad(leaf, [(0, 192 - side) for side in leaf.shape]) for name, leaf in tree.items()}

    def walk(trees: list[Tree]) -> list[Tree]:
        with jax.enable_x64(True):
            params, *gradients = (jax.tree.map(jnp.asarray, tree) for tree in trees)
            opt_state, taken = optimizer.init(params), []
            for grads in gradients:
                updates, opt_state = optimizer.update(grads, opt_state, params)
                taken.append(jax.tree.map(np.asarray, updates))
            return taken

    pairs = zip(walk(trees), walk([pad(tree) for tree in trees]), strict=True)
    return max(float(np.max(np.abs(padded[name] - pad(alone)[name]))) for alone, padded in pairs for name in shapes)
