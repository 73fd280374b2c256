"""The class of machine that a sweep needs, from its operations and memory and the published numbers of devices."""

import math
from typing import NamedTuple

from jaxphase.predict.next_runs import Recommendation

DAY = 86400.0  # seconds
UTILIZATION = 0.3
_GB = 1e9


class Device(NamedTuple):
    """A device and its published peak rates.

    Attributes:
        name: Its name.
        bfloat16: Dense operations per second in bfloat16, NaN where it has none.
        float32: Dense operations per second in float32.
        memory: Memory in bytes.
        source: Where the numbers are published.
    """

    name: str
    bfloat16: float
    float32: float
    memory: float
    source: str

    @property
    def flops(self) -> float:
        """Operations per second in bfloat16, or in float32 where there is no bfloat16."""
        return self.float32 if math.isnan(self.bfloat16) else self.bfloat16


# In order of their rates. For bfloat16 the data sheets of L4 and H100 print the rate with structured sparsity, 242 and
# 1,979 teraFLOPS: twice the dense rates below, whose sums are in float32.
DEVICES = (
    Device("two CPU cores", math.nan, 0.192e12, 8 * _GB, "2 cores x 32 operations a cycle (two FMA of AVX2) x 3 GHz"),
    Device("L4", 121e12, 30.3e12, 24 * _GB, "NVIDIA L4 Tensor Core GPU, data sheet (2023)"),
    Device("RTX 4090", 165.2e12, 82.6e12, 24 * _GB, "NVIDIA Ada GPU architecture, white paper (2022), appendix A"),
    Device("A100 80 GB", 312e12, 19.5e12, 80 * _GB, "NVIDIA A100 Tensor Core GPU, data sheet (2021), PCIe and SXM"),
    Device("H100 SXM", 989e12, 67e12, 80 * _GB, "NVIDIA H100 Tensor Core GPU, data sheet (2023), SXM"),
)


class Hardware(NamedTuple):
    """A number of equal devices for a sweep.

    Attributes:
        device: The device.
        count: How many of them.
        seconds: Time that the sweep takes on them.
    """

    device: Device
    count: int
    seconds: float


def hardware(recommendation: Recommendation, *, seconds: float = DAY, utilization: float = UTILIZATION) -> Hardware:
    """Choose the smallest of `DEVICES` that finishes a sweep in time on its own.

    Args:
        recommendation: The sweep, from `recommend`.
        seconds: Time limit.
        utilization: Share of the published rate that is achieved, an assumption: small models, whose steps are mostly
            overhead, achieve far less.

    Returns:
        One device, or as many of the last one as needed if no single device is enough. `devices_needed` says what this
        neglects.

    Example:
        >>> jaxphase.predict.hardware(jaxphase.predict.recommend(model, target)[0]).device.name
    """
    counts = [
        devices_needed(
            recommendation,
            device_flops=device.flops,
            device_memory=device.memory,
            seconds=seconds,
            utilization=utilization,
        )
        for device in DEVICES
    ]
    chosen = counts.index(1) if 1 in counts else -1
    device, count = DEVICES[chosen], counts[chosen]
    return Hardware(device, count, recommendation.flops / (utilization * device.flops * count))


def devices_needed(
    recommendation: Recommendation,
    *,
    device_flops: float,
    device_memory: float,
    seconds: float,
    utilization: float = UTILIZATION,
) -> int:
    """Count the devices that finish a sweep in time.

        max(ceil(flops / (utilization * device_flops * seconds)), ceil(memory / device_memory))

    Activations are left out, and models are assumed to be split over devices without loss.

    Args:
        recommendation: The sweep, from `recommend`.
        device_flops: Operations per second of one device.
        device_memory: Memory of one device in bytes.
        seconds: Time limit.
        utilization: Share of `device_flops` that is achieved.

    Returns:
        The number of devices, at least 1.
    """
    by_time = recommendation.flops / (utilization * device_flops * seconds)
    return max(math.ceil(by_time), math.ceil(recommendation.memory / device_memory))
