"""Model families that compute the same function whether or not their arrays are padded to a larger width.

- `family`: how to build a model, what it returns, and from a number of parameters to a width and back.
- `mlp`, `resnet`, `transformer`: the models; `stack`: what residual models share; `heads`: the projector.
- `layers`: layers that are exact under padding; `parametrization`: how scales follow the width and depth (muP).
"""

from jaxphase.models.family import Family, Head, count_parameters, width_for
from jaxphase.models.mlp import MLP
from jaxphase.models.parametrization import PARAMETRIZATIONS, Parametrization
from jaxphase.models.resnet import ResNet
from jaxphase.models.transformer import Transformer, ViT

FAMILIES = {
    "mlp": Family(MLP, ("image", "vector", "tokens")),
    "resnet": Family(ResNet, ("image",), lambda group_size=4, **_: group_size),
    "transformer": Family(Transformer, ("tokens",), lambda head_size=8, **_: head_size),
    "vit": Family(ViT, ("image",), lambda head_size=8, **_: head_size),
}

__all__ = [
    "FAMILIES",
    "MLP",
    "PARAMETRIZATIONS",
    "Family",
    "Head",
    "Parametrization",
    "ResNet",
    "Transformer",
    "ViT",
    "count_parameters",
    "width_for",
]
