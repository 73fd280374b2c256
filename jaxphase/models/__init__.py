"""Model families whose padded and unpadded selves are the same function."""

from jaxphase.models.family import FAMILIES, count_parameters, width_for
from jaxphase.models.parametrization import PARAMETRIZATIONS, Parametrization

__all__ = ["FAMILIES", "PARAMETRIZATIONS", "Parametrization", "count_parameters", "width_for"]
