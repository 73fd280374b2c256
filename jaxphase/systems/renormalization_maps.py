"""Renormalization of Ising couplings by exact or closed maps, whose fixed points and eigenvalues are known.

Each map takes couplings at one scale to those at a scale b times as large, as `rg.fixed_points` expects it.
`decimation` is exact on the ring, `migdal_kadanoff` is exact on hierarchical lattices, and `block_triangles` is the
first approximation to the majority rule. `MIGDAL_KADANOFF` and `BLOCK_TRIANGLES` hold their fixed points, eigenvalues
and exponents in closed form.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

# b = 2, d = 2: cosh(4 K) = exp(2 K), so that exp(2 K) is the tribonacci constant, the real root of y^3 = y^2 + y + 1.
_TRIBONACCI = (1 + (19 + 3 * math.sqrt(33)) ** (1 / 3) + (19 - 3 * math.sqrt(33)) ** (1 / 3)) / 3
_THERMAL = 2 * (_TRIBONACCI**4 - 1) / (_TRIBONACCI**4 + 1)
MIGDAL_KADANOFF = {
    "coupling": math.log(_TRIBONACCI) / 2,
    "eigenvalue": _THERMAL,
    "y_t": math.log2(_THERMAL),
    "nu": 1 / math.log2(_THERMAL),
}

# r = 1 / sqrt(2) at exp(4 K) = 1 + 2 sqrt(2), where dK' / dK = 1 + 2 K d ln(r) / dK and dh' / dh = 3 r.
_WEIGHT = 1 + 2 * math.sqrt(2)
_TEMPERATURE_EIGENVALUE = 1 + math.log(_WEIGHT) * 4 * _WEIGHT / ((_WEIGHT + 1) * (_WEIGHT + 3))
BLOCK_TRIANGLES = {
    "coupling": math.log(_WEIGHT) / 4,
    "eigenvalues": (3 / math.sqrt(2), _TEMPERATURE_EIGENVALUE),
    "y_h": math.log(3 / math.sqrt(2)) / math.log(math.sqrt(3)),
    "y_t": math.log(_TEMPERATURE_EIGENVALUE) / math.log(math.sqrt(3)),
}


def decimation(coupling: ArrayLike, b: float = 2) -> Float[Array, "*couplings"]:
    """Sum out all but every b-th spin of the one-dimensional Ising model, exactly: tanh K' = tanh(K)**b.

    The fixed points are 0, where the slope is 0, and infinity. There is no finite one and no transition.

    Args:
        coupling: K, any shape.
        b: Scale factor.

    Returns:
        K', of the same shape.

    References:
        Nelson & Fisher (1975), Ann. Phys. 91, 226.
    """
    return migdal_kadanoff(coupling, b, 1)


def migdal_kadanoff(coupling: ArrayLike, b: float = 2, dimension: int = 2) -> Float[Array, "*couplings"]:
    """Move b**(d - 1) bonds of a d-dimensional Ising model together, then decimate by b in one dimension.

    tanh K' = tanh(b**(d - 1) K)**b; for b = 2 and d = 2 this is K' = ln(cosh(4 K)) / 2. The map is exact on
    hierarchical lattices. As b goes to 1 in two dimensions, the fixed point tends to the exact K_c, and y_t to
    2 - 2 sqrt(2) K_c = 0.7535.

    Args:
        coupling: K, any shape; negative only if b is a whole number.
        b: Scale factor above 1.
        dimension: Dimension d of the lattice.

    Returns:
        K', of the same shape.

    References:
        Migdal (1975), Zh. Eksp. Teor. Fiz. 69, 1457; Kadanoff (1976), Ann. Phys. 100, 359; Berker & Ostlund (1979),
        J. Phys. C 12, 4961.
    """
    moved = b ** (dimension - 1) * jnp.asarray(coupling)
    near = jnp.abs(moved) < 1
    # Far out the hyperbolic tangent rounds to 1; there the same formula in exp(-2 K) has no cancellation.
    small = jnp.where(near, moved, 0.5)
    far = jnp.where(near, 1.0, jnp.abs(moved))
    log_power = b * (jnp.log1p(-jnp.exp(-2 * far)) - jnp.log1p(jnp.exp(-2 * far)))
    outer = (jnp.log1p(jnp.exp(log_power)) - jnp.log(-jnp.expm1(log_power))) / 2
    return jnp.where(near, jnp.arctanh(jnp.tanh(small) ** b), jnp.sign(moved) ** b * outer)


def block_triangles(couplings: Float[Array, "*points 2"]) -> Float[Array, "*points 2"]:
    """Apply the majority rule to triangles of the triangular Ising model, b = sqrt(3), to first order in cumulants.

    K' = 2 K r**2 and h' = 3 h r with r = (exp(3 K) + exp(-K)) / (exp(3 K) + 3 exp(-K)). The fixed point is
    K* = ln(1 + 2 sqrt(2)) / 4 = 0.3356 and h* = 0; the lattice itself has K_c = ln(3) / 4 = 0.2747, y_t = 1 and
    y_h = 15 / 8.

    Args:
        couplings: K and h, `[..., 2]`.

    Returns:
        K' and h', `[..., 2]`.

    References:
        Niemeyer & van Leeuwen (1973), Phys. Rev. Lett. 31, 1411.
    """
    coupling, field = couplings[..., 0], couplings[..., 1]
    weight = jnp.exp(-4 * coupling)
    corner = (1 + weight) / (1 + 3 * weight)
    return jnp.stack([2 * coupling * corner**2, 3 * field * corner], axis=-1)
