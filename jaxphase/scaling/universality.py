"""Which universality class do measured exponents belong to, if any, and do they obey the scaling relations?

Near a continuous transition two numbers make a class below its upper critical dimension: `nu` and the scaling dimension
of the order parameter, `beta / nu`. All other static exponents follow from them and the dimension d (Fisher 1998, Rev.
Mod. Phys. 70, 653). With d the upper critical dimension the same formulas give the exponents of mean field theory.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc

NONE, NOT_ENOUGH = "none", "not enough exponents"

_REJECTED_BELOW = 0.05
# Below this share of the largest, an eigenvalue of the correlations is rounding: exponents computed from one another.
_REDUNDANT = 1e-8

# Each as a function of d, nu and x = beta / nu. A key of two exponents is their ratio, which finite-size scaling
# measures with no need of nu; nu_volume belongs to the number of units N instead of the length L.
_FORMULAS = MappingProxyType(
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
    """Exponents of a class with the uncertainties of the literature and their covariance `[k, k]` in the same order.

    dimension is that of space, for mean field the upper critical one, at and above which its exponents hold.
    """

    dimension: float
    mean_field: bool
    exponents: Mapping
    uncertainties: Mapping
    covariance: np.ndarray
    source: str


class ScalingRelation(NamedTuple):
    """How far the exponents are from a relation: left less right side, its error, their quotient and a p-value."""

    formula: str
    residual: float
    residual_se: float
    pull: float
    p_value: float


class Universality(NamedTuple):
    """best is a name in CLASSES, "none" or "not enough exponents"; compatible are all classes with p >= 0.05.

    classes are the names compared; chi2, dof and p_value `[classes]` belong to them. relations maps a name to a
    ScalingRelation, for those that the exponents can check; used are the exponents that entered.
    """

    best: str
    compatible: tuple
    classes: tuple
    chi2: np.ndarray
    dof: np.ndarray
    p_value: np.ndarray
    relations: Mapping
    used: tuple


@np.errstate(all="ignore")
def identify_universality_class(exponents, covariance=None, *, dimension=None) -> Universality:
    """Compare measured exponents with every class in CLASSES by chi-squared, after checking the scaling relations.

    exponents: dict from names in EXPONENTS to numbers. `nu_volume` is the exponent of a system whose size is a number
    of units N: d nu, 2 in mean field, 3 for mean-field percolation. gamma is that of the fluctuations N var(m), for
    directed percolation too. covariance: a dict of standard errors (independent measurements), or a matrix `[k, k]` in
    the order of the exponents. dimension: of space if known, `math.inf` if all units interact. Only classes that exist
    in it are compared then: those of this dimension and mean field at and above its upper critical dimension.

    chi2 uses the sum of the measured covariance and that of the literature, over the exponents that a class defines;
    its degrees of freedom are the rank of the measured one. best has the largest p-value, the first in the table of
    equal ones; look at compatible before believing it, for errors that are too large rule out little, and two classes
    may share exponents (beta/nu and gamma/nu are the same for the 2-D Ising and 4-state Potts models). "none" if every
    p < 0.05. "not enough exponents": fewer than two that are finite, have a finite positive error and do not repeat one
    another (nu and 1/nu are one), or a covariance that is none; chi2 and p_value are NaN then.

    relations: a p-value below 0.05 says that the exponents do not belong to one critical point, or that their errors
    are too small. Hyperscaling, which the finite-size relation supposes too, does not hold above the upper critical
    dimension unless it is written with nu_volume.

    Works on the host, on one set of exponents. ValueError: an unknown exponent, or a covariance that does not fit.
    """
    names, values, matrix = _measured(exponents, covariance, dimension)
    classes = _candidates(dimension)
    chi2, dof = np.full(len(classes), np.nan), np.zeros(len(classes), int)
    for i, known in enumerate(classes.values()):
        chi2[i], dof[i] = _distance(names, values, matrix, known)
    p_value = np.where(dof > 0, chdtrc(np.maximum(dof, 1), chi2), np.nan)
    order = np.argsort(-np.nan_to_num(p_value, nan=-1), kind="stable")
    compatible = tuple(list(classes)[i] for i in order if p_value[i] >= _REJECTED_BELOW)
    return Universality(
        best=NOT_ENOUGH if not np.any(dof) else compatible[0] if compatible else NONE,
        compatible=compatible,
        classes=tuple(classes),
        chi2=chi2,
        dof=dof,
        p_value=p_value,
        relations=_relations(names, values, matrix, dimension),
        used=names,
    )


def _measured(exponents, covariance, dimension):
    """Names, values [k] and covariance [k, k] of the exponents that are finite, have an error and are no repetition."""
    if unknown := [name for name in exponents if name not in EXPONENTS]:
        raise ValueError(f"unknown exponent {unknown[0]!r}, known are {', '.join(EXPONENTS)}")
    if dimension is not None and not dimension > 0:
        raise ValueError(f"dimension must be positive, got {dimension!r}")
    names = tuple(exponents)
    shapes = {name: np.shape(value) for name, value in exponents.items() if np.shape(value)}
    if shapes:
        raise ValueError(f"exponents must be numbers, got shapes {shapes}")
    values = np.array([float(value) for value in exponents.values()])
    matrix = _covariance(names, covariance)
    good = np.isfinite(values) & np.isfinite(np.diag(matrix)) & (np.diag(matrix) > 0)
    same = [{"nu", "1/nu"}, {"nu_volume", "1/nu_volume"}]
    if dimension is not None and math.isfinite(dimension):
        same = [set.union(*same)]
    for group in same:
        repeats = [i for i, name in enumerate(names) if name in group and good[i]][1:]
        good[repeats] = False
    kept = np.flatnonzero(good)
    return tuple(names[i] for i in kept), values[kept], matrix[np.ix_(kept, kept)]


def _covariance(names, covariance):
    """The covariance as a matrix, NaN where it is not given."""
    if covariance is None:
        return np.full((len(names), len(names)), np.nan)
    if isinstance(covariance, Mapping):
        if unknown := [name for name in covariance if name not in names]:
            raise ValueError(f"an error is given for {unknown[0]!r}, but exponents are {', '.join(names)}")
        errors = [float(covariance.get(name, math.nan)) for name in names]
        return np.diag([error**2 if error > 0 else math.nan for error in errors])
    matrix = np.asarray(covariance, float)
    if matrix.shape != (len(names), len(names)):
        raise ValueError(f"covariance of {len(names)} exponents must be a dict or [k, k], got {matrix.shape}")
    return (matrix + matrix.T) / 2


def _candidates(dimension):
    """The classes that exist in this dimension."""
    if dimension is None:
        return CLASSES
    there = {
        name: known
        for name, known in CLASSES.items()
        if (known.dimension <= dimension if known.mean_field else known.dimension == dimension)
    }
    first_order = CLASSES["first order"]
    if math.isfinite(dimension):
        first_order = _class(dimension, 1 / dimension, 0, first_order.source, names=_FIRST_ORDER)
    return {**there, "first order": first_order}


def _distance(names, values, matrix, known):
    """chi-squared and its degrees of freedom over the exponents that the class defines; (NaN, 0) for fewer than two."""
    shared = [i for i, name in enumerate(names) if name in known.exponents]
    if len(shared) < 2:
        return np.nan, 0
    order = list(known.exponents)
    theirs = [order.index(names[i]) for i in shared]
    measured = matrix[np.ix_(shared, shared)]
    scale = np.sqrt(np.diag(measured))
    correlation, literature = measured / np.outer(scale, scale), known.covariance[np.ix_(theirs, theirs)]
    if not np.all(np.isfinite(correlation)):
        return np.nan, 0
    eigenvalues, vectors = np.linalg.eigh(correlation)
    kept = eigenvalues > _REDUNDANT * eigenvalues[-1]
    if eigenvalues[0] < -_REDUNDANT * eigenvalues[-1] or np.sum(kept) < 2:
        return np.nan, 0
    # In a direction without variance the exponents were computed from others, to which the class would add nothing.
    vectors = vectors[:, kept]
    total = vectors.T @ (correlation + literature / np.outer(scale, scale)) @ vectors
    off = vectors.T @ ((values[shared] - [known.exponents[names[i]] for i in shared]) / scale)
    return off @ np.linalg.solve(total, off), int(np.sum(kept))


def _relations(names, values, matrix, dimension):
    """The relations that can be checked, with the covariance propagated."""
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

        slope = _gradient(residual, values)
        variance = slope @ matrix @ slope
        # Exponents computed from one another by this very relation say nothing of it.
        certain = variance <= _REDUNDANT * np.sum(np.square(slope) * np.diag(matrix))
        error = math.nan if certain else math.sqrt(variance)
        pull = float(residual(values)) / error
        p_value = math.erfc(abs(pull) / math.sqrt(2))
        result[relation] = ScalingRelation(formula, float(residual(values)), error, pull, p_value)
    return MappingProxyType(result)


# The ways to write each relation as a difference that should vanish; the first that has all its exponents is taken.
_RELATIONS = MappingProxyType(
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


def _deduced(known):
    """The exponents with all others that follow by definition alone."""
    known = dict(known)
    for name, needed, rule in _DEFINITIONS:
        if name not in known and all(source in known for source in needed):
            known[name] = rule(*(known[source] for source in needed))
    return known


def _product(a, b):
    return a * b


def _quotient(a, b):
    return a / b


# In an order in which each needs only what comes before it.
_DEFINITIONS = (
    ("nu", ("1/nu",), lambda inverse: 1 / inverse),
    ("nu_volume", ("1/nu_volume",), lambda inverse: 1 / inverse),
    ("nu", ("nu_volume", "dimension"), _quotient),
    ("nu_volume", ("nu", "dimension"), _product),
    *((f"{name}/nu", (f"{name}/nu_volume", "dimension"), _product) for name in ("beta", "gamma")),
    *((name, (f"{name}/{unit}", unit), _product) for name in ("beta", "gamma") for unit in ("nu", "nu_volume")),
    ("alpha", ("alpha/nu", "nu"), _product),
    *((f"{name}/{unit}", (name, unit), _quotient) for name in ("beta", "gamma") for unit in ("nu", "nu_volume")),
)


def _gradient(function, values):
    """Derivatives of an analytic function by a complex step, which does not round (Squire & Trapp 1998)."""
    steps = 1e-30j * np.eye(len(values))
    return np.array([np.imag(function(values + step)) / 1e-30 for step in steps])


def _class(dimension, nu, x, source, *, errors=((0, 0), (0, 0)), mean_field=False, names=EXPONENTS):
    """A row of the table from nu, x = beta / nu and the covariance of the two."""
    pair = np.array([nu, x], float)
    slopes = np.array([_gradient(lambda pair, name=name: _FORMULAS[name](dimension, *pair), pair) for name in names])
    covariance = slopes @ np.asarray(errors) @ slopes.T
    return UniversalityClass(
        dimension=dimension,
        mean_field=mean_field,
        exponents=MappingProxyType({name: float(_FORMULAS[name](dimension, *pair)) for name in names}),
        uncertainties=MappingProxyType(dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True))),
        covariance=covariance,
        source=source,
    )


def _bootstrapped(energy, energy_se, spin, spin_se, source):
    """Three dimensions: nu = 1 / (3 - energy) and x = spin from the scaling dimensions of a conformal theory."""
    nu = 1 / (3 - energy)
    return _class(3, nu, spin, source, errors=np.diag([nu**2 * energy_se, spin_se]) ** 2)


def _directed(dimension, nu, nu_se, beta, beta_se, source):
    """From nu and beta. Its gamma is that of the fluctuations; its delta, eta and alpha have other definitions."""
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
