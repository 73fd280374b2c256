"""Which class of machine a sweep asks for, from its operations and memory and what vendors publish of devices."""

import math
from typing import NamedTuple

from .next_runs import Recommendation, devices_needed

DAY = 86400.0
UTILIZATION = 0.3
GB = 1e9


class Device(NamedTuple):
    """Dense operations a second in bfloat16 (NaN where there is none) and float32, memory in bytes, and the source."""

    name: str
    bfloat16: float
    float32: float
    memory: float
    source: str

    @property
    def flops(self) -> float:
        """Operations a second in bfloat16, or where there is none in float32."""
        return self.float32 if math.isnan(self.bfloat16) else self.bfloat16


# In order of what they can do. For bfloat16 the data sheets of L4 and H100 print what structured sparsity would reach,
# 242 and 1,979 teraFLOPS: twice the dense rates below, whose sums are in float32.
DEVICES = (
    Device("two CPU cores", math.nan, 0.192e12, 8 * GB, "2 cores x 32 operations a cycle (two FMA of AVX2) x 3 GHz"),
    Device("L4", 121e12, 30.3e12, 24 * GB, "NVIDIA L4 Tensor Core GPU, data sheet (2023)"),
    Device("RTX 4090", 165.2e12, 82.6e12, 24 * GB, "NVIDIA Ada GPU architecture, white paper (2022), appendix A"),
    Device("A100 80 GB", 312e12, 19.5e12, 80 * GB, "NVIDIA A100 Tensor Core GPU, data sheet (2021), PCIe and SXM"),
    Device("H100 SXM", 989e12, 67e12, 80 * GB, "NVIDIA H100 Tensor Core GPU, data sheet (2023), SXM"),
)


class Hardware(NamedTuple):
    """So many devices of a kind, and the seconds that the sweep takes on them."""

    device: Device
    count: int
    seconds: float


def hardware(offer: Recommendation, *, seconds: float = DAY, utilization: float = UTILIZATION) -> Hardware:
    """The least of `DEVICES` of which one finishes a sweep in `seconds`, or if none does as many as needed of the last.

    A share `utilization` of the published dense rate is taken to be achieved, which is an assumption: small models, for
    which a step is mostly overhead, achieve far less. See `devices_needed` for what is left out.
    """
    for device in DEVICES:
        able = {"device_flops": device.flops, "device_memory": device.memory, "utilization": utilization}
        count = devices_needed(offer, seconds=seconds, **able)
        if count == 1 or device is DEVICES[-1]:
            break
    return Hardware(device, count, offer.flops / (utilization * device.flops * count))
