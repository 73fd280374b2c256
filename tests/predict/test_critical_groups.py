"""Critical data sizes and times, and groups of other kinds than families: worlds whose law is known."""

import json
import math

import numpy as np
import pytest
import xarray as xr

from jaxphase.analysis import training_time as learning
from jaxphase.analysis.training_time import Event, LearningCurve, TimeAnalysis
from jaxphase.errors import InputError
from jaxphase.predict import (
    critical_size,
    fit,
    leave_one_group_out,
    measured,
    read_measurements,
    recommend,
)
from jaxphase.predict.measurements import subset
from jaxphase.words.predictions import prediction_sentence

DATA = {"digits": 0.0, "text": 0.7, "glyphs": -0.5, "ising": 0.2}
FAMILY = {"mlp": 0.0, "vit": 0.3, "resnet": -0.2}
SLOPE = -0.4


def law(family, data, model_size):
    """log10 of the critical data size."""
    return 3 + FAMILY[family] + DATA[data] + SLOPE * np.log10(model_size / 1e4)


def world(seed, count=36, scatter=0.03, labels=None):
    rng = np.random.default_rng(seed)
    families = [list(FAMILY)[i % 3] for i in range(count)]
    data = [list(DATA)[i // 3 % 4] for i in range(count)]
    size = 10 ** rng.uniform(3, 6, count)
    y = np.array([law(*of) for of in zip(families, data, size, strict=True)])
    y += np.hypot(scatter, 0.02) * rng.standard_normal(count)
    ends = 10 ** (y + 1.96 * 0.02 * np.array([[0], [-1], [1]]))
    nothing = ["vicreg"] * count, None, None
    return measured(families, *nothing, *ends, model_size=size, data=data, along="data_size", labels=labels)


@pytest.fixture(scope="module")
def model():
    return fit(world(0), group_by=("family", "data"))


def test_a_critical_data_size_is_that_of_the_law_and_is_called_so(model):
    assert model.terms.covariates == ("model_size",) and list(model.terms.levels) == ["family", "data"]
    low, high = model.exponents_interval[0]
    assert low < SLOPE < high < low + 0.1
    effect = dict(zip(model.terms.levels["data"], model.effects["data"].value, strict=True))
    assert effect["text"] - effect["glyphs"] == pytest.approx(1.2, abs=0.05)
    assert sum(effect.values()) == pytest.approx(0, abs=1e-6)
    assert "objective" not in model.effects and len(model.effects["family"].value) == len(model.deviations) == 3
    found = critical_size(model, family="vit", data="text", model_size=3e4)
    assert np.log10(found.size) == pytest.approx(law("vit", "text", 3e4), abs=0.05)
    assert (found.name, found.unit, found.along) == ("critical data size", "rows", "data_size")
    sentence = prediction_sentence(found)
    assert sentence.startswith("Critical data size expected of vit, text, model size 30,000: ")
    assert " rows, 95 % interval " in sentence


def test_words_of_ones_own_are_used():
    found = fit(world(1, labels={"name": "number of strings", "unit": "strings"}), group_by="data")
    told = prediction_sentence(critical_size(found, data="text", model_size=3e4))
    assert told.startswith("Number of strings expected of text") and " strings, 95 %" in told
    with pytest.raises(InputError, match="labels has 'units': choose from name, unit"):
        world(1, labels={"units": "strings"})


def test_a_new_data_set_is_drawn_from_the_others_and_left_out_as_one(model):
    data = model.measurements
    own = np.array(data.data) == "text"
    others = fit(subset(data, ~own), group_by=("family", "data"))
    guess = [
        critical_size(others, family=f, data="text", new_data=True, model_size=n, beyond=10)
        for f, n in zip(subset(data, own).family, data.model_size[own], strict=True)
    ]
    error = np.log10([one.size for one in guess]) - np.log10(data.critical_size[own])
    errors = leave_one_group_out(model, "data")
    place = errors.names.index("text")
    assert errors.by == "data" and errors.names == tuple(sorted(DATA)) and errors.count.tolist() == [9] * 4
    assert errors.bias[place] == pytest.approx(error.mean(), abs=1e-3)
    assert errors.rms[place] == pytest.approx(np.sqrt(np.mean(error**2)), abs=1e-3)
    known = critical_size(model, family="mlp", data="text", model_size=1e4)
    assert (np.diff(np.log10(guess[0].interval)) > 3 * np.diff(np.log10(known.interval))).all()
    assert "(its data not measured)" in prediction_sentence(guess[0])


def test_families_are_left_out_by_default_and_as_before(model, unchecked):
    errors, same = leave_one_group_out(model), leave_one_group_out(model, "family")
    assert errors.by == same.by == "family" and errors.names == same.names == tuple(sorted(FAMILY))
    np.testing.assert_array_equal(errors.rms, same.rms)
    # The spread of families is 0.3 decades, of data sets 0.5.
    assert errors.overall < 0.7 * leave_one_group_out(model, "data").overall
    with pytest.raises(InputError, match=r"there are 1 objectives \(vicreg\): measure three"):
        leave_one_group_out(model, "objective")
    with pytest.raises(InputError, match="by is 'seed': choose from family, objective, data"):
        leave_one_group_out(model, "seed")


def test_a_level_that_is_left_out_adds_to_the_scatter():
    data = world(2)
    both, alone = (fit(data, group_by=levels) for levels in (("family", "data"), "family"))
    assert alone.deviations[-1] == pytest.approx(np.std(list(DATA.values())), rel=0.3)
    assert both.deviations[-1] < 0.1
    # One objective has no effect, so that a level of it changes nothing.
    three = fit(data, group_by=("family", "data", "objective"))
    np.testing.assert_allclose(three.effects["data"].interval, both.effects["data"].interval, atol=2e-3)
    assert np.isnan(three.deviations).tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"family": "vit", "model_size": 3e4}, "data is missing: choose from digits, glyphs, ising, text"),
        ({"family": "vit", "data": "faces", "model_size": 3e4}, "data is 'faces', not measured"),
        ({"family": "vit", "data": "text"}, "model_size is missing"),
        ({"family": "vit", "data": "text", "model_size": 1e9}, "model_size is 1000000000.0, outside"),
        ({"family": "vit", "data": "text", "model_size": 3e4, "data_size": 9}, "data_size is 9, but no measurement"),
        (
            {"family": "vit", "data": "text", "model_size": 3e4, "objective": "vicreg"},
            "objective is 'vicreg', but measurements are grouped by family and data: leave objective out",
        ),
    ],
)
def test_what_the_model_does_not_know_is_named(model, asked, words):
    with pytest.raises(InputError, match=words):
        critical_size(model, **asked)


