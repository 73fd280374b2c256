"""All systems simulated on all devices at once, then judged one after the other."""

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax

from jaxphase.validate.checks import Check
from jaxphase.validate.lattices import ISING, PERCOLATION, WARM_ISING
from jaxphase.validate.mean_field import CURIE_WEISS, PERCEPTRON, SPIKE
from jaxphase.validate.networks import BARLOW_TWINS, CHAINS
from jaxphase.validate.system import DEFAULT, LARGE

# The longest first.
SYSTEMS = (ISING, PERCOLATION, WARM_ISING, CURIE_WEISS, PERCEPTRON, SPIKE, BARLOW_TWINS, CHAINS)


def validate(
    large: bool = False, seed: int = 0, progress: Callable[[str, float], None] = lambda system, share: None
) -> tuple[Check, ...]:
    """Simulate every system, on all devices at once, measure it, and compare.

    large: errors about five times smaller, for an accelerator or a night. progress is told the system at work and the
    share of the work that is done. Two cores take less than three minutes, compilation included.
    """
    effort, checks = LARGE if large else DEFAULT, []
    jobs = [system.simulate(effort) for system in SYSTEMS]
    total, done = sum(len(parts) + 1 for parts in jobs), 0
    keys = iter(jax.random.split(jax.random.key(seed), total))
    pool, run = ThreadPoolExecutor(jax.local_device_count()), on_free_devices()
    try:
        begun = [[pool.submit(run, part, next(keys)) for part in parts] for parts in jobs]
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


def on_free_devices():
    """A function that runs a part of a simulation on a device that no other part is using."""
    free = queue.SimpleQueue()
    for device in jax.local_devices():
        free.put(device)

    def run(part, key):
        device = free.get()
        try:
            with jax.default_device(device):
                return part(key)
        finally:
            free.put(device)

    return run
