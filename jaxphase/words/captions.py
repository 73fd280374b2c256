"""What each figure of a report shows."""

from collections.abc import Mapping
from typing import NamedTuple


class Caption(NamedTuple):
    """The title of a figure, and sentences on what it shows; {size} and {second} stand for the names of the sizes."""

    title: str
    text: str


ANALYSIS: Mapping[str, Caption] = {
    "curves": Caption(
        "Curves",
        "Every metric against {size}: seeds as points, their mean with its standard error, the fit of the verdict, and"
        " critical sizes with their 95 % intervals; below, the slope per decade of size with its 95 % band.",
    ),
    "residuals": Caption(
        "Residuals",
        "Every metric minus the fit of its verdict: seeds as points, their mean with its standard error. Where a fit"
        " misses something the residuals do not scatter about zero.",
    ),
    "phase_diagram": Caption(
        "Phase diagram",
        "The order parameter over {size} and {second}, and the critical sizes with 95 % intervals.",
    ),
    "fluctuations": Caption(
        "Fluctuations",
        "The order parameter and its scatter over seeds: mean, variance, and Binder cumulant about the mean, with 95 %"
        " intervals.",
    ),
    "collapse": Caption(
        "Collapse",
        "The order parameter as measured, and scaled so that the curves of every {second} fall on one if they can.",
    ),
    "learning_curves": Caption(
        "Learning curves",
        "Every metric over training steps, at the largest data size: the mean over seeds of each model size, with its"
        " standard error; steps with the 95 % intervals of their times, and plateaus, where they were looked for.",
    ),
    "delays": Caption(
        "Delays",
        "How many times as long as training validation takes to do half of its change, against model size, with 95 %"
        " intervals.",
    ),
}

RENORMALIZATION: Mapping[str, Caption] = {
    "flow": Caption(
        "Flow of couplings",
        "Above, couplings over the number of halvings, with standard errors over seeds; below, their beta functions,"
        " and the 95 % interval of a fixed point where there is one.",
    ),
    "loss": Caption(
        "What every halving costs",
        "Loss and probe accuracy over the parameters that are left, for every way to choose directions; models trained"
        " at that size as the gray line.",
    ),
    "phase_diagram": Caption(
        "Ordered, critical, chaotic",
        "ln χ over trained size and number of halvings; the line is where it is 0, dashed lines bound what is called"
        " critical.",
    ),
    "spectra": Caption(
        "Spectra",
        "Eigenvalues of the activations' covariance, over their mean, by rank over the number of units, of the largest"
        " models, before and after every halving.",
    ),
}
