"""Plateaus: where a learning curve rests between two faster stretches."""

from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float

# A plateau is level to this many times the noise, has as many points, and moves on by this much on either side.
_LEVEL, _LEAST, _MOVES = 2.0, 3, 5.0


class Plateau(NamedTuple):
    """A rest of a curve.

    Attributes:
        begin: First training step.
        end: Last training step.
        level: Mean value between them.
    """

    begin: float
    end: float
    level: float


def find_plateaus(steps: ArrayLike, values: ArrayLike, noise: float) -> tuple[Plateau, ...]:
    """Find where a smooth curve rests between two faster stretches.

    On a plateau of three points or more the curve changes by at most twice the noise. Before and after it the curve
    moves by at least five times the noise in one direction, within as long a time in ln(step) as the plateau lasts. A
    slow steady fall therefore has no plateau, nor a fall that only slows down, nor a curve that starts or ends level or
    turns around.

    Args:
        steps: Training steps, `[n]`; those that are not positive are left out.
        values: The curve without its noise, `[n]`, as `detect.fit_steps` fits it.
        noise: Standard deviation of the points about the curve.

    Returns:
        The plateaus in the order of time; of two that overlap, the longer one. How often they are found and missed: see
        the page How verdicts are made.

    Raises:
        ValueError: If the shapes do not match.
    """
    steps, values = np.asarray(steps, float), np.asarray(values, float)
    if values.ndim != 1 or steps.shape != values.shape:
        raise ValueError(f"values must have shape [n] with steps [n], got {values.shape} and {steps.shape}")
    there = np.isfinite(values) & (steps > 0)
    order = np.argsort(steps[there])
    t, y = steps[there][order], values[there][order]
    log_t, chosen = np.log(t), []
    level = [(a, b) for a, b in _level(y, _LEVEL * noise) if _moves_on(log_t, y, a, b, _MOVES * noise)]
    for a, b in sorted(level, key=lambda ends: log_t[ends[0]] - log_t[ends[1]]):
        if all(b < other[0] or a > other[1] for other in chosen):
            chosen.append((a, b))
    return tuple(Plateau(float(t[a]), float(t[b]), float(y[a : b + 1].mean())) for a, b in sorted(chosen))


def _level(y: Float[np.ndarray, " n"], most: float) -> list[tuple[int, int]]:
    """First and last index of the longest stretches, from each beginning, over which y spans no more than `most`."""
    found, last = [], -1
    for first in range(len(y)):
        end = max(first, last)
        while end + 1 < len(y) and np.ptp(y[first : end + 2]) <= most:
            end += 1
        if end > last and end - first + 1 >= _LEAST:
            found.append((first, end))
        last = end
    return found


def _moves_on(log_t: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], first: int, last: int, least: float) -> bool:
    """Whether y moves by `least`, in one direction, over as long before and after a stretch as it lasts."""
    length = (log_t[last] - log_t[first]) * (1 + 1e-9)
    before = y[first] - y[:first][log_t[:first] >= log_t[first] - length]
    after = y[last + 1 :][log_t[last + 1 :] <= log_t[last] + length] - y[last]
    if not (before.size and after.size):
        return False
    into, out = (side[np.argmax(np.abs(side))] for side in (before, after))
    return bool(into * out > 0 and min(abs(into), abs(out)) >= least)
