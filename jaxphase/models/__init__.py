"""Model families whose padded and unpadded selves are the same function."""

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

__all__ = ["FAMILIES", "PARAMETRIZATIONS", "Family", "Head", "Parametrization", "count_parameters", "width_for"]
