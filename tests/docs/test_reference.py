"""Docstrings in Markdown: sections become lists of fields, code stays code."""

import enum
import sys
from pathlib import Path

from jaxtyping import Array, ArrayLike, Float, Shaped

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from extensions import reference


def test_sections_become_fields():
    text = reference.markdown(
        """Fit `a * x` to 2 * 3 points.

Args:
    x: Positions, `[..., n]`,
        for sizes their log10.
    y: Values.

Returns:
    A `Fit`: slope and all.

Raises:
    ValueError: If shapes differ.

Example:
    >>> fit(x, y)

References:
    Gauss (1809).
"""
    )
    for line in (
        r"Fit `a * x` to 2 \* 3 points.",
        ":param x: Positions, `[..., n]`,\n    for sizes their log10.",
        ":param y: Values.",
        ":returns: A `Fit`: slope and all.",
        ":raises ValueError: If shapes differ.",
        "```pycon\n>>> fit(x, y)\n```",
        "References: Gauss (1809).",
    ):
        assert line in text
    assert "Args:" not in text


def test_types_are_short():
    def fit(
        x: Shaped[ArrayLike, "*#curves n"], y: ArrayLike, *, key: Float[Array, " n"] | None = None
    ) -> Float[Array, ""]:
        """Fit."""

    expected = "(x: Shaped[ArrayLike, '*#curves n'], y: ArrayLike, *, key: Float[Array, 'n'] | None = None)"
    assert reference._signature(fit) == f"{expected} -> Float[Array, '']"


def test_members_of_enums_are_listed():
    class Color(enum.IntEnum):
        """A color."""

        RED = 0

    text = reference.entry("Color", Color)
    assert "{py:class} Color\n" in text
    assert "- `RED` = 0" in text
