"""Before JAX starts: two CPU devices, a pool of threads larger than that, and compiled programs kept between runs."""

import os
from pathlib import Path

import jax

from jaxphase.sweep.mesh import use_all_cores

os.environ["NPROC"] = "4"
use_all_cores()
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parent.parent / ".jax_cache"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
