"""One XLA device per core on a CPU."""

import os

import jax


def use_all_cores() -> None:
    """Give JAX one CPU device per core that this process may use; without effect once JAX has started.

    Lanes are spread over devices, so that every core trains its own models instead of a share of each product.

    XLA sizes its thread pool by NPROC, the number of cores if unset. Each device may come to hold a thread of the pool
    while it waits for another (after a LAPACK call: seen to hang for ever on 2 devices with jax 0.10.2), so the pool
    is one thread larger than the number of devices; every thread more costs speed.

    LAPACK, which JAX takes from SciPy, would start a thread per core in each device, and they wait for one another
    spinning: on 2 cores that other work shares, an SVD of 150 x 150 took 400 ms, and 1 ms with one thread. The library
    reads OPENBLAS_NUM_THREADS when SciPy loads it.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = os.environ.get("NPROC", "")
    os.environ["NPROC"] = str(max(cores + 1, int(wanted) if wanted.isdigit() else 0))
    try:
        jax.config.update("jax_num_cpu_devices", cores)
    except RuntimeError:  # the backend is up, its devices are what they are
        return
