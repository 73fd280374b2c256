"""Panels of training: learning curves with their steps, times against size, delays."""

import numpy as np
import pytest
import xarray as xr

from jaxphase import plots
from jaxphase.analysis import (
    Delay,
    DelayKind,
    Event,
    LearningCurve,
    Plateau,
    SizeDelay,
    SizeLaw,
    TimeAnalysis,
    TimeLaw,
    TimeLawKind,
)
from jaxphase.errors import InputError

STEPS = np.array([0, 1, 3, 10, 30, 100])
SIZES = np.array([1e3, 1e4, 1e5])


@pytest.fixture(scope="module")
def dataset():
    """Two data sizes, three sizes, two seeds; one model diverges at step 30."""
    values = np.arange(2 * 3 * 2 * 6, dtype=float).reshape(2, 3, 2, 6)
    diverged = np.full((2, 3, 2), -1)
    diverged[1, 2, 0] = 30
    axes = ("data_size", "size", "seed", "step")
    return xr.Dataset(
        {
            "val_loss": (axes, values, {"long_name": "validation loss", "units": "nats"}),
            "diverged_at": (axes[:3], diverged),
        },
        {
            "params": ("size", SIZES, {"long_name": "parameters"}),
            "data_size": ("data_size", [64, 1024], {"long_name": "training images"}),
            "step": STEPS,
        },
    )


def timed(half_times, kind=TimeLawKind.POWER_LAW):
    """One step of the largest model at step 10, and given half times of all."""
    event = Event(10.0, (5.0, np.inf), 8.0, 12.0, -1.0, 0.1)
    curves = [
        LearningCurve("val_loss", 1024, size, (event,) if size > 5e4 else None, (), time, 0.1)
        for size, time in zip(SIZES, half_times, strict=True)
    ]
    curves[2] = LearningCurve("val_loss", 1024, SIZES[2], (event,), (Plateau(1.0, 8.0, 70.0),), half_times[2], 0.1)
    law = SizeLaw("val_loss", "size", 1024, TimeLaw(0.5, 0.02, 0.1, 1.0, 1, 0.3, kind))
    return TimeAnalysis(tuple(curves), (), (law,))


def drawn(ax):
    """Lines that have data, of learning curves."""
    return [line for line in ax.lines if len(line.get_xdata()) == 5]


def test_learning_curves_are_means_over_seeds_by_size(dataset):
    ax = plots.learning_curves(dataset, "val_loss")
    lines = drawn(ax)
    assert len(lines) == 3 and ax.get_xscale() == "log"
    np.testing.assert_array_equal(lines[0].get_xdata(), STEPS[1:])
    np.testing.assert_allclose(lines[0].get_ydata(), dataset.val_loss.values[1, 0, :, 1:].mean(axis=0))
    # The model that diverged is missing from then on.
    one = dataset.val_loss.values[1, 2, :, 1:]
    np.testing.assert_allclose(lines[2].get_ydata(), np.where(STEPS[1:] < 30, one.mean(axis=0), one[1]))
    assert ax.get_title(loc="left") == "validation loss" and ax.get_ylabel() == "nats"
    assert [text.get_text() for text in ax.texts] == ["1,024 training images"]
    labels = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert labels == ["1,000 parameters", "10,000 parameters", "100,000 parameters"]
    band = ax.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(np.ptp(band[band[:, 0] == 10, 1]), 2 * 3, err_msg="seeds 6 apart have an error of 3")
    assert ax.get_yscale() == "linear"
    wide = plots.learning_curves(dataset.assign(val_loss=dataset.val_loss**2), "val_loss", data_size=64)
    assert wide.get_yscale() == "log", "it spans more than a decade"
    other = drawn(plots.learning_curves(dataset, "val_loss", data_size=64))
    np.testing.assert_allclose(other[0].get_ydata(), dataset.val_loss.values[0, 0, :, 1:].mean(axis=0))


