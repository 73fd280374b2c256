"""Data, by name: each entry returns its disjoint training, probe and validation splits without a download."""

from jaxphase.data.arrays import arrays
from jaxphase.data.digits import digits
from jaxphase.data.glyphs import glyphs
from jaxphase.data.hierarchy import hierarchy
from jaxphase.data.ising import ising
from jaxphase.data.source import Layout, Source, Splits
from jaxphase.data.spiked import spiked
from jaxphase.data.text import text

DATA = {
    "digits": digits,
    "glyphs": glyphs,
    "text": text,
    "hierarchy": hierarchy,
    "spiked": spiked,
    "ising": ising,
    "arrays": arrays,
}

__all__ = ["DATA", "Layout", "Source", "Splits", *DATA]  # noqa: PLE0604
