"""The universality classes whose exponents are known, with the uncertainties of the literature.

Below its upper critical dimension, two numbers define a class: `nu` and the scaling dimension of the order parameter,
`beta / nu`. All other static exponents follow from them and the dimension d of space (Fisher 1998, Rev. Mod. Phys. 70,
653). With d the upper critical dimension the same formulas give the exponents of mean-field theory.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float

# Each exponent as a function of d, nu and x = beta / nu. A name of two exponents is their ratio, which finite-size
# scaling measures without knowing nu. nu_volume is the exponent for the number of units N instead of the length L.
_FORMULAS: Mapping[str, Callable[[float, float, float], float]] = MappingProxyType(
    {
        "nu": lambda d, nu, x: nu,
        "beta": lambda d, nu, x: nu * x,
        "gamma": lambda d, nu, x: nu * (d - 2 * x),
        "alpha": lambda d, nu, x: 2 - d * nu,
        "delta": lambda d, nu, x: d / x - 1,
        "eta": lambda d, nu, x: 2 - d + 2 * x,
        "nu_volume": lambda d, nu, x: d * nu,
        "1/nu": lambda d, nu, x: 1 / nu,
        "beta/nu": lambda d, nu, x: x,
        "gamma/nu": lambda d, nu, x: d - 2 * x,
        "alpha/nu": lambda d, nu, x: 2 / nu - d,
        "1/nu_volume": lambda d, nu, x: 1 / (d * nu),
        "beta/nu_volume": lambda d, nu, x: x / d,
        "gamma/nu_volume": lambda d, nu, x: 1 - 2 * x / d,
    }
)
EXPONENTS = tuple(_FORMULAS)


class UniversalityClass(NamedTuple):
    """The exponents of a class.

    Attributes:
        dimension: Dimension of space; for mean field the upper critical one, at and above which the exponents hold.
        mean_field: Whether it is a mean-field class.
        exponents: Value of each exponent that the class defines, by name.
        uncertainties: Uncertainty of each value in the literature.
        covariance: Covariance of the values in the same order, `[k, k]`.
        source: Where the values come from.
    """

    dimension: float
    mean_field: bool
    exponents: Mapping[str, float]
    uncertainties: Mapping[str, float]
    covariance: Float[np.ndarray, "k k"]
    source: str


def gradient(function: Callable[[Any], Any], values: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Derivatives of an analytic function by a complex step, which does not round (Squire & Trapp 1998)."""
    steps = 1e-30j * np.eye(len(values))
    return np.array([np.imag(function(values + step)) / 1e-30 for step in steps])


def first_order_in(dimension: float) -> UniversalityClass:
    """The exponents of a first-order transition in this dimension of space."""
    return _class(dimension, 1 / dimension, 0, CLASSES["first order"].source, names=_FIRST_ORDER)


def _class(
    dimension: float,
    nu: float,
    x: float,
    source: str,
    *,
    errors: ArrayLike | None = None,
    mean_field: bool = False,
    names: Sequence[str] = EXPONENTS,
) -> UniversalityClass:
    """A row of the table from nu, x = beta / nu and the covariance of the two, 0 if none is given."""
    pair = np.array([nu, x], float)
    slopes = np.array([gradient(lambda pair, name=name: _FORMULAS[name](dimension, *pair), pair) for name in names])
    covariance = slopes @ np.asarray(np.zeros((2, 2)) if errors is None else errors) @ slopes.T
    return UniversalityClass(
        dimension=dimension,
        mean_field=mean_field,
        exponents=MappingProxyType({name: float(_FORMULAS[name](dimension, *pair)) for name in names}),
        uncertainties=MappingProxyType(dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True))),
        covariance=covariance,
        source=source,
    )


def _bootstrapped(energy: float, energy_se: float, spin: float, spin_se: float, source: str) -> UniversalityClass:
    """Three dimensions: nu = 1 / (3 - energy) and x = spin from the scaling dimensions of a conformal theory."""
    nu = 1 / (3 - energy)
    return _class(3, nu, spin, source, errors=np.diag([nu**2 * energy_se, spin_se]) ** 2)


