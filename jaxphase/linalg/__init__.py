"""Solvers of small dense problems, of which there are many at once: thousands of fits with a few parameters each.

They consist of products and sums only and never call LAPACK. On a CPU, jaxlib divides a LAPACK call on a batch of
matrices into tasks for XLA's pool of threads, and waits for these tasks in a thread of the same pool. Where two such
calls run at once and the pool has two threads, both threads wait and none is left for the tasks: the program hangs
forever (seen with jax 0.10.2 and 2,000 curves on two cores).

Least squares with a few columns is solved by Gram-Schmidt with every row orthogonalized twice, small symmetric systems
by elimination without pivots, covariance matrices by the sweep operator.
"""

from .elimination import eliminate, solve
from .extremes import index_of_largest, largest
from .minimization import Expansion, levenberg_marquardt
from .orthonormal import orthonormalize, project_out
from .sweep_operator import inverse_and_log_determinant

__all__ = [
    "Expansion",
    "eliminate",
    "index_of_largest",
    "inverse_and_log_determinant",
    "largest",
    "levenberg_marquardt",
    "orthonormalize",
    "project_out",
    "solve",
]