def test_groups_and_quantities_that_there_are_not_are_refused(unchecked):
    data = world(3)
    for levels, words in (((), "group_by is empty"), ("seed", "group_by has 'seed'")):
        with pytest.raises(InputError, match=words):
            fit(data, group_by=levels)
    with pytest.raises(InputError, match="measurement 1 has no name of its data"):
        fit(data._replace(data=("",) * 36), group_by="data")
    with pytest.raises(InputError, match="prior is 'article', which is of model sizes"):
        fit(data, prior="article")
    with pytest.raises(InputError, match="data_size is given, but the critical sizes are along data size"):
        measured(["mlp"], ["o"], [5], [np.nan], [3], [2], [4], along="data_size")
    with pytest.raises(InputError, match="along is 'width': choose from model_size, data_size, steps"):
        measured(["mlp"], ["o"], [5], [np.nan], [3], [2], [4], along="width")


def test_recommended_sweeps_over_data_cost_what_their_models_and_rows_do(model):
    target = critical_size(model, family="vit", data="text", model_size=3e4)
    offers = recommend(model, target, count=999, passes=3, min_gain=-1)
    # Three families, four data sets, four sizes of models, three numbers of seeds; the objective is not told apart.
    assert len(offers) == 144 and {offer.objective for offer in offers} == {None}
    for offer in offers[::20]:
        assert offer.flops == pytest.approx(6 * offer.model_size * sum(offer.sizes) * offer.seeds * 3)
        assert offer.memory == 16 * offer.model_size and not offer.missing and offer.along == "data_size"
    assert offers[0].decades_after < offers[0].decades
    [one, *_] = recommend(model, target, data=["digits"], families=["mlp"], model_sizes=[1e5])
    assert (one.data, one.family, one.model_size) == ("digits", "mlp", 1e5)
    with pytest.raises(InputError, match="data has 'faces': choose from digits"):
        recommend(model, target, data=["faces"])


