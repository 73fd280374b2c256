"""The figures of a folder, as they go into a page: what each shows, and its bytes."""

import base64
import struct
from pathlib import Path
from typing import NamedTuple

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DPI = 200  # of `plots.save`

CAPTIONS = {
    "analysis": {
        "curves": (
            "Curves",
            "Every metric over model size: seeds as points, their mean with its standard error, the fit of the verdict,"
            " critical sizes with their 95 % intervals; below, the slope per decade of size with its 95 % band.",
        ),
        "residuals": (
            "Residuals",
            "Every metric less the fit of its verdict: seeds as points, their mean with its standard error. What a fit"
            " has missed does not scatter about zero.",
        ),
        "phase_diagram": (
            "Phase diagram",
            "The order parameter over model size and data size, and the critical sizes with 95 % intervals.",
        ),
        "fluctuations": (
            "Fluctuations",
            "The order parameter and its scatter over seeds: mean, variance, and Binder cumulant about the mean, with"
            " 95 % intervals.",
        ),
        "collapse": (
            "Collapse",
            "The order parameter as measured, and scaled so that the curves of all data sizes fall on one if they can.",
        ),
        "learning_curves": (
            "Learning curves",
            "Every metric over training steps, at the largest data size: the mean over seeds of each model size, with"
            " its standard error; steps with the 95 % intervals of their times, and plateaus, where they were looked"
            " for.",
        ),
        "delays": (
            "Delays",
            "How many times as long validation takes as training to do half of its change, over model size, with 95 %"
            " intervals.",
        ),
    },
    "renormalization": {
        "flow": (
            "Flow of couplings",
            "Above, couplings over the number of halvings, with standard errors over seeds; below, their beta function,"
            " and the 95 % interval of a fixed point where there is one.",
        ),
        "loss": (
            "What every halving costs",
            "Loss and probe accuracy over the parameters that are left, for every way in which directions are chosen;"
            " models trained at that size as the grey line.",
        ),
        "phase_diagram": (
            "Ordered, critical, chaotic",
            "ln χ over trained size and number of halvings; the line is where it is 0, dashed where models cease to be"
            " called critical.",
        ),
        "spectra": (
            "Spectra",
            "Eigenvalues of the activations' covariance, over their mean, by rank over the number of units, of the"
            " largest models, before and after every halving.",
        ),
    },
}


class Image(NamedTuple):
    """A PNG: its title and caption, its bytes, its size in CSS pixels, and its file, None where it has none."""

    title: str
    caption: str
    data: bytes
    width: int
    height: int
    path: Path | None

    @property
    def source(self) -> str:
        """The bytes as an address."""
        return f"data:image/png;base64,{base64.b64encode(self.data).decode()}"

    @property
    def pdf(self) -> Path | None:
        """The same figure as PDF, if there is one beside it."""
        pdf = self.path and self.path.with_suffix(".pdf")
        return pdf if pdf and pdf.exists() else None


def images(folder: Path, of: str) -> tuple[Image, ...]:
    """Every PNG in a folder, those that CAPTIONS knows first, in its order; a file that is no PNG is left out."""
    known = CAPTIONS[of]
    names = [name for name in known if (folder / f"{name}.png").exists()]
    names += sorted(path.stem for path in folder.glob("*.png") if path.stem not in known)
    found = []
    for name in names:
        path = folder / f"{name}.png"
        data = path.read_bytes()
        if data.startswith(_SIGNATURE) and len(data) > 24:
            width, height = (round(dots * 96 / _DPI) for dots in struct.unpack(">II", data[16:24]))
            title, caption = known.get(name, (name.replace("_", " ").capitalize(), ""))
            found.append(Image(title, caption, data, width, height, path))
    return tuple(found)
