"""Data sets, by name: each function returns disjoint training, probe and validation splits without a download.

- `array_files`: your own images, vectors or tokens in NumPy files.
- `digit_images`: the handwritten digits of scikit-learn.
- `glyph_images`: letters and digits drawn from the fonts of matplotlib.
- `python_source`: bytes of Python's standard library.
- `random_hierarchy`: strings that a random grammar derives from their class.
- `ising_spins`: equilibrium configurations of the Ising model.
- `spiked_vectors`: Gaussian vectors with one hidden direction of larger variance.
- `source`: the form in which a sweep uses a data set; `augment`: random changes of a batch.
"""

from jaxphase.data.array_files import arrays
from jaxphase.data.digit_images import digits
from jaxphase.data.glyph_images import glyphs
from jaxphase.data.ising_spins import ising
from jaxphase.data.python_source import text
from jaxphase.data.random_hierarchy import hierarchy
from jaxphase.data.source import Layout, Source, Splits
from jaxphase.data.spiked_vectors import spiked

DATA = {
    "digits": digits,
    "glyphs": glyphs,
    "text": text,
    "hierarchy": hierarchy,
    "spiked": spiked,
    "ising": ising,
    "arrays": arrays,
}

__all__ = [
    "DATA",
    "Layout",
    "Source",
    "Splits",
    "arrays",
    "digits",
    "glyphs",
    "hierarchy",
    "ising",
    "spiked",
    "text",
]
