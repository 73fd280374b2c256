"""Figures of a page: the caption and the bytes of each."""

import base64
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from jaxphase.plots.style import DPI
from jaxphase.words.captions import Caption

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Image(NamedTuple):
    """A PNG.

    Attributes:
        title: Its title.
        caption: What it shows.
        data: Its bytes.
        width: Width in CSS pixels.
        height: Height in CSS pixels.
        path: Its file, None where it has none.
    """

    title: str
    caption: str
    data: bytes
    width: int
    height: int
    path: Path | None

    @property
    def source(self) -> str:
        """The bytes as a data URL."""
        return f"data:image/png;base64,{base64.b64encode(self.data).decode()}"

    @property
    def pdf(self) -> Path | None:
        """The same figure as PDF, if it exists beside the PNG."""
        pdf = self.path.with_suffix(".pdf") if self.path else None
        return pdf if pdf and pdf.exists() else None


def images(
    pictures: Iterable[tuple[str, bytes, Path | None]], captions: Mapping[str, Caption], *names: str
) -> tuple[Image, ...]:
    """Pictures with their captions, in the order of the captions; those without a caption last, by name.

    Args:
        pictures: Name, bytes and file of each; files that are not PNG are left out.
        captions: The captions by name of a picture.
        names: The names of the size along curves and of the second size, for the captions.

    Returns:
        The images.
    """
    size, second = names or ("model size", "data size")
    order = {name: i for i, name in enumerate(captions)}
    found = []
    for name, data, path in sorted(pictures, key=lambda picture: (order.get(picture[0], len(order)), picture[0])):
        if data.startswith(_SIGNATURE) and len(data) > 24:
            width, height = (round(dots * 96 / DPI) for dots in struct.unpack(">II", data[16:24]))
            title, text = captions.get(name, Caption(name.replace("_", " ").capitalize(), ""))
            found.append(Image(title, text.format(size=size, second=second), data, width, height, path))
    return tuple(found)


def pictures_in(folder: Path) -> list[tuple[str, bytes, Path]]:
    """Every PNG file of a folder."""
    return [(path.stem, path.read_bytes(), path) for path in folder.glob("*.png")]
