"""The scaling relations among critical exponents, and the deviation of measured exponents from them."""

import math
import operator
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxphase.scaling.universality_classes import gradient

# An eigenvalue of the correlations below this share of the largest is rounding: exponents computed from one another.
REDUNDANT = 1e-8


class ScalingRelation(NamedTuple):
    """The deviation of exponents from a scaling relation.

    Attributes:
        formula: The relation.
        residual: Its left side less its right side.
        residual_se: Standard error of the residual; NaN if the exponents were computed by this very relation.
        pull: The residual divided by its error.
        p_value: p-value of the pull.
    """

    formula: str
    residual: float
    residual_se: float
    pull: float
    p_value: float


def scaling_relations(
    names: Sequence[str],
    values: Float[np.ndarray, " k"],
    covariance: Float[np.ndarray, "k k"],
    dimension: float | None,
) -> Mapping[str, ScalingRelation]:
    """The relations that these exponents can check, by name, with the covariance propagated."""
    fixed = {"dimension": dimension} if dimension is not None and math.isfinite(dimension) else {}
    result = {}
    for relation, (formula, *ways) in _RELATIONS.items():
        known = _deduced(fixed | dict(zip(names, values, strict=True)))
        way = next((way for way in ways if all(name in known for name in way[0])), None)
        if way is None:
            continue
        needed, difference = way

        def residual(values, needed=needed, difference=difference):
            known = _deduced(fixed | dict(zip(names, values, strict=True)))
            return difference(*(known[name] for name in needed))

        slope = gradient(residual, values)
        variance = slope @ covariance @ slope
        # Exponents computed from one another by this very relation cannot check it.
        certain = variance <= REDUNDANT * np.sum(np.square(slope) * np.diag(covariance))
        error = math.nan if certain else math.sqrt(variance)
        pull = float(residual(values)) / error
        p_value = math.erfc(abs(pull) / math.sqrt(2))
        result[relation] = ScalingRelation(formula, float(residual(values)), error, pull, p_value)
    return MappingProxyType(result)


# The ways to write each relation as a difference that should vanish; the first whose exponents are known is used.
_RELATIONS: Mapping[str, Any] = MappingProxyType(
    {
        "rushbrooke": ("alpha + 2 beta + gamma = 2", (("alpha", "beta", "gamma"), lambda a, b, g: a + 2 * b + g - 2)),
        "fisher": (
            "gamma = nu (2 - eta)",
            (("gamma", "nu", "eta"), lambda g, nu, eta: g - nu * (2 - eta)),
            (("gamma/nu", "eta"), lambda ratio, eta: ratio - (2 - eta)),
        ),
        "widom": (
            "gamma = beta (delta - 1)",
            (("gamma", "beta", "delta"), lambda g, b, delta: g - b * (delta - 1)),
            (("gamma/nu", "beta/nu", "delta"), lambda g, b, delta: g - b * (delta - 1)),
            (("gamma/nu_volume", "beta/nu_volume", "delta"), lambda g, b, delta: g - b * (delta - 1)),
        ),
        "hyperscaling": ("d nu = 2 - alpha", (("nu_volume", "alpha"), lambda nu_volume, a: nu_volume - (2 - a))),
        "finite size": (
            "2 beta + gamma = d nu",
            (("beta", "gamma", "nu_volume"), lambda b, g, nu_volume: 2 * b + g - nu_volume),
            (("beta/nu", "gamma/nu", "dimension"), lambda b, g, d: 2 * b + g - d),
            (("beta/nu_volume", "gamma/nu_volume"), lambda b, g: 2 * b + g - 1),
        ),
    }
)


def _deduced(given: Mapping[str, Any]) -> dict[str, Any]:
    """The exponents with all others that follow by definition alone."""
    known = dict(given)
    for name, needed, rule in _DEFINITIONS:
        if name not in known and all(source in known for source in needed):
            known[name] = rule(*(known[source] for source in needed))
    return known


# Each needs only what comes before it.
_DEFINITIONS: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    ("nu", ("1/nu",), lambda inverse: 1 / inverse),
    ("nu_volume", ("1/nu_volume",), lambda inverse: 1 / inverse),
    ("nu", ("nu_volume", "dimension"), operator.truediv),
    ("nu_volume", ("nu", "dimension"), operator.mul),
    *((f"{name}/nu", (f"{name}/nu_volume", "dimension"), operator.mul) for name in ("beta", "gamma")),
    *((name, (f"{name}/{unit}", unit), operator.mul) for name in ("beta", "gamma") for unit in ("nu", "nu_volume")),
    ("alpha", ("alpha/nu", "nu"), operator.mul),
    *((f"{name}/{unit}", (name, unit), operator.truediv) for name in ("beta", "gamma") for unit in ("nu", "nu_volume")),
)
