"""Objectives, by name: frozen dataclasses that say what a model reads, what it returns, and what it is trained on.

Every objective has the properties `input_layout` and `head` and three pure functions: `inputs(rows, key=...)`, what the
model reads in training; `loss(model, rows, key=...)`, one number for each row; and `represent(model, rows)`, the
features of each row.

- `autoencoding`: reproduce the row through a bottleneck; `masked_modeling`: reconstruct what is hidden.
- `joint_embedding`: Contrastive, BarlowTwins and VICReg, which compare two views; `views`: how these are made.
- `reconstruction`: errors of reconstruction.
"""

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
