"""Which universality class do measured exponents belong to, if any?

Chi-squared uses the sum of the measured covariance and the covariance of the literature, over the exponents that a
class defines. Look at `compatible` before believing `best`: large errors exclude little, and two classes may share
exponents (beta/nu and gamma/nu are equal for the 2-D Ising and the 4-state Potts model). The exponent `nu_volume` is 2
in mean field and 3 for mean-field percolation.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from scipy.special import chdtrc

from jaxphase.scaling.scaling_relations import REDUNDANT, ScalingRelation, scaling_relations
from jaxphase.scaling.universality_classes import CLASSES, EXPONENTS, UniversalityClass, first_order_in

NONE, NOT_ENOUGH = "none", "not enough exponents"

_REJECTED_BELOW = 0.05


class Universality(NamedTuple):
    """How well measured exponents agree with each universality class.

    Attributes:
        best: Name of the class with the largest p-value, "none" or "not enough exponents".
        compatible: Names of all classes with a p-value of at least 0.05, the best first.
        classes: Names of the classes compared.
        chi2: Chi-squared of each, `[classes]`; NaN if fewer than two exponents can be compared.
        dof: Its degrees of freedom, `[classes]`.
        p_value: Its p-value, `[classes]`.
        relations: A `ScalingRelation` by name, for the relations that the exponents can check.
        used: Names of the exponents that entered.
    """

    best: str
    compatible: tuple[str, ...]
    classes: tuple[str, ...]
    chi2: Float[np.ndarray, " classes"]
    dof: Int[np.ndarray, " classes"]
    p_value: Float[np.ndarray, " classes"]
    relations: Mapping[str, ScalingRelation]
    used: tuple[str, ...]


@np.errstate(all="ignore")
def identify_universality_class(
    exponents: Mapping[str, npt.ArrayLike],
    covariance: Mapping[str, npt.ArrayLike] | npt.ArrayLike | None = None,
    *,
    dimension: float | None = None,
) -> Universality:
    """Compare measured exponents with every class in `CLASSES` by chi-squared, and check the scaling relations.

    Look at `compatible` before believing `best`: large errors exclude little, and two classes may share exponents.

    Args:
        exponents: Numbers by names in `EXPONENTS`. `nu_volume` is d nu, for systems whose size is a number of units N.
            gamma is the exponent of the fluctuations N var(m).
        covariance: Standard errors by name, for independent measurements, or the covariance matrix, `[k, k]`, in the
            order of the exponents.
        dimension: Dimension of space if known, `math.inf` if all units interact. Only classes of this dimension are
            compared, and mean field at and above its upper critical dimension.

    Returns:
        A `Universality`, computed on the host. `best` is "none" if every p-value is below 0.05, and "not enough
        exponents" if fewer than two have a finite positive error and are independent (nu and 1/nu are one). If a
        relation has a p-value below 0.05, the exponents do not belong to one critical point, or their errors are too
        small. Hyperscaling and the finite-size relation fail above the upper critical dimension unless written with
        nu_volume.

    Raises:
        ValueError: If an exponent is unknown or no number, or the covariance does not fit.

    Example:
        >>> exponents, covariance = collapse.exponents("beta/nu")
        >>> jaxphase.scaling.identify_universality_class(exponents, covariance, dimension=2).compatible
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
        relations=scaling_relations(names, values, matrix, dimension),
        used=names,
    )


def _measured(
    exponents: Mapping[str, npt.ArrayLike],
    covariance: Mapping[str, npt.ArrayLike] | npt.ArrayLike | None,
    dimension: float | None,
) -> tuple[tuple[str, ...], Float[np.ndarray, " used"], Float[np.ndarray, "used used"]]:
    """Names, values and covariance of the exponents that are finite, have an error and do not repeat one another."""
    if unknown := [name for name in exponents if name not in EXPONENTS]:
        raise ValueError(f"unknown exponent {unknown[0]!r}, known are {', '.join(EXPONENTS)}")
    if dimension is not None and not dimension > 0:
        raise ValueError(f"dimension must be positive, got {dimension!r}")
    names = tuple(exponents)
    shapes = {name: np.shape(value) for name, value in exponents.items() if np.shape(value)}
    if shapes:
        raise ValueError(f"exponents must be numbers, got shapes {shapes}")
    values = np.array([float(np.asarray(value)) for value in exponents.values()])
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


def _covariance(
    names: Sequence[str], covariance: Mapping[str, npt.ArrayLike] | npt.ArrayLike | None
) -> Float[np.ndarray, "k k"]:
    """The covariance as a matrix, NaN where it is not given."""
    if covariance is None:
        return np.full((len(names), len(names)), np.nan)
    if isinstance(covariance, Mapping):
        if unknown := [name for name in covariance if name not in names]:
            raise ValueError(f"an error is given for {unknown[0]!r}, but exponents are {', '.join(names)}")
        errors = [float(np.asarray(covariance.get(name, math.nan))) for name in names]
        return np.diag([error**2 if error > 0 else math.nan for error in errors])
    matrix = np.asarray(covariance, float)
    if matrix.shape != (len(names), len(names)):
        raise ValueError(f"covariance of {len(names)} exponents must be a dict or [k, k], got {matrix.shape}")
    return (matrix + matrix.T) / 2


def _candidates(dimension: float | None) -> Mapping[str, UniversalityClass]:
    """The classes that exist in this dimension."""
    if dimension is None:
        return CLASSES
    there = {
        name: known
        for name, known in CLASSES.items()
        if (known.dimension <= dimension if known.mean_field else known.dimension == dimension)
    }
    first_order = first_order_in(dimension) if math.isfinite(dimension) else CLASSES["first order"]
    return {**there, "first order": first_order}


def _distance(
    names: Sequence[str],
    values: Float[np.ndarray, " k"],
    matrix: Float[np.ndarray, "k k"],
    known: UniversalityClass,
) -> tuple[float, int]:
    """Chi-squared and its degrees of freedom over the exponents that the class defines; (NaN, 0) for fewer than two."""
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
    kept = eigenvalues > REDUNDANT * eigenvalues[-1]
    if eigenvalues[0] < -REDUNDANT * eigenvalues[-1] or np.sum(kept) < 2:
        return np.nan, 0
    # In a direction without variance the exponents were computed from one another, and the class adds nothing.
    vectors = vectors[:, kept]
    total = vectors.T @ (correlation + literature / np.outer(scale, scale)) @ vectors
    off = vectors.T @ ((values[shared] - [known.exponents[names[i]] for i in shared]) / scale)
    return float(off @ np.linalg.solve(total, off)), int(np.sum(kept))
