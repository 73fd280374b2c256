"""Optimizers by name: the direction of a step, without rate and decay, and whether padding leaves it alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

from jaxphase.errors import InputError

# Elementwise, so that all weights may be one vector: fewer kernels to compile and to launch.
KNOWN = {
    "adamw": optax.flatten(optax.scale_by_adam()),
    "adam": optax.flatten(optax.scale_by_adam()),
    "sgd": optax.flatten(optax.trace(0.9)),
}


def optimizer(name: str) -> optax.GradientTransformation:
    """The transformation of gradients to directions that a name stands for, one of `KNOWN` or optax's `scale_by_NAME`.

    Raises InputError for a name that is neither, and for one that is not exact under padding, found out by trial.
    """
    if name in KNOWN:
        return KNOWN[name]
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


def padding_error(chosen: optax.GradientTransformation, steps: int = 5) -> float:
    """Largest change, in double precision, that zeros beyond the true shape of two matrices make in a few steps."""
    draw = np.random.Generator(np.random.Philox(0))
    true = {"a": (150, 130), "b": (130, 150), "c": (130,)}  # large enough for Adafactor to factor
    trees = [{name: draw.standard_normal(shape) for name, shape in true.items()} for _ in range(1 + steps)]

    def padded(tree: dict) -> dict:
        return {name: np.pad(leaf, [(0, 192 - side) for side in leaf.shape]) for name, leaf in tree.items()}

    def walk(trees: list[dict]) -> list[dict]:
        with jax.enable_x64(True):
            weights, *rest = (jax.tree.map(jnp.asarray, tree) for tree in trees)
            state, taken = chosen.init(weights), []
            for tree in rest:
                direction, state = chosen.update(tree, state, weights)
                taken.append(jax.tree.map(np.asarray, direction))
            return taken

    pairs = zip(walk(trees), walk([padded(tree) for tree in trees]), strict=True)
    return max(float(np.max(np.abs(b[name] - padded(a)[name]))) for a, b in pairs for name in true)
