"""All systems simulated on all devices at once, then judged one after the other."""

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from jaxtyping import Array, Key

from jaxphase.validate.checks import Check
from jaxphase.validate.lattices import ISING, PERCOLATION, WARM_ISING
from jaxphase.validate.mean_field import CURIE_WEISS, PERCEPTRON, SPIKE
from jaxphase.validate.networks import BARLOW_TWINS, CHAINS
from jaxphase.validate.system import DEFAULT, LARGE

# The longest first.
SYSTEMS = (ISING, PERCOLATION, WARM_ISING, CURIE_WEISS, PERCEPTRON, SPIKE, BARLOW_TWINS, CHAINS)


def validate(
    *,
    large: bool = False,
    key: Key[Array, ""] | None = None,
    progress: Callable[[str, float], None] = lambda system, share: None,
) -> tuple[Check, ...]:
    """Simulate every system on all devices, measure it, and compare with the exact answers.

    Args:
        large: Larger lattices and many more of them, for smaller errors: for an accelerator or a night.
        key: Decides all random numbers; `jax.random.key(0)` if None.
        progress: Called with the name of the system at work and the share of the work that is done.

    Returns:
        A `Check` for every recovered number and word.

    Example:
        >>> rich.print(jaxphase.validate.table(jaxphase.validate.validate()))
    """
    effort, checks = LARGE if large else DEFAULT, []
    tasks = [system.simulate(effort) for system in SYSTEMS]
    total, done = sum(len(several) + 1 for several in tasks), 0
    keys = iter(jax.random.split(jax.random.key(0) if key is None else key, total))
    pool, run = ThreadPoolExecutor(jax.local_device_count()), on_free_devices()
    try:
        begun = [[pool.submit(run, task, next(keys)) for task in several] for several in tasks]
        for system, futures in zip(SYSTEMS, begun, strict=True):
            results = []
            for future in futures:
                progress(system.name, done / total)
                results.append(future.result())
                done += 1
            progress(system.name, done / total)
            checks += system.judge(system.name, results)
            done += 1
    finally:
        pool.shutdown(cancel_futures=True)
    progress("done", 1.0)
    return tuple(checks)


def on_free_devices() -> Callable[[Callable[..., Any], Key[Array, ""]], Any]:
    """Return a function that runs a task, a function of `key`, on a device that no other task is using."""
    free = queue.SimpleQueue()
    for device in jax.local_devices():
        free.put(device)

    def run(task: Callable[..., Any], key: Key[Array, ""]) -> Any:
        device = free.get()
        try:
            with jax.default_device(device):
                return task(key=key)
        finally:
            free.put(device)

    return run
