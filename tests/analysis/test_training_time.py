"""Training time as an axis: curves whose times, delays and exponents are known."""

import io
import json

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from scipy import stats

from jaxphase.analysis import (
    DelayKind,
    TimeLawKind,
    analyze_time,
    delay,
    find_plateaus,
    fit_time_law,
    half_time,
    training_time,
)
from jaxphase.detect import Steps
from jaxphase.errors import InputError
from jaxphase.words import delay_table, law_table, learning_table
from jaxphase.words.phrases import with_error

STEPS = np.geomspace(1, 1000, 64)
SIZES = np.array([1e3, 3e3, 1e4, 3e4, 1e5])


def drop(time, rate=6.0):
    """A step in ln t from 1 to 0, half of it done at `time` [...]."""
    return 1 / (1 + (STEPS / np.asarray(time)[..., None]) ** rate)


def noise(*shape, size=0.02, seed=0):
    return size * np.random.default_rng(seed).standard_normal((*shape, len(STEPS)))


def test_half_of_a_change_is_done_when_it_is():
    times = np.array([5.0, 40.0, 200.0])
    np.testing.assert_allclose(half_time(STEPS, drop(times)), times, rtol=2e-3)
    np.testing.assert_allclose(half_time(STEPS, 3 - 7 * drop(times) + noise(3)), times, rtol=0.1)
    power = half_time(STEPS, STEPS**-0.5)
    ends = (STEPS**-0.5)[:3].mean(), (STEPS**-0.5)[-3:].mean()
    np.testing.assert_allclose(power, (sum(ends) / 2) ** -2, rtol=0.01)


def test_a_spike_does_not_move_the_half_time_and_a_missing_point_does_little():
    curve = drop(40.0)
    curve[10], curve[60], curve[30] = 0.0, 0.9, np.nan
    assert abs(half_time(STEPS, curve) / 40 - 1) < 0.05


def test_a_curve_without_a_change_has_no_half_time():
    assert np.isnan(half_time(STEPS, noise(200))).mean() >= 0.99
    assert np.isnan(half_time(STEPS, np.full(64, 2.3)))
    assert np.isnan(half_time(STEPS[:5], drop(40.0)[:5]))
    with pytest.raises(ValueError, match=r"steps \[n\], got"):
        half_time(STEPS[:5], drop(40.0))


def drawn(*corners):
    """A curve of straight pieces in ln t, through pairs of ln t and value."""
    return np.interp(np.log(STEPS), *zip(*corners, strict=True))


STAIRS = ((0, 3), (1, 3), (1.5, 2), (3.5, 2), (4, 1), (5.5, 1), (6, 0), (6.91, 0))


def test_plateaus_are_where_a_curve_rests_between_two_falls_or_rises():
    for curve in (drawn(*STAIRS), -7 * drawn(*STAIRS)):
        noise = 0.02 * np.ptp(curve) / 3
        first, second = find_plateaus(STEPS, curve, noise)
        gap = np.log(STEPS[1])
        ends = np.log([first.begin, first.end, second.begin, second.end])
        np.testing.assert_allclose(ends, [1.5, 3.5, 4, 5.5], atol=gap)
        levels = np.array([first.level, second.level]) / np.ptp(curve) * 3
        np.testing.assert_allclose(np.abs(levels), [2, 1], atol=0.02)
    again = np.random.default_rng(0).permutation(65)
    steps, curve = np.append(STEPS, 0)[again], np.append(drawn(*STAIRS), 9)[again]
    np.testing.assert_allclose(
        find_plateaus(steps, np.where(steps == STEPS[20], np.nan, curve), 0.02),
        find_plateaus(STEPS, drawn(*STAIRS), 0.02),
        rtol=1e-3,
    )


def test_the_points_of_a_curve_are_as_many_as_its_steps():
    for values in (drawn(*STAIRS)[:5], drawn(*STAIRS)[None]):
        with pytest.raises(ValueError, match=r"shape \[n\] with steps \[n\], got"):
            find_plateaus(STEPS, values, 0.02)


