"""Objectives, by name: frozen dataclasses of what a model reads, what its head gives back, and three pure functions:
`inputs(rows, key)`, what it reads of rows in training, `loss(model, rows, key) -> [n]` of a batch, and
`represent(model, rows) -> [n, features]`."""

from jaxphase.objectives.autoencoding import Autoencoding
from jaxphase.objectives.joint_embedding import BarlowTwins, Contrastive, VICReg
from jaxphase.objectives.masked_modeling import MaskedModeling

OBJECTIVES = {
    "autoencoding": Autoencoding,
    "masked_modeling": MaskedModeling,
    "contrastive": Contrastive,
    "barlow_twins": BarlowTwins,
    "vicreg": VICReg,
}

__all__ = ["OBJECTIVES", "Autoencoding", "BarlowTwins", "Contrastive", "MaskedModeling", "VICReg"]