def _directed(dimension: float, nu: float, nu_se: float, beta: float, beta_se: float, source: str) -> UniversalityClass:
    """Directed percolation from nu and beta, without delta, eta and alpha, which are defined differently there."""
    slopes = np.array([[1, 0], [-beta / nu**2, 1 / nu]])
    errors = slopes @ np.diag([nu_se, beta_se]) ** 2 @ slopes.T
    return _class(dimension, nu, beta / nu, source, errors=errors, names=_DIRECTED)


_DIRECTED = tuple(name for name in EXPONENTS if name not in ("alpha", "alpha/nu", "delta", "eta"))
_FIRST_ORDER = tuple(name for name in EXPONENTS if name not in ("delta", "eta"))
_BY_VOLUME = ("beta", "gamma", "alpha", "nu_volume", "1/nu_volume", "beta/nu_volume", "gamma/nu_volume")
_COULOMB_GAS = "exact: Nienhuis (1984), J. Stat. Phys. 34, 731; Wu (1982), Rev. Mod. Phys. 54, 235"

CLASSES = MappingProxyType(
    {
        "mean field": _class(4, 1 / 2, 1, "exact: Landau (1937); Stanley (1971)", mean_field=True),
        "2-D Ising": _class(2, 1, 1 / 8, "exact: Onsager (1944), Phys. Rev. 65, 117; Yang (1952), Phys. Rev. 85, 808"),
        "3-D Ising": _bootstrapped(
            *(1.41262528, 29e-8, 0.518148806, 24e-9),
            "conformal bootstrap: Chang et al. (2024), arXiv:2411.15300; Kos et al. (2016), JHEP 08, 036 agrees",
        ),
        "mean-field percolation": _class(
            *(6, 1 / 2, 2, "exact: Stauffer & Aharony (1994); Erdos-Renyi graph, Bollobas (2001), ch. 6"),
            mean_field=True,
        ),
        "2-D percolation": _class(
            2, 4 / 3, 5 / 48, "exact: Nienhuis (1984); Smirnov & Werner (2001), Math. Res. Lett. 8"
        ),
        "3-D percolation": _class(
            *(3, 1 / 1.1410, 0.47705, "Monte Carlo: Wang et al. (2013), Phys. Rev. E 87, 052107"),
            errors=np.diag([0.0015 / 1.1410**2, 0.00015]) ** 2,
        ),
        "tricritical mean field": _class(
            3, 1 / 2, 1 / 2, "exact: Landau theory of a m**2 + m**6; Lawrie & Sarbach (1984)", mean_field=True
        ),
        "first order": _class(
            1,
            1,
            0,
            "exact: Nienhuis & Nauenberg (1975), Phys. Rev. Lett. 35, 477; Fisher & Berker (1982)",
            names=_BY_VOLUME,
        ),
        "3-D XY": _bootstrapped(
            1.51136, 22e-5, 0.519088, 22e-6, "conformal bootstrap: Chester et al. (2020), JHEP 06, 142"
        ),
        "3-D Heisenberg": _bootstrapped(
            1.59488, 81e-5, 0.518936, 67e-6, "conformal bootstrap: Chester et al. (2021), Phys. Rev. D 104, 105013"
        ),
        "2-D tricritical Ising": _class(
            2, 5 / 9, 3 / 40, "exact: Friedan, Qiu & Shenker (1984), Phys. Rev. Lett. 52, 1575; " + _COULOMB_GAS
        ),
        "2-D 3-state Potts": _class(2, 5 / 6, 2 / 15, _COULOMB_GAS),
        "2-D 4-state Potts": _class(2, 2 / 3, 1 / 8, _COULOMB_GAS + "; without its logarithms"),
        "directed percolation 1+1": _directed(
            1, 1.096854, 4e-6, 0.276486, 8e-6, "series: Jensen (1999), J. Phys. A 32, 5233"
        ),
        "directed percolation 2+1": _directed(
            *(2, 0.7333, 0.0075, 0.5834, 0.0030),
            "Monte Carlo: Grassberger & Zhang (1996), Physica A 224, 169; Voigt & Ziff (1997), Phys. Rev. E 56, R6241",
        ),
    }
)
