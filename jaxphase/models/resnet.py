"""Pre-activation residual network of an image's patches (He et al. 2016, "Identity mappings"), with GroupNorm."""

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jaxphase.data.source import Layout
from jaxphase.models.family import Head
from jaxphase.models.layers import Convolution, GroupNorm
from jaxphase.models.parametrization import Parametrization
from jaxphase.models.stack import Patches, Stack


class Block(nnx.Module):
    """Twice GroupNorm, GELU and a 3 x 3 convolution, added to the input."""

    def __init__(
        self,
        width: int,
        sides: tuple[int, int],
        group_size: int,
        branch: float,
        scheme: Parametrization,
        rng: np.random.Generator | None,
    ) -> None:
        self.norms = nnx.List([GroupNorm(width, group_size) for _ in range(2)])
        self.convolutions = nnx.List([Convolution(width, width, scheme, rng) for _ in range(2)])
        self.sides, self.branch = sides, branch

    def __call__(self, x: Float[Array, "n positions width"]) -> Float[Array, "n positions width"]:
        """Add the change that the block makes."""
        change = x.reshape(len(x), *self.sides, -1)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            change = convolution(jax.nn.gelu(norm(change)))
        return x + self.branch * change.reshape(x.shape)


class ResNet(Stack):
    """`depth` blocks of one width and resolution on the squares of `patch` pixels of an image."""

    def __init__(
        self,
        input_layout: Layout,
        head: Head,
        width: int,
        rng: np.random.Generator | None,
        scheme: Parametrization,
        *,
        depth: int = 2,
        patch: int = 2,
        group_size: int = 4,
        bottleneck: int = 0,
    ) -> None:
        rows, columns, _ = input_layout.shape
        super().__init__(
            Patches(input_layout, patch, width, scheme, rng),
            lambda: Block(width, (rows // patch, columns // patch), group_size, scheme.branch(depth), scheme, rng),
            *(head, width, rng, scheme, depth, bottleneck),
        )
