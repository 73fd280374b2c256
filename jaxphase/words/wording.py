"""What kinds of curves are called in words, and how names and sizes are written in a sentence."""

import xarray as xr

SMOOTH = {
    "constant": "constant",
    "linear": "linear in log size",
    "power_law": "power law",
    "broken_power_law": "broken power law",
}
TRANSITIONS = {"sigmoid": "crossover", "step": "step"}


def label(data: xr.Dataset, name: str) -> str:
    """What a variable is called in words."""
    return data[name].attrs.get("long_name", name)


def size_unit(data: xr.Dataset) -> str:
    """What sizes count, in words."""
    return label(data, "params")


def in_figures(size: float) -> str:
    """A size with three significant figures, as one writes it: 1,230 or 1.23e+08."""
    return f"{float(f'{size:.3g}'):,.0f}" if 100 <= size < 1e7 else f"{size:.3g}"


def exactly(size: float) -> str:
    """A size as it was given: 1,024 or 1.04858e+06."""
    return f"{size:,.6g}"


def listed(words: list[str]) -> str:
    """Words in a row: a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
