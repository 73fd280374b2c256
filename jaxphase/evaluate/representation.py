"""How many dimensions a representation uses."""

import jax.numpy as jnp
from jax import Array


def effective_rank(features: Array) -> Array:
    """exp of the entropy of the normalised singular values of features [n, d] (Roy & Vetterli 2007; "RankMe", 2023).

    Between 1 and min(n, d); padded features have singular value 0 and count for nothing; 0 if all features are 0.
    """
    values = jnp.linalg.svd(features, compute_uv=False)
    share = values / jnp.maximum(values.sum(), jnp.finfo(values.dtype).tiny)
    entropy = -jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1)), 0))
    return jnp.where(values[0] > 0, jnp.exp(entropy), 0)