def test_steps_and_plateaus_that_were_found_are_marked(dataset):
    ax = plots.learning_curves(dataset, "val_loss", timed([10, 20, 40]))
    mark, _, (bars,) = ax.containers[0].lines
    height = dataset.val_loss.values[1, 2, :, 3].mean()
    np.testing.assert_allclose(mark.get_xydata(), [(10, height)])
    np.testing.assert_allclose(np.array(bars.get_segments())[0, :, 0], (5, 100))
    assert len(ax.containers) == 1
    plateau = [line.get_xydata().tolist() for line in ax.lines if line.get_linewidth() == 5]
    assert plateau == [[[1, 70], [8, 70]]]
    words = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert words[-2:] == ["step, 95 % interval", "plateau"]
    assert not plots.learning_curves(dataset, "val_loss", timed([10, 20, 40]), data_size=64).containers


def test_what_has_no_learning_curves_is_refused(dataset):
    with pytest.raises(InputError, match='read them with step="all"'):
        plots.learning_curves(dataset.isel(step=-1), "val_loss")
    with pytest.raises(InputError, match="val_loss was measured only before training"):
        plots.learning_curves(dataset.isel(step=[0]), "val_loss")
    with pytest.raises(InputError, match="metric is 'skill': choose one of val_loss"):
        plots.learning_curves(dataset, "skill")
    with pytest.raises(InputError, match="data_size is 65: choose one of 64, 1024"):
        plots.learning_curves(dataset, "val_loss", data_size=65)
    with pytest.raises(InputError, match="the curves have no data sizes"):
        plots.learning_curves(dataset.isel(data_size=0, drop=True), "val_loss", data_size=64)


def test_times_are_drawn_with_their_law():
    ax = plots.learning_times(timed([10, 20, np.nan]), "val_loss")
    (bars,) = ax.containers
    np.testing.assert_allclose(bars.lines[0].get_xydata()[:2], [(1e3, 10), (1e4, 20)])
    stems = np.array(bars.lines[2][0].get_segments()[:2])[..., 1]
    np.testing.assert_allclose(stems, np.array([[10], [20]]) * np.exp([-0.196, 0.196]))
    law = next(line for line in ax.lines if line.get_linewidth() == 1.2)
    np.testing.assert_allclose(law.get_ydata(), 0.1 * np.sqrt(SIZES))
    (text,) = (text.get_text() for text in ax.figure.legends[0].get_texts())
    assert text == r"data size 1,024: $t \propto$ size$^{0.500 \pm 0.020}$"
    other = plots.learning_times(timed([10, 20, 40], TimeLawKind.NO_POWER_LAW), "val_loss")
    assert not [line for line in other.lines if line.get_linewidth() == 1.2]
    with pytest.raises(InputError, match="metric is 'skill': choose one of val_loss"):
        plots.learning_times(timed([10, 20, 40]), "skill")
    with pytest.raises(InputError, match="no curve of val_loss has a change"):
        plots.learning_times(timed([np.nan] * 3), "val_loss")


def test_delays_are_drawn_with_their_intervals_and_hollow_where_they_may_be_none():
    def entry(data_size, size, ratio, kind, reach=1.5):
        ends = ratio / reach, ratio * reach
        return SizeDelay(data_size, size, Delay(ratio, ends, kind, np.ones(2), np.ones(2)))

    lost = entry(64, 1e5, np.nan, DelayKind.NO_CHANGE)
    found = [
        entry(64, 1e3, 6.0, DelayKind.DELAY),
        entry(64, 1e4, 1.2, DelayKind.NO_DELAY),
        lost,
        entry(1024, 1e3, 0.3, DelayKind.LEAD),
    ]
    ax = plots.delays(TimeAnalysis((), tuple(found), ()))
    small, large = ax.containers
    np.testing.assert_allclose(small.lines[0].get_xydata(), [(1e3, 6), (1e4, 1.2)])
    np.testing.assert_allclose(np.array(small.lines[2][0].get_segments())[..., 1], [(4, 9), (0.8, 1.8)])
    np.testing.assert_allclose(large.lines[0].get_xydata(), [(1e3, 0.3)])
    filled = [line.get_xydata().tolist() for line in ax.lines if line.get_zorder() == 3]
    assert filled == [[[1e3, 6]], [[1e3, 0.3]]]
    assert any(list(line.get_ydata()) == [1, 1] for line in ax.lines)
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["data size 64", "data size 1,024"]
    low, high = ax.get_ylim()
    assert low < 0.2 and high > 9
    with pytest.raises(InputError, match="no delays to draw: measure train_loss and val_loss"):
        plots.delays(TimeAnalysis((), (lost,), ()))
