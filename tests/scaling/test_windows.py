"""What a collapse moves by without its smallest sizes."""

import numpy as np
import pytest

from jaxphase.scaling.windows import Windows, drift


def moved_by(move, whole_variance):
    """Drift of one answer that is off by `move` without the smallest of the sizes 8, 16 and 32, with a variance of
    2e-4."""
    windows = Windows(*[np.ones(2)] * len(Windows._fields))._replace(dropped=np.array([0, 1]))
    covariances = np.array([[[whole_variance]], [[2e-4]]])
    return drift(np.array([[1.0], [1.0 + move]]), covariances, windows, np.ones(1), np.array([8.0, 16.0, 32.0]))[0, 0]


def test_the_part_of_a_move_that_is_not_chance_counts_for_the_sizes_that_are_kept_too():
    # Half of an error that falls as 1 / L is left, so moves and their errors are doubled: .1**2 less 4 (2e-4 - 5e-5).
    assert moved_by(0.05, 5e-5) == pytest.approx(0.01 - 6e-4)
    assert moved_by(-0.05, 5e-5) == moved_by(0.05, 5e-5)
    assert moved_by(0.01, 5e-5) == 0


def test_moves_without_a_variance_of_the_whole_are_judged_by_that_of_the_part():
    assert moved_by(0.05, np.nan) == pytest.approx(0.01 - 4 * 0.5 * 2e-4)
    assert moved_by(0.05, 1.0) == moved_by(0.05, np.nan)
