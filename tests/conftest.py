"""Before JAX starts: two CPU devices, a pool of threads larger than that, and compiled programs kept between runs.

Most of the time of the tests is that of the compiler, so it optimizes only what asks for it; with
JAX_DISABLE_MOST_OPTIMIZATIONS=0 XLA_FLAGS= in the environment it compiles what users run.
"""

import os
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# From jaxlib 0.11 on the emitters are no option, and XLA stops at a flag that it does not know.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_cpu_parallel_codegen_split_count=1"
    + (" --xla_cpu_use_fusion_emitters=false" if version("jaxlib").startswith("0.10.") else ""),
)

import jax
import jaxtyping
import pytest

jaxtyping.install_import_hook("jaxphase", "typechecker.checked")

from jaxphase.runtime.cores import use_all_cores  # noqa: E402

os.environ["NPROC"] = "4"
use_all_cores()
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parent.parent / ".jax_cache"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="module")
def optimized():
    """Programs of this module are optimized: for promises about bits, which wider arithmetic could break, and where
    they run for longer than they compile."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def full_products():
    """Matrix products keep all digits of float32, as on a CPU: for identities that hold to rounding."""
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture
def unchecked():
    """Annotations are not checked: for what the library itself says to an argument of the wrong type."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