def test_critical_times_depend_on_both_sizes_and_their_costs_are_relative():
    rng = np.random.default_rng(4)
    size, data_size = 10 ** rng.uniform(3, 6, 24), 10 ** rng.uniform(2, 5, 24)
    time = 100 * (size / 1e4) ** -0.3 * (data_size / 1e3) ** 0.6 * np.exp(0.02 * rng.standard_normal(24))
    columns = ["mlp"] * 24, ["o"] * 24, data_size, None, time, time / 1.05, time * 1.05
    found = fit(measured(*columns, model_size=size, along="steps"), group_by="family")
    assert found.terms.covariates == ("data_size", "model_size")
    np.testing.assert_allclose(found.exponents, [0.6, -0.3], atol=0.03)
    target = critical_size(found, family="mlp", data_size=1e3, model_size=1e4)
    assert 90 < target.size < 110 and target.unit == "steps"
    offers = recommend(found, target, count=99)
    assert {offer.missing for offer in offers} == {"batch size"}
    assert offers[0].flops == pytest.approx(6 * offers[0].model_size * offers[0].sizes[-1] * offers[0].seeds)
    with pytest.raises(InputError, match="no batch size is known and costs are relative"):
        recommend(found, target, max_flops=1e12)


def test_tables_of_data_sizes_and_times_have_columns_of_their_own(tmp_path):
    table = tmp_path / "own.csv"
    table.write_text(
        "family,objective,data,model_size,data_complexity,critical_data_size,low,high\nvit,dino,text,86M,,1e4,9e3,2e4\n"
    )
    found = read_measurements(table, along="data_size")
    assert (found.along, found.data, found.model_size.tolist()) == ("data_size", ("text",), [86e6])
    assert (found.critical_size.tolist(), found.high.tolist()) == ([1e4], [2e4]) and np.isnan(found.data_size).all()
    with pytest.raises(InputError, match=r"no column data_size: give columns .*; or ask along data"):
        read_measurements(table)
    table.write_text(
        "family,objective,model_size,data_size,data_complexity,critical_steps,low,high\nvit,dino,9,8,,5,4,6\n"
    )
    found = read_measurements(table, along="steps")
    assert (found.critical_size[0], found.model_size[0], found.data_size[0], found.data) == (5, 9, 8, ("",))


@pytest.fixture
def folder(tmp_path):
    spec = '[sweep]\nfamily = "mlp"\nobjective = "vicreg"\ndata = "digits"\n'
    axes = ("data_size", "size", "seed", "step")
    values = np.random.default_rng(0).standard_normal((2, 5, 1, 3))
    coordinates = {"params": ("size", [10, 20, 30, 40, 50]), "data_size": [64, 128], "step": [1, 2, 3]}
    data = xr.Dataset({"accuracy": (axes, values)}, coordinates, {"spec": spec})
    data.to_netcdf(tmp_path / "sweep.nc", engine="h5netcdf")
    return tmp_path


def test_a_sweep_that_was_analyzed_along_data_holds_critical_data_sizes(folder):
    curve = {"metric": "accuracy", "kind": "sigmoid", "critical_size": 90.0, "interval": [80.0, 99.0]}
    curves = [curve | {"group": 10.0}, curve | {"group": 20.0, "kind": "constant", "critical_size": None}]
    words = {"along": {"name": "data_size"}, "order_parameter": "accuracy", "findings": curves}
    (folder / "analysis.json").write_text(json.dumps(words))
    found = read_measurements(folder, along="data_size")
    assert (found.critical_size[0], found.model_size[0], found.data) == (90, 10, ("digits",))
    assert math.isnan(found.data_size[0]) and found.censored == {"no transition": 1}
    assert found.source[0].endswith("accuracy at model size 10")
    with pytest.raises(InputError, match="was analyzed along data size: analyze it along model size"):
        read_measurements(folder)


def test_the_largest_step_of_each_learning_curve_is_a_critical_time(folder, monkeypatch):
    def event(time, height):
        return Event(time, (time / 2, time * 2), time, time, height, 0.1)

    def told(data, metric):
        of = LearningCurve(metric, 64.0, 10.0, (event(5.0, 0.1), event(50.0, -0.8)), (), 1.0, 0.1)
        few = LearningCurve(metric, 64.0, 20.0, None, (), 1.0, 0.1)
        return TimeAnalysis((of, few, LearningCurve(metric, 128.0, 10.0, (), (), 1.0, 0.1)), (), ())

    monkeypatch.setattr(learning, "analyze_time", told)
    found = read_measurements(folder, along="steps", metric="accuracy")
    assert (found.critical_size[0], found.low[0], found.high[0]) == (50, 25, 100)
    assert (found.data_size[0], found.model_size[0]) == (64, 10)
    assert found.censored == {"too few points": 1, "no step": 1}
    with pytest.raises(InputError, match=r"metric is 'mutual_information', which .* lacks: choose from accuracy"):
        read_measurements(folder, along="steps")
