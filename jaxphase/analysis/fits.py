"""Every detector on every curve, as one compiled program for each shape of a table."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxphase import detect
from jaxphase.runtime.traces import traced


class Fits(NamedTuple):
    """The results of the detectors, by the name of their function; every field is `[curves, ...]`."""

    classify: detect.Verdict
    fit_sigmoid: detect.Sigmoid
    fit_power_law: detect.PowerLaw
    fit_piecewise_power_law: detect.PiecewisePowerLaw
    fit_broken_power_law: detect.BrokenPowerLaw
    gradients: detect.Gradients
    segment: detect.Segmentation
    cusum: detect.Cusum
    change_test: detect.ChangeTest
    mirage_test: detect.Mirage
    bootstrap: detect.Bootstrap


# The result type of each detector. A cached program names them, and stored analyses are read back into them.
RESULTS: dict[str, Any] = dict(Fits.__annotations__)

for _result in (Fits, *RESULTS.values()):
    jax.export.register_namedtuple_serialization(_result, serialized_name=f"jaxphase.{_result.__name__}")


def run_detectors(
    log_x: Float[np.ndarray, " sizes"],
    relative_x: Float[np.ndarray, " sizes"],
    values: Float[np.ndarray, "curves seeds sizes"],
    partner: Float[np.ndarray, "curves seeds sizes"],
) -> Fits:
    """Run all detectors on all curves.

    Args:
        log_x: log10 of the sizes.
        relative_x: The sizes over a reference, for power laws.
        values: The metric, NaN where it is missing.
        partner: The continuous partner of each metric, NaN without one.

    Returns:
        The results as NumPy arrays.
    """
    arrays = [jnp.asarray(array, float) for array in (log_x, relative_x, values, partner)]
    program = _program(*(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays))
    return jax.tree.map(np.asarray, program(*arrays))


@functools.cache
def _program(*shapes: jax.ShapeDtypeStruct) -> jax.stages.Compiled:
    """One program for all detectors. On a CPU it is not optimized, as compiling takes longer than running."""
    options: dict[str, Any] = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else {}
    return jax.jit(traced(_all_detectors, *shapes)).lower(*shapes).compile(options)


def _all_detectors(
    log_x: Float[Array, " sizes"],
    relative_x: Float[Array, " sizes"],
    values: Float[Array, "curves seeds sizes"],
    partner: Float[Array, "curves seeds sizes"],
) -> Fits:
    """The detectors see the values of all seeds as the points of one curve."""
    count, seeds, _ = values.shape
    x, size, y = jnp.tile(log_x, seeds), jnp.tile(relative_x, seeds), values.reshape(count, -1)
    return Fits(
        classify=detect.classify(x, y),
        fit_sigmoid=detect.fit_sigmoid(x, y),
        fit_power_law=detect.fit_power_law(size, y),
        fit_piecewise_power_law=detect.fit_piecewise_power_law(size, y),
        fit_broken_power_law=detect.fit_broken_power_law(size, y),
        gradients=detect.gradients(x, y),
        segment=detect.segment(x, y),
        cusum=detect.cusum(x, y),
        change_test=detect.change_test(x, y),
        mirage_test=detect.mirage_test(x, y, partner.reshape(count, -1)),
        bootstrap=detect.bootstrap(detect.fit_sigmoid, log_x, values, key=jax.random.key(0)),
    )
