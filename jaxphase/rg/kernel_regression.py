"""Renormalization of kernel regression: modes too weak to be learned are integrated out and leave a ridge and noise.

Howard, Jefferson, Maiti & Ringel (2025), Mach. Learn. Sci. Technol. 6, 025038 (arXiv:2405.06008). A kernel `K(x, x') =
sum_k lambda_k phi_k(x) phi_k(x')` with orthonormal phi_k is fitted to `n` samples, with a ridge delta added to the
diagonal of its matrix. The target is `sum_k v_k phi_k(x)` plus noise of variance s2.

One statement is exact for any samples: a regression with the kernel of the kept modes alone gives the same prediction
in these modes, if the kernel matrix of the other modes is added to the ridge. For Gaussian features the diagonal of
that matrix has the mean `sum lambda`. Its other entries have mean 0, and they cannot be neglected once n times lambda
of a mode is of the order of the ridge. The flow of Howard et al. keeps the diagonal:
`ridge + sum_{k > cutoff} lambda_k`.

The self-consistent theory is exact for large n and Gaussian features (Canatar, Bordelon & Pehlevan 2021, Nat. Commun.
12, 2914; Simon et al. 2023, TMLR, arXiv:2110.03922):

    n = sum_k L_k + delta / kappa,   L_k = lambda_k / (lambda_k + kappa),
    loss = s2 + sum_k [(1 - L_k)**2 v_k**2 + L_k**2 loss / n].

The terms of the modes beyond a cutoff can be moved into

    delta_cut = delta + sum_{k > cutoff} kappa L_k,
    s2_cut = s2 + sum_{k > cutoff} [(1 - L_k)**2 v_k**2 + L_k**2 loss / n],

so that kappa, the loss and the learnabilities L_k of the modes that are kept are the same at every cutoff: they are the
invariants of the flow. As kappa L_k = lambda_k (1 - L_k), the flow of Howard et al. is the limit L_k -> 0. Its ridge is
too large by `sum lambda_k L_k`, for each mode by a share of the order lambda_k / kappa.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from jaxphase.detect.status import Status, answered, first_true

_BISECTIONS = 60


class KernelFlow(NamedTuple):
    """Ridge and noise at every cutoff, by the exact flow and by the leading-order one, and the invariants of the flow.

    Attributes:
        cutoff: Number of modes that are kept, `[cutoffs]`.
        ridge: Ridge delta_cut of the regression with these modes, `[..., cutoffs]`.
        noise: Noise variance s2_cut, `[..., cutoffs]`.
        leading_ridge: Ridge by the flow of Howard et al., `delta + sum lambda_k`, `[..., cutoffs]`.
        leading_noise: Noise variance by it, `s2 + sum v_k**2`, `[..., cutoffs]`.
        leading_kappa: kappa that follows from them and the modes kept, `[..., cutoffs]`.
        leading_loss: Loss that follows from them, `[..., cutoffs]`. Its distance from `loss` shows how low the cutoff
            may be.
        kappa: The effective ridge kappa of all modes, `[...]`.
        learnability: L_k of all modes, `[..., modes]`.
        loss: Mean squared error on a new sample, its noise included, `[...]`.
        status: `Status`, `[...]`; AT_BOUND if kappa is 0, NOT_IDENTIFIED if an input cannot be used.
    """

    cutoff: Int[Array, " cutoffs"]
    ridge: Float[Array, "*batch cutoffs"]
    noise: Float[Array, "*batch cutoffs"]
    leading_ridge: Float[Array, "*batch cutoffs"]
    leading_noise: Float[Array, "*batch cutoffs"]
    leading_kappa: Float[Array, "*batch cutoffs"]
    leading_loss: Float[Array, "*batch cutoffs"]
    kappa: Float[Array, "*batch"]
    learnability: Float[Array, "*batch modes"]
    loss: Float[Array, "*batch"]
    status: Int[Array, "*batch"]


def kernel_flow(
    spectrum: ArrayLike,
    ridge: ArrayLike,
    samples: ArrayLike,
    *,
    target: ArrayLike = 0.0,
    noise: ArrayLike = 0.0,
    cutoffs: Sequence[int] | None = None,
) -> KernelFlow:
    """Follow ridge and noise as the modes beyond each cutoff are integrated out of a kernel regression.

    Args:
        spectrum: Eigenvalues lambda_k of the kernel, `[..., modes]`, not negative, in the order in which the modes
            are kept: the last are integrated out first.
        ridge: The ridge delta, `[...]`.
        samples: The number n of samples, `[...]`.
        target: Squares v_k**2 of the target's coefficients, or their variances if it is random, `[..., modes]`.
        noise: The noise variance s2, `[...]`.
        cutoffs: Numbers of modes to keep; None is modes, modes / 2, ... 1.

    Returns:
        A `KernelFlow`. Without a ridge and with samples enough for all modes kappa is 0, the status is AT_BOUND, and
        the loss is infinite if n equals the number of modes. If an input is negative or not finite, or there is no
        sample or no mode above 0, the status is NOT_IDENTIFIED and the numbers are NaN.

    Raises:
        ValueError: If the shapes do not broadcast, or a cutoff is not from 1 to the number of modes.
    """
    spectrum = jnp.asarray(spectrum)
    if spectrum.ndim < 1 or spectrum.shape[-1] < 1:
        raise ValueError(f"spectrum must have shape [..., modes] with at least one mode, got {spectrum.shape}")
    modes = spectrum.shape[-1]
    if cutoffs is None:
        cutoffs = [modes // 2**i for i in range(modes.bit_length())]
    cutoffs = tuple(cutoffs)
    if not cutoffs or not all(isinstance(c, int) and 1 <= c <= modes for c in cutoffs):
        raise ValueError(f"cutoffs must be ints from 1 to the number of modes, {modes}, got {cutoffs!r}")
    scalars = [jnp.asarray(a) for a in (ridge, samples, noise)]
    target = jnp.asarray(target)
    dtype = jnp.promote_types(jnp.result_type(spectrum, target, *scalars, float), jnp.float32)
    try:
        lead = jnp.broadcast_shapes(spectrum.shape[:-1], target.shape[:-1], *(a.shape for a in scalars))
        spectrum, target = (jnp.broadcast_to(a.astype(dtype), (*lead, modes)) for a in (spectrum, target))
    except ValueError:
        shapes = [spectrum.shape, target.shape, *(a.shape for a in scalars)]
        raise ValueError(f"spectrum, target, ridge, samples and noise do not broadcast: {shapes}") from None
    many = math.prod(lead)
    rows = (a.reshape(many, modes) for a in (spectrum, target))
    flow = _flows(*rows, *(jnp.broadcast_to(a.astype(dtype), lead).reshape(many) for a in scalars), cutoffs=cutoffs)
    flow = jax.tree.map(lambda a: a.reshape(lead + a.shape[1:]), flow)
    return flow._replace(cutoff=jnp.array(cutoffs))


@functools.partial(jax.jit, static_argnames="cutoffs")
def _flows(
    spectrum: Float[Array, "many modes"],
    target: Float[Array, "many modes"],
    ridge: Float[Array, " many"],
    samples: Float[Array, " many"],
    noise: Float[Array, " many"],
    *,
    cutoffs: tuple[int, ...],
) -> KernelFlow:
    """The flow of every regression."""
    return jax.vmap(functools.partial(_flow, cutoffs=jnp.array(cutoffs)))(spectrum, target, ridge, samples, noise)


def _flow(
    spectrum: Float[Array, " modes"],
    target: Float[Array, " modes"],
    ridge: Float[Array, ""],
    samples: Float[Array, ""],
    noise: Float[Array, ""],
    *,
    cutoffs: Int[Array, " cutoffs"],
) -> KernelFlow:
    """The flow of one regression."""
    kappa = _kappa(spectrum, ridge, samples)
    learned = _learnability(spectrum, kappa)
    loss = _loss(learned, target, samples, noise)
    beyond = jnp.arange(len(spectrum)) >= cutoffs[:, None]

    def add(start, terms):
        return start + jnp.sum(jnp.where(beyond, terms, 0), axis=1)

    leading_ridge, leading_noise = add(ridge, spectrum), add(noise, target)
    kept = jnp.where(beyond, 0, spectrum)
    leading_kappa = jax.vmap(_kappa, (0, 0, None))(kept, leading_ridge, samples)
    learned_by_kept = jax.vmap(_learnability)(kept, leading_kappa)
    leading_loss = jax.vmap(_loss, (0, 0, None, 0))(
        learned_by_kept, jnp.where(beyond, 0, target), samples, leading_noise
    )
    numbers = jnp.concatenate([spectrum, target, jnp.stack([ridge, samples, noise])])
    unusable = jnp.any((numbers < 0) | ~jnp.isfinite(numbers)) | (samples == 0) | ~jnp.any(spectrum > 0)
    result = KernelFlow(
        cutoff=cutoffs,
        ridge=add(ridge, kappa * learned),
        # A mode that is not learned at all adds nothing, even if the loss is infinite.
        noise=add(
            noise, jnp.square(1 - learned) * target + jnp.where(learned > 0, jnp.square(learned) * loss / samples, 0)
        ),
        leading_ridge=leading_ridge,
        leading_noise=leading_noise,
        leading_kappa=leading_kappa,
        leading_loss=leading_loss,
        kappa=kappa,
        learnability=learned,
        loss=loss,
        status=first_true((unusable, Status.NOT_IDENTIFIED), (kappa == 0, Status.AT_BOUND)),
    )
    return answered(result, ~unusable)


def _kappa(spectrum: Float[Array, " modes"], ridge: Float[Array, ""], samples: Float[Array, ""]) -> Float[Array, ""]:
    """The root kappa of `n = sum lambda / (lambda + kappa) + delta / kappa`, by bisection of its logarithm.

    It is 0 if there is no ridge and there are samples for all modes.
    """
    top = (ridge + jnp.sum(spectrum)) / samples
    tiny = jnp.finfo(spectrum.dtype).tiny
    low = jnp.log(jnp.maximum(ridge / samples, jnp.maximum(jnp.finfo(spectrum.dtype).eps ** 3 * top, tiny)))

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        kappa = jnp.exp(middle)
        more = jnp.sum(spectrum / (spectrum + kappa)) + ridge / kappa > samples
        return jnp.where(more, middle, low), jnp.where(more, high, middle)

    low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, (low, jnp.log(jnp.maximum(top, tiny))))
    determined = (ridge == 0) & (jnp.sum(spectrum > 0) <= samples)
    return jnp.where(determined, 0, jnp.exp((low + high) / 2))


def _learnability(spectrum: Float[Array, " modes"], kappa: Float[Array, ""]) -> Float[Array, " modes"]:
    """`L_k = lambda_k / (lambda_k + kappa)`, 0 for modes of eigenvalue 0."""
    positive = spectrum > 0
    return jnp.where(positive, spectrum / jnp.where(positive, spectrum + kappa, 1), 0)


def _loss(
    learned: Float[Array, " modes"], target: Float[Array, " modes"], samples: Float[Array, ""], noise: Float[Array, ""]
) -> Float[Array, ""]:
    """Mean squared error on a new sample, infinite where the modes that are learned use up the samples."""
    fitted = 1 - jnp.sum(jnp.square(learned)) / samples
    return jnp.where(fitted > 0, (noise + jnp.sum(jnp.square(1 - learned) * target)) / jnp.maximum(fitted, 0), jnp.inf)