@pytest.mark.parametrize(
    "corners",
    [
        ((0, 3), (1, 3), (1.5, 2), (4, 1.5), (4.5, 0.5), (6.91, 0.5)),  # a slow fall between two fast ones
        ((0, 3), (6.91, 0)),
        ((0, 3), (3, 3), (3.5, 0), (6.91, 0)),  # level at the beginning and at the end only
        ((0, 1), (1, 1), (1.5, 0), (4, 0), (4.5, 1), (6.91, 1)),  # a fall and a rise
        ((0, 1), (1, 0.2), (6.91, 0)),
        ((0, 1), (6.91, 1)),
        ((0, 1), (3, 0.9), (4, 0.9), (6.91, 0.8)),  # what it rests from is within the noise
    ],
)
def test_without_two_faster_stretches_about_it_a_level_one_is_no_plateau(corners):
    assert find_plateaus(STEPS, drawn(*corners), 0.02) == ()


def test_a_fall_that_slows_down_has_no_plateau_and_a_slight_slope_within_the_noise_does_no_harm():
    for curve in (STEPS**-0.3, STEPS**-1.0, np.exp(-STEPS / 50), np.exp(-((STEPS / 20) ** 0.5)), drop(40.0)):
        assert find_plateaus(STEPS, curve, 0.02) == ()
    slight = drawn((0, 3), (1, 3), (1.5, 2), (4, 1.97), (4.5, 0.5), (6.91, 0.5))
    assert len(find_plateaus(STEPS, slight, 0.02)) == 1 and not find_plateaus(STEPS, slight, 0.005)
    # Of two places that are level, from 1.5 and up to 4, the longer.
    bent = drawn((0, 0), (1, 0), (1.5, -1), (2.5, -1.03), (4, -1.05), (4.5, -2), (6.91, -2))
    [rest] = find_plateaus(STEPS, bent, 0.02)
    np.testing.assert_allclose(np.log([rest.begin, rest.end]), [1.83, 4], atol=0.12)


def test_a_delay_is_the_ratio_of_the_times_and_its_interval_holds_it_19_times_in_20():
    rng, held, kinds = np.random.default_rng(0), [], []
    for _ in range(200):
        times = 20 * np.exp(0.2 * rng.standard_normal((2, 5)))
        curves = drop(times * [[1], [8]]) + 0.02 * rng.standard_normal((2, 5, 64))
        found = delay(STEPS, *curves)
        held.append(found.interval[0] <= 8 <= found.interval[1])
        kinds.append(found.kind)
    assert np.mean(held) >= 0.93
    assert set(kinds) == {DelayKind.DELAY}
    change = np.log(found.validation_time / found.train_time)
    student = stats.t.interval(0.95, 4, change.mean(), stats.sem(change))
    between = np.log(STEPS[1] / STEPS[0]) / 2
    np.testing.assert_allclose(np.log(found.interval), np.add(student, [-between, between]), rtol=1e-6)
    assert delay(STEPS, *curves[::-1]).kind == DelayKind.LEAD


def test_curves_that_learn_together_have_no_delay_and_those_that_do_not_have_no_ratio():
    rng = np.random.default_rng(1)
    found = [
        delay(STEPS, drop(20 * np.exp(0.2 * z)) + noise(4, seed=i), drop(20 * np.exp(0.2 * w)) + noise(4, seed=i + 99))
        for i, (z, w) in enumerate(rng.standard_normal((100, 2, 4)))
    ]
    assert np.mean([one.kind == DelayKind.NO_DELAY for one in found]) >= 0.93
    never = delay(STEPS, drop(np.full(4, 20.0)), 1 + noise(4))
    assert never.kind == DelayKind.NO_CHANGE and np.isnan(never.ratio) and np.isnan(never.interval).all()
    np.testing.assert_allclose(never.train_time, 20, rtol=1e-2)
    single = delay(STEPS, drop(20.0), drop(21.0))
    assert single.kind == DelayKind.NO_DELAY and single.interval[0] < 1 < single.interval[1]


