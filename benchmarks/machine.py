"""What every benchmark writes beside its numbers: the machine, the versions, and the time of each part."""

import json
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def describe() -> dict:
    """The machine that numbers were measured on."""
    import jax

    def installed(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    return {
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "cores": os.cpu_count(),
        "processor": processor(),
        "python": platform.python_version(),
        **{name: installed(name) for name in ("jaxphase", "jax", "flax", "optax", "torch")},
    }


# Dense multiply-adds of a matrix product of float32 arrays, as JAX does it by default (TF32 since Ampere), by the
# vendors' data sheets, operations a second of one device.
PEAKS = {
    "H200": 494e12,
    "H100": 494e12,
    "A100": 156e12,
    "V100": 15.7e12,
    "L40S": 183e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
}


def peak_flops() -> dict:
    """Operations a second of all devices together: what a large matrix product reaches here, and the data sheet's."""
    import jax
    import jax.numpy as jnp

    devices = jax.devices()
    size = 2048 if devices[0].platform == "cpu" else 8192
    factors = [jax.device_put(jnp.ones((size, size)), device) for device in devices]
    product = jax.jit(lambda a: a @ a)
    seconds = []
    for _ in range(6):
        begin = time.perf_counter()
        jax.block_until_ready([product(factor) for factor in factors])
        seconds.append(time.perf_counter() - begin)
    named = [peak for name, peak in PEAKS.items() if name in devices[0].device_kind]
    measured = 2 * size**3 * len(devices) / min(seconds)
    return {"product": measured, "data_sheet": named[0] * len(devices) if named else None}


def processor() -> str:
    """Model name of the host's processor."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write(name: str, results: dict) -> Path:
    """Save results as benchmarks/results/NAME-PLATFORM.json."""
    import jax

    path = Path(__file__).parent / "results" / f"{name}-{jax.devices()[0].platform}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": describe(), **results}, indent=1) + "\n")
    return path
