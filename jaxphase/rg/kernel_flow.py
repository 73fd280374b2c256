"""Renormalization of kernel regression: modes too weak to be learned are integrated out and leave a ridge and a noise.

Howard, Jefferson, Maiti & Ringel (2025), Mach. Learn. Sci. Technol. 6, 025038 (arXiv:2405.06008). A kernel `K(x, x') =
sum_k lambda_k phi_k(x) phi_k(x')`, of orthonormal phi_k, is fitted to `n` samples with a ridge delta added to the
diagonal of its matrix; the target is `sum_k v_k phi_k(x)` plus noise of variance s2.

Exact, for any samples: the prediction's part in the modes that are kept is that of a regression with their kernel alone
in which the kernel matrix of the other modes is added to the ridge. For Gaussian features its diagonal is `sum lambda`
in the mean; its other entries have mean 0 and make it more than a ridge as soon as n times its lambda is of the order
of the ridge. The flow of Howard et al. keeps the diagonal: `ridge + sum_{k > cutoff} lambda_k`.

Exact for large n and Gaussian features: the self-consistent theory of Canatar, Bordelon & Pehlevan (2021), Nat. Commun.
12, 2914, and Simon et al. (2023), TMLR (arXiv:2110.03922),

    n = sum_k L_k + delta / kappa,   L_k = lambda_k / (lambda_k + kappa),
    loss = s2 + sum_k [(1 - L_k)**2 v_k**2 + L_k**2 loss / n],

whose sum over the modes beyond a cutoff can be moved, term by term, into

    delta_cut = delta + sum_{k > cutoff} kappa L_k,
    s2_cut = s2 + sum_{k > cutoff} [(1 - L_k)**2 v_k**2 + L_k**2 loss / n],

so that kappa, the learnabilities L_k of the modes that are kept and the loss are the same at every cutoff: the
invariants of the flow. As kappa L_k = lambda_k (1 - L_k), the flow of Howard et al. is its limit for L_k -> 0, and its
ridge is too large by `sum lambda_k L_k`, a relative order lambda_k / kappa of what each mode adds.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..detect.status import AT_BOUND, NOT_IDENTIFIED, answered, first_true

_BISECTIONS = 60


class KernelFlow(NamedTuple):
    """What is left with `cutoff` `[cutoffs]` modes, and the invariants; see `kernel_flow`."""

    cutoff: jax.Array
    ridge: jax.Array
    noise: jax.Array
    leading_ridge: jax.Array
    leading_noise: jax.Array
    leading_kappa: jax.Array
    leading_loss: jax.Array
    kappa: jax.Array
    learnability: jax.Array
    loss: jax.Array
    status: jax.Array


def kernel_flow(spectrum, ridge, samples, *, target=0.0, noise=0.0, cutoffs=None) -> KernelFlow:
    """Ridge and noise as the modes beyond each cutoff are integrated out of a kernel regression.

    spectrum: eigenvalues `[..., modes]`, not negative, the modes to be kept longest first. ridge, samples, noise:
    `[...]`, delta, n and the noise variance s2. target: `[..., modes]`, the squares v_k**2 of its coefficients.
    cutoffs: ints, numbers of modes kept; None is modes, modes / 2, ... 1.

    `[..., cutoffs]`: ridge and noise are delta_cut and s2_cut above, with which the theory of the modes kept has the
    kappa `[...]`, learnability `[..., modes]` and loss `[...]` of all modes. leading_ridge and leading_noise are those
    of Howard et al., `delta + sum lambda_k` and `s2 + sum v_k**2`, and leading_kappa and leading_loss what follows from
    them and the modes kept: how far they are from kappa and loss says how far down the cutoff may go. loss is the mean
    squared error on a new sample, its noise included, of squares v_k**2 or of these as variances of a random target.

    status 1: without ridge, and samples enough for all modes: kappa is 0, and the loss infinite at equality. status 2:
    an input is negative or not finite, or there is no sample or no mode above 0: NaN.
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
def _flows(spectrum, target, ridge, samples, noise, *, cutoffs):
    return jax.vmap(functools.partial(_flow, cutoffs=jnp.array(cutoffs)))(spectrum, target, ridge, samples, noise)


def _flow(spectrum, target, ridge, samples, noise, *, cutoffs):
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
        # Where the loss is infinite a mode that is not learned at all adds nothing of it.
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
        status=first_true((unusable, NOT_IDENTIFIED), (kappa == 0, AT_BOUND)),
    )
    return answered(result, ~unusable)


def _kappa(spectrum, ridge, samples):
    """The root of `n = sum lambda / (lambda + kappa) + delta / kappa`, which falls in kappa, by bisection of its
    logarithm between bounds; 0 if there are samples for all modes and no ridge."""
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


def _learnability(spectrum, kappa):
    positive = spectrum > 0
    return jnp.where(positive, spectrum / jnp.where(positive, spectrum + kappa, 1), 0)


def _loss(learned, target, samples, noise):
    fitted = 1 - jnp.sum(jnp.square(learned)) / samples
    return jnp.where(fitted > 0, (noise + jnp.sum(jnp.square(1 - learned) * target)) / jnp.maximum(fitted, 0), jnp.inf)
