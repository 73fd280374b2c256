"""Detectors answer whatever threads XLA has: on a CPU two calls of LAPACK on many matrices at once wait for a third."""

import functools
import os
import re
import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxphase import detect

DETECTORS = {
    "power law": detect.fit_power_law,
    "broken power law": detect.fit_broken_power_law,
    "piecewise power law": functools.partial(detect.fit_piecewise_power_law, draws=19),
    "sigmoid": detect.fit_sigmoid,
    "steps": detect.fit_steps,
    "segments": detect.segment,
}
MANY_CURVES = """
import numpy as np
from jaxphase.detect import fit_piecewise_power_law
x = np.geomspace(1, 1000, 10)
y = x**-0.5 * np.exp(0.05 * np.random.default_rng(0).standard_normal((2000, 10)))
print(int(np.sum(fit_piecewise_power_law(x, y).n_breaks >= 0)))
"""


def test_two_threads_are_enough_for_many_curves():
    environment = os.environ | {"NPROC": "2", "JAX_NUM_CPU_DEVICES": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MANY_CURVES], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert int(done.stdout) == 2000


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)
def test_no_detector_calls_lapack(detector):
    x = np.geomspace(1, 1000, 20)
    program = str(jax.make_jaxpr(detector)(x, np.stack([x, x]) ** -0.5))
    assert not re.search(r"\b(cholesky|eig|eigh|geqrf|householder_product|lu|qr|svd|triangular_solve)\[", program)
