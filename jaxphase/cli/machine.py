"""Commands about the machine: whether it computes correctly, and what is installed on it."""

import sys
import time
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

from jaxphase.cli import shared


def validate(*, large: bool = False, seed: int = 0) -> None:
    """Simulate systems with exactly known transitions, and print the recovered numbers beside the exact ones.

    Exits with code 1 if a number is more than four standard errors off or a verdict is wrong.

    Args:
        large: Use larger lattices and many more of them, for errors about five times smaller; best on an accelerator.
        seed: Seed of all random numbers.
    """
    shared.start_jax()
    import jax

    from jaxphase.validate import table, validate

    began = time.perf_counter()
    with shared.bar() as tell:
        checks = validate(large=large, key=jax.random.key(seed), progress=tell)
    wrong = sum(not check.right for check in checks)
    console = Console()
    console.print(table(checks))
    console.print(
        f"{len(checks) - wrong} of {len(checks)} right on {jax.local_device_count()} {jax.default_backend()} device(s) "
        f"({jax.devices()[0].device_kind}) in {time.perf_counter() - began:.0f} s."
    )
    if wrong:
        sys.exit(1)


def info() -> None:
    """Print versions, devices and the compilation cache."""
    cache = shared.start_jax()
    import jax

    table = Table(show_header=False)
    for name in ("jaxphase", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "xarray"):
        table.add_row(name, version(name))
    table.add_row("python", sys.version.split()[0])
    table.add_row("devices", ", ".join(str(device) for device in jax.devices()))
    size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) if cache.exists() else 0
    table.add_row("compilation cache", f"{cache} ({size / 1e6:.0f} MB)")
    Console().print(table)