def test_the_exponent_of_time_is_recovered_with_its_error():
    rng, pulls, refused = np.random.default_rng(2), [], 0
    for _ in range(400):
        times = 3 * SIZES[:, None] ** 0.4 * np.exp(0.3 * rng.standard_normal((5, 4)))
        times[0, 0] = np.nan
        law = fit_time_law(SIZES, times)
        refused += law.kind == TimeLawKind.NO_POWER_LAW
        pulls.append((law.exponent - 0.4) / law.exponent_se)
    assert refused <= 12
    assert 0.85 < np.nanstd(pulls) < 1.15
    exact = fit_time_law(SIZES, 3 * SIZES[:, None] ** 0.4 * np.array([0.9, 1 / 0.9]))
    np.testing.assert_allclose([exact.exponent, exact.amplitude], [0.4, 3], rtol=1e-6)


def test_times_that_bend_are_no_power_law_and_three_sizes_are_asked_for():
    scatter = np.exp(0.05 * np.random.default_rng(3).standard_normal((5, 4)))
    bent = fit_time_law(SIZES, (SIZES**0.1 + (SIZES / 1e4) ** 1.5)[:, None] * scatter)
    assert bent.kind == TimeLawKind.NO_POWER_LAW and np.isnan(bent.exponent) and bent.p_value < 0.01
    assert fit_time_law(SIZES[:2], SIZES[:2, None] * scatter[:2]).kind == TimeLawKind.TOO_FEW_SIZES
    assert fit_time_law(SIZES, SIZES[:, None]).kind == TimeLawKind.TOO_FEW_SIZES


@pytest.fixture(scope="module")
def dataset():
    """Validation learns 5 times later than training, both at times that grow as size**0.3; a third metric is noise."""
    rng = np.random.default_rng(4)
    times = 1.5 * SIZES[:, None] ** 0.3 * np.exp(0.05 * rng.standard_normal((5, 4)))
    axes = ("size", "seed", "step")
    values = {
        "train_loss": (axes, drop(times) + noise(5, 4, seed=5)),
        "val_loss": (axes, drop(5 * times) + noise(5, 4, seed=6)),
        "chance": (axes, noise(5, 4, seed=7)),
        "diverged_at": (axes[:2], np.full((5, 4), -1)),
    }
    return xr.Dataset(values, {"params": ("size", SIZES), "step": STEPS})


@pytest.fixture(scope="module")
def analysis(dataset):
    return analyze_time(dataset)


def test_a_dataset_is_read_along_its_steps(analysis):
    assert [curve.metric for curve in analysis.curves] == ["train_loss"] * 5 + ["val_loss"] * 5 + ["chance"] * 5
    for curve, time in zip(analysis.curves, np.concatenate([1.5 * SIZES**0.3, 7.5 * SIZES**0.3]), strict=False):
        (event,) = curve.events
        assert abs(event.time / time - 1) < 0.15 and abs(event.height + 1) < 0.1
        assert abs(curve.half_time / time - 1) < 0.15
        assert event.begin < event.time < event.end and curve.plateaus == ()
    assert all(curve.events == () and np.isnan(curve.half_time) for curve in analysis.curves[10:])
    assert all(4 < entry.delay.ratio < 6 and entry.delay.kind == DelayKind.DELAY for entry in analysis.delays)
    for entry in analysis.laws[:2]:
        assert abs(entry.law.exponent - 0.3) < 4 * entry.law.exponent_se < 0.2
    assert analysis.laws[2].law.kind == TimeLawKind.TOO_FEW_SIZES


