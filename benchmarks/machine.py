"""What every benchmark writes beside its numbers: the machine, the versions, and the time of each part."""

import json
import os
import platform
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
