"""Objectives, by name: frozen dataclasses with pure `loss(model, images, key)` and `represent(model, images)`."""

from jaxphase.objectives.autoencoding import Autoencoding
from jaxphase.objectives.masked_modeling import MaskedModeling

OBJECTIVES = {"autoencoding": Autoencoding, "masked_modeling": MaskedModeling}

__all__ = ["OBJECTIVES", "Autoencoding", "MaskedModeling"]