def test_plateaus_of_noisy_curves_lie_between_their_steps():
    """Two rests; one after a fast fall (grokking); two steps on a steady fall, a power law and a step, a line: none."""
    log = np.log(STEPS)
    curves = [
        drop(4.0, 12) + drop(40.0, 12) + drop(400.0, 12),
        np.exp(-STEPS / 3) + 2 * drop(250.0, 8),
        2 - 2 * log / log[-1] + 0.5 * drop(8.0, 12) + 0.5 * drop(120.0, 12),
        STEPS**-0.3 + drop(120.0, 8),
        3 - 3 * log / log[-1],
    ]
    values = np.array(curves)[:, None] + noise(5, 4, size=0.04, seed=8)
    data = xr.Dataset({"loss": (("size", "seed", "step"), values)}, {"params": ("size", SIZES), "step": STEPS})
    found = analyze_time(data, "loss")
    assert [len(curve.events) for curve in found.curves] == [3, 1, 2, 1, 0]
    assert [[round(rest.level) for rest in curve.plateaus] for curve in found.curves] == [[2, 1], [2], [], [], []]
    stairs, grokking, *_ = found.curves
    for rest, before, after in zip(stairs.plateaus, stairs.events[:-1], stairs.events[1:], strict=True):
        assert before.time < rest.begin < rest.end < after.time and rest.end > 4 * rest.begin
    [rest] = grokking.plateaus
    assert 5 < rest.begin < 20 and 100 < rest.end < 250
    console = Console(width=160, file=io.StringIO())
    console.print(learning_table(found))
    cells = [line.split()[-2] for line in console.file.getvalue().splitlines() if line.startswith("loss")]
    assert cells[0] == f"{stairs.plateaus[0].end:.3g}" and cells[2:] == ["none"] * 3


def test_a_curve_without_steps_has_no_plateaus_whatever_its_fit_looks_like():
    unknown = Steps(**dict.fromkeys(Steps._fields, np.nan))
    found = unknown._replace(n_steps=2, fitted=drawn(*STAIRS), sse=np.full(5, 51 * 0.02**2))
    assert len(training_time._plateaus(found, STEPS)) == 2
    assert training_time._plateaus(found._replace(n_steps=0), STEPS) == ()


def test_table_and_file_say_the_same(analysis, tmp_path):
    console = Console(width=160, file=io.StringIO())
    for table in (learning_table(analysis), delay_table(analysis), law_table(analysis)):
        console.print(table)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    law = next(entry for entry in analysis.laws if entry.metric == "val_loss")
    assert ["val_loss", "size", *with_error(law.law.exponent, law.law.exponent_se).split()] in lines
    first = analysis.delays[0]
    assert ["delay", f"{first.size:,.0f}", f"{first.delay.ratio:.3g}"] in [line[:3] for line in lines]
    assert ["Too", "few", "sizes", "or", "seeds", "for", "a", "law:", "1", "of", "3."] in lines
    analysis.to_json(tmp_path / "times.json")
    read = json.loads((tmp_path / "times.json").read_text())
    assert read["curves"][0]["events"][0]["time"] == analysis.curves[0].events[0].time
    assert read["curves"][-1]["half_time"] is None and read["delays"][0]["delay"]["kind"] == "delay"


def test_times_are_followed_along_data_size_too(dataset):
    turned = dataset.drop_vars("params").rename(size="data_size").expand_dims("size")
    turned = turned.assign_coords(data_size=SIZES, params=("size", [5e4]))
    found = analyze_time(turned, "val_loss")
    assert [(entry.along, entry.at) for entry in found.laws[5:]] == [("data_size", 5e4)]
    assert all(entry.law.kind == TimeLawKind.TOO_FEW_SIZES for entry in found.laws[:5])
    assert abs(found.laws[5].law.exponent - 0.3) < 4 * found.laws[5].law.exponent_se < 0.2
    assert [curve.data_size for curve in found.curves] == SIZES.tolist()


def test_a_model_is_missing_once_it_has_diverged_and_mistakes_are_named(dataset):
    lost = dataset.assign(diverged_at=dataset.diverged_at.where(dataset.seed > 0, 2))
    whole = analyze_time(lost, "train_loss")
    assert len(whole.delays) == 5 and np.isnan(whole.delays[0].delay.train_time[0])
    with pytest.raises(InputError, match="metric is 'x': choose one of train_loss, val_loss, chance"):
        analyze_time(dataset, "x")
    with pytest.raises(InputError, match='no axis of training steps: read them with step="all"'):
        analyze_time(dataset.isel(step=-1))
