"""How initial scale, forward scale and learning rate follow the width and the depth of a model.

With m = width / base_width, a parameter's role fixes its row (Yang et al. 2022, "Tensor Programs V", table 8;
Dey et al. 2025, "CompleteP", for the decay and the depth):

    role      init std           forward   Adam rate   SGD rate   decoupled decay
    input     1/sqrt(fan_in)     1         rate        rate * m   decay / (its rate's factor)
    hidden    1/sqrt(fan_in)     1         rate / m    rate
    readout   1/sqrt(base)       1 / m     rate        rate * m
    vector    0 or 1             1         rate        rate * m
    finite    as input, vector   1         rate        rate

With these factors the update of every activation keeps its size while the width grows, so one learning rate serves all
widths. A factor base_depth / depth on every residual branch does the same for depths. A weight with no side that grows
with the width, such as the bias of a readout, is `finite`. `standard` is the usual parametrization: 1/sqrt(fan_in)
everywhere, one rate for all parameters, and no factor on branches.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

PARAMETRIZATIONS = ("mup", "standard")


class Parametrization(NamedTuple):
    """The table above as functions of role, width and depth.

    Attributes:
        name: "mup" or "standard".
        base_width: Width at which both are the same.
        base_depth: Depth at which both are the same.
        adaptive: Whether the optimizer's steps do not grow with the gradient, as for Adam.
    """

    name: str = "mup"
    base_width: int = 64
    base_depth: int = 2
    adaptive: bool = True

    def init_std(self, role: str, fan_in: int) -> float:
        """Return the standard deviation of the initial weights."""
        if role == "readout" and self.name == "mup":
            return self.base_width**-0.5
        return fan_in**-0.5

    def forward(self, role: str, fan_in: int) -> float:
        """Return the factor on the layer's output."""
        return self.base_width / fan_in if role == "readout" and self.name == "mup" else 1.0

    def rate(self, role: str, width: int | Float[Array, ""]) -> float | Float[Array, ""]:
        """Return the factor on the learning rate."""
        if self.name == "standard" or role == "finite" or (role == "hidden") != self.adaptive:
            return 1.0
        return self.base_width / width if self.adaptive else width / self.base_width

    def branch(self, depth: int) -> float:
        """Return the factor on the output of every residual branch of a model of `depth` blocks."""
        return self.base_depth / depth if self.name == "mup" else 1.0

    def decay(self, role: str, width: int | Float[Array, ""]) -> float | Float[Array, ""]:
        """Return the factor on the decoupled weight decay, so that rate * decay per step is the same at any width."""
        return 1.0 / self.rate(role, width)


def normal(rng: np.random.Generator | None, shape: tuple[int, ...], std: float) -> Float[np.ndarray, "..."]:
    """Draw Gaussian numbers in float32; without a generator, zeros that take no memory (a template of the shape)."""
    if rng is None:
        return np.broadcast_to(np.float32(0), shape)
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(std)
