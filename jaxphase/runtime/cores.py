"""One XLA device per core on a CPU."""

import os

import jax


def use_all_cores() -> None:
    """Give JAX one CPU device per core that this process may use; without effect once JAX has started.

    Lanes are spread over devices, so that every core trains its own models instead of a share of each product.

    XLA sizes its thread pool by the environment variable NPROC, or by the number of cores. Each device may come to hold
    a thread of the pool while it waits for another (`jaxphase.linalg` tells how that can hang), so the pool is one
    thread larger than the number of devices; every further thread costs speed.

    LAPACK, which JAX takes from SciPy, would start a thread per core in each device, and these threads wait for one
    another without sleeping: on cores that other work shares, a decomposition then takes a hundred times as long as
    with one thread. The library reads OPENBLAS_NUM_THREADS when SciPy loads it.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("NPROC", "")
    os.environ["NPROC"] = str(max(cores + 1, int(wanted) if wanted.isdigit() else 0))
    try:
        jax.config.update("jax_num_cpu_devices", cores)
    except RuntimeError:  # the backend has started, so its devices cannot change
        return
