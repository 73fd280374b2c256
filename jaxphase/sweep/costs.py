"""The cost of training a bucket: seconds, from a model with four numbers per platform, and bytes."""

import math
from typing import NamedTuple


class Costs(NamedTuple):
    """Seconds that work takes on one device.

    Attributes:
        compile: To compile a bucket, counting only the delay of the sweep: buckets compile while others run.
        weight: Per step, position and weight, for matrix products and the optimizer.
        unit: Per step, position and square root of the weights, for elementwise work, which grows with the width.
        step: Per step for any models, for starting kernels.
    """

    compile: float
    weight: float
    unit: float
    step: float


# CPU: fitted to MLPs of width 8 to 256, batch 128, one core (AMD EPYC). GPU: to the families of benchmarks/sweep.py in
# one bucket and in several, on an H100: within 20 %, for transformers a third too low. TPU: a guess, never run.
COSTS = {
    "cpu": Costs(2.5, 8.5e-11, 1.5e-8, 0.0),
    "gpu": Costs(2.5, 2e-13, 4e-11, 1.2e-4),
    "tpu": Costs(2.5, 2e-13, 4e-11, 1.2e-4),
}


def step_seconds(models: int, params: int, positions: int, costs: Costs) -> float:
    """Expected seconds of one training step of so many models on one device."""
    return costs.step + models * positions * (costs.weight * params + costs.unit * math.sqrt(params))


def lane_bytes(params: int, positions: int) -> float:
    """Estimate the memory of one model in training: weights, gradient, optimizer state, an update, and activations.

    Args:
        params: Number of parameters of the model, padding included.
        positions: Positions that it works through in a step.

    Returns:
        Bytes.
    """
    return 4 * (5 * params + 16 * positions * math.sqrt(params))
