import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from jaxphase.analysis import TransitionKind, analyze
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.errors import InputError
from jaxphase.words import headline, remark, table, verdict

SIZES = np.round(np.geomspace(1e3, 1e6, 12))
X = np.log10(SIZES)[:, None]
CENTERS = {100: 4.8, 1000: 4.3}
SPEC = '[sweep]\nseeds = 3\n\n[phase_transition]\norder_parameter = "ability"\n'


def sigmoid(center, rate=6):
    return 0.1 + 0.8 / (1 + np.exp(-rate * (X - center)))


def noise(seed, scale=0.015):
    return scale * np.random.default_rng(seed).standard_normal((12, 3))


@pytest.fixture(scope="module")
def swept():
    """A sweep with a sigmoid, a flat metric and a power law at two data sizes; nothing is learned at the first step."""
    last = {
        "ability": np.stack([sigmoid(center) + noise(i) for i, center in enumerate(CENTERS.values())]),
        "mutual_information": np.stack([0.5 + noise(2), 0.6 + noise(3)]),
        "loss": np.stack(
            [1.5 + 9 * SIZES[:, None] ** -0.4 + noise(4, 0.002), 1 + 20 * SIZES[:, None] ** -0.4 + noise(5, 0.002)]
        ),
    }
    dims = ("data_size", "size", "seed")
    variables = {name: ((*dims, "step"), np.stack([noise(9) + 0 * y, y], axis=-1)) for name, y in last.items()}
    variables["diverged_at"] = (dims, np.full((2, 12, 3), -1))
    coordinates = {
        "data_size": ("data_size", list(CENTERS), {"long_name": "training images"}),
        "params": ("size", SIZES, {"long_name": "parameters"}),
        "step": [10, 100],
    }
    return xr.Dataset(variables, coordinates, {"spec": SPEC, "jaxphase_version": "0.1.0"})


@pytest.fixture(scope="module")
def analysis(swept):
    return analyze(swept)


def test_each_planted_curve_is_judged_as_what_it_is(analysis):
    kinds = {(finding.metric, finding.group): finding.kind for finding in analysis.findings}
    assert kinds == {
        ("ability", 100): CurveKind.SIGMOID,
        ("ability", 1000): CurveKind.SIGMOID,
        ("mutual_information", 100): CurveKind.CONSTANT,
        ("mutual_information", 1000): CurveKind.CONSTANT,
        ("loss", 100): CurveKind.POWER_LAW,
        ("loss", 1000): CurveKind.POWER_LAW,
    }


def test_a_sigmoid_is_called_a_crossover_with_its_place_and_width(analysis):
    for finding, center in zip(analysis.on("ability"), CENTERS.values(), strict=True):
        assert verdict(analysis, finding).startswith("crossover (sigmoid) at ")
        low, high = finding.interval
        assert low < finding.critical_size < high < 1.2 * low
        assert low < 10**center < high
        assert finding.width == pytest.approx(2 * math.log(9) / 6, rel=0.1)
        assert 0 < finding.bootstrap_se < 0.02
        assert finding.delta_bic > 6
        assert finding.parameters["high"] == pytest.approx(0.9, abs=0.01)
        assert math.isnan(finding.exponent)
        assert (finding.points, finding.sizes, finding.diverged) == (36, 12, 0)


def test_smooth_curves_have_no_critical_size_and_a_power_law_has_its_exponent(analysis):
    for finding in analysis.findings[2:]:
        assert verdict(analysis, finding).startswith("no transition (")
        numbers = (finding.critical_size, *finding.interval, finding.width, finding.bootstrap_se)
        assert all(map(math.isnan, numbers))
        assert not finding.has_transition
    for finding in analysis.findings[4:]:
        assert abs(finding.exponent + 0.4) < 3 * finding.exponent_se < 0.1


def test_a_flat_metric_is_not_significant_and_curved_ones_are(analysis):
    assert [finding.straight_line_rejected for finding in analysis.findings] == [True, True, False, False, True, True]


def test_the_boundary_and_the_headline_are_about_the_order_parameter_of_the_spec(analysis):
    assert analysis.order_parameter == "ability"
    assert [point.group for point in analysis.boundary] == [100, 1000]
    assert [point.interval for point in analysis.boundary] == [found.interval for found in analysis.findings[:2]]
    assert headline(analysis).startswith("ability: crossover (sigmoid) at ")
    assert "parameters for 1,000 training images" in headline(analysis)
    assert "no phase transition, which would sharpen with data size." in headline(analysis)


def test_the_order_parameter_is_the_one_asked_for_or_mutual_information_or_the_first(swept):
    assert headline(analyze(swept, order_parameter="loss")) == (
        "loss: no transition (power law) for 100 and 1,000 training images."
    )
    unspecified = swept.drop_attrs(deep=False)
    assert analyze(unspecified).order_parameter == "mutual_information"
    assert analyze(unspecified.rename(mutual_information="other")).order_parameter == "ability"
    with pytest.raises(InputError, match=r"order_parameter is 'skill': .*ability, mutual_information, loss"):
        analyze(swept, order_parameter="skill")


def test_an_early_step_can_be_analysed_and_has_no_transition(swept, analysis):
    early = analyze(swept, step=10)
    assert early.dataset.step == 10
    assert analysis.dataset.step == 100
    assert {finding.kind for finding in early.findings} == {CurveKind.CONSTANT}
    with pytest.raises(InputError, match="step is 50: choose one of 10, 100"):
        analyze(swept, step=50)


def test_diverged_models_and_missing_values_are_left_out_and_counted(swept, analysis):
    damaged = swept.copy(deep=True)
    damaged["diverged_at"][0, 3, 1] = 20
    damaged["diverged_at"][0, 7, 2] = 0
    damaged["ability"][0, 3, 1] = 1e6
    damaged["ability"][0, 7, 2] = -50
    damaged["ability"][1, :2, 0] = np.nan
    first, second = (judged := analyze(damaged)).on("ability")
    assert (first.diverged, first.points, second.diverged, second.points) == (2, 34, 0, 34)
    assert remark(judged, first) == "2 diverged models left out"
    assert remark(judged, second) == ""
    for finding, whole in zip((first, second), analysis.findings, strict=False):
        assert finding.kind == CurveKind.SIGMOID
        assert whole.interval.low < finding.critical_size < whole.interval.high


@pytest.fixture(scope="module")
def curves():
    """Six metrics at one data size, as from a CSV."""
    restless = sigmoid(4.5, 8) + noise(6, 0.002)
    restless[5:7] += noise(22, 0.1)[5:7]
    late = sigmoid(5.5, 4) + noise(8, 0.005)
    jump = np.where(X < 4.4, 0.2, 0.7) + noise(10, 0.005)
    few = sigmoid(4.5) + noise(11)
    few[4:] = np.nan
    table = {"restless": restless, "late": late, "jump": jump, "few": few, "line": 0.1 * X + noise(12, 0.005)}
    table["constant"] = np.full((12, 3), 2.5)
    variables = {name: (("size", "seed"), values) for name, values in table.items()}
    return analyze(xr.Dataset(variables, {"params": ("size", SIZES, {"long_name": "N"})}))


def found(analysis, name):
    return next(finding for finding in analysis.findings if finding.metric == name)


def decades(finding):
    return math.log10(finding.interval.high / finding.interval.low)


def test_the_interval_is_never_narrower_than_that_of_the_seeds_or_of_the_fit(curves, analysis):
    uneven = found(curves, "restless")
    assert uneven.kind == CurveKind.SIGMOID
    assert decades(uneven) > 3.4 * uneven.bootstrap_se, "the fit takes the noise of the steep part for noise everywhere"
    for even in analysis.on("ability"):
        assert decades(even) > 4.4 * even.bootstrap_se, "three seeds are too few for a bootstrap"


def test_a_jump_between_neighbouring_sizes_is_a_step_between_them(curves):
    finding = found(curves, "jump")
    assert finding.kind == CurveKind.STEP
    assert finding.interval.low < 10**4.4 < finding.interval.high
    assert finding.interval == pytest.approx((SIZES[5], SIZES[6]), rel=1e-3)
    assert verdict(curves, finding).startswith("step between ")
    assert verdict(curves, finding).endswith(" N")


def test_a_crossover_that_the_sizes_do_not_span_says_so(curves):
    assert found(curves, "late").kind == CurveKind.SIGMOID
    assert remark(curves, found(curves, "late")) == "ends beyond the measured sizes"


def test_a_rise_that_is_seen_to_its_middle_is_no_crossover(mirages):
    assert not found(mirages, "half").has_transition


def test_a_curve_of_too_few_sizes_is_not_judged(curves):
    finding = found(curves, "few")
    assert (finding.kind, verdict(curves, finding)) == (CurveKind.TOO_FEW_POINTS, "too few points")
    assert (finding.points, finding.sizes) == (12, 4)
    assert math.isnan(finding.delta_bic)
    assert not finding.has_transition


def test_curves_without_data_size_have_one_finding_each(curves):
    assert [finding.group for finding in curves.findings] == [None] * 6
    assert found(curves, "line").kind == CurveKind.LINEAR
    assert found(curves, "constant").kind == CurveKind.CONSTANT
    assert math.isnan(found(curves, "constant").straight_line_p)
    assert not found(curves, "constant").straight_line_rejected
    assert "images" not in headline(curves)


def test_one_data_size_taken_from_a_sweep_keeps_its_name(swept):
    six = swept.isel(data_size=0).assign(
        {f"{name} again": swept[name].isel(data_size=1) for name in ("ability", "loss")}
    )
    six = six.assign(flat=six.mutual_information)
    analysis = analyze(six)
    assert [finding.group for finding in analysis.findings] == [100] * 6
    assert "for 100 training images" in headline(analysis)


def test_json_holds_every_number_and_no_nan(curves, analysis, tmp_path):
    for each in (curves, analysis):
        each.to_json(tmp_path / "analysis.json")
        text = (tmp_path / "analysis.json").read_text()
        read = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert read == each.to_dict()
        assert read["schema"] == 3
        assert read["versions"].keys() >= {"jaxphase", "jax"}
        for finding, written in zip(each.findings, read["findings"], strict=True):
            assert written["critical_size"] == (finding.critical_size if finding.has_transition else None)
            assert written.keys() == vars(finding).keys()
    with pytest.raises(InputError, match="cannot be written"):
        curves.to_json(tmp_path / "absent" / "analysis.json")


def test_the_table_has_a_row_per_curve_and_fits_80_columns(analysis, curves):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table(analysis))
    text = console.export_text()
    low = f"[{float(f'{analysis.findings[0].interval.low:.3g}'):,.0f}"
    assert low in text
    assert text.count("no\N{NO-BREAK SPACE}transition") == 4
    assert text.count("< 0.001*") == sum(finding.straight_line_p < 0.001 for finding in analysis.findings)
    assert max(map(len, text.splitlines())) <= 80
    assert "late: ends beyond" in table(curves).caption


def test_a_spec_of_another_program_is_not_read(swept):
    foreign = swept.copy()
    foreign.attrs = {"spec": "not [ TOML"}
    assert analyze(foreign).order_parameter == "mutual_information"


@pytest.fixture(scope="module")
def mirages():
    """Thresholded metrics, one whose partner drifts and one whose partner jumps; a broken law; half a rise."""
    rng = np.random.default_rng(0)
    loss, jump = 0.2 + 2 * 10 ** (-0.35 * (X - 3)), 1 / (1 + np.exp(-7 * (X - 4.5)))
    table = {
        "exact": 1 / (1 + np.exp((loss - 0.9) / 0.06)),
        "loss": loss,
        "skill": 0.1 + 0.8 * jump**2,
        "score": 2 - jump,
        "half": sigmoid(5.9, 3),
    }
    variables = {name: (("size", "seed"), curve + 0.02 * rng.standard_normal((12, 3))) for name, curve in table.items()}
    bent = 0.9 * 10 ** (-0.05 * (X - 3) - 0.5 * np.maximum(X - 4.7, 0)) * np.exp(0.01 * rng.standard_normal((12, 3)))
    variables["bent"] = (("size", "seed"), bent)
    data = xr.Dataset(variables, {"params": ("size", SIZES, {"long_name": "parameters"})})
    return analyze(data, partners={"exact": "loss", "skill": "score"})


def test_a_jump_is_in_the_metric_or_in_the_models_as_its_partner_says(mirages):
    exact, skill = found(mirages, "exact"), found(mirages, "skill")
    assert (exact.kind, exact.partner, exact.mirage) == (CurveKind.SIGMOID, "loss", MirageKind.IN_THE_METRIC)
    assert (skill.kind, skill.partner, skill.mirage) == (CurveKind.SIGMOID, "score", MirageKind.IN_THE_MODEL)
    assert "loss says that the jump is in the metric" in remark(mirages, exact)
    assert found(mirages, "loss").mirage is None


def test_a_broken_law_has_its_break_and_the_exponents_beside_it(mirages):
    bent = found(mirages, "bent")
    assert bent.kind == CurveKind.BROKEN_POWER_LAW
    (place,) = bent.breaks
    assert place.interval.low < 10**4.7 < place.interval.high
    assert place.before == pytest.approx(-0.05, abs=0.03)
    assert place.after == pytest.approx(-0.55, abs=0.15), "the floor is not known"
    assert not found(mirages, "loss").breaks


def test_every_curve_has_a_slope_and_where_it_is_steepest(mirages):
    slope = found(mirages, "skill").slope
    assert slope.interval.low < slope.steepest < slope.interval.high
    assert 10**4.4 < slope.steepest < 10**4.8
    jump = 1 / (1 + np.exp(-7 * (X[:, 0] - 4.5)))
    truth = -7 * jump * (1 - jump)
    score = found(mirages, "score").slope
    error = np.abs(np.array(score.value) - truth) / np.array(score.standard_error)
    assert np.median(error) < 2


def test_every_detector_is_in_the_findings_and_in_the_json(mirages):
    names = {"classify", "fit_sigmoid", "fit_power_law", "fit_piecewise_power_law", "fit_broken_power_law", "gradients"}
    names |= {"segment", "cusum", "change_test", "mirage_test"}
    written = next(entry for entry in mirages.to_dict()["findings"] if entry["metric"] == "bent")
    assert set(found(mirages, "bent").detectors) == set(written["detectors"]) == names
    assert written["detectors"]["fit_piecewise_power_law"]["n_breaks"] == 1
    assert len(written["detectors"]["segment"]["break_probability"]) == 36


def test_the_headline_says_that_the_jump_is_in_the_metric(mirages, analysis):
    assert mirages.order_parameter == "exact"
    place, _, rest = headline(mirages).partition("; ")
    assert place.startswith("exact: crossover (sigmoid) at ")
    assert rest == "the jump is in the metric and not in the models: their loss has none there."
    in_models = replace(mirages, order_parameter="skill")
    assert "the jump" not in headline(in_models) and "which would sharpen with data size." in headline(in_models)
    drifts = {"mirage": MirageKind.IN_THE_METRIC, "partner": "loss"}
    first, second, *others = analysis.findings
    one = replace(analysis, findings=(replace(first, **drifts), second, *others))
    assert "; the jump for 100 training images is in the metric and not in the models: their loss has none" in headline(
        one
    )
    assert headline(one).endswith("a crossover is no phase transition, which would sharpen with data size.")
    flat = replace(second, kind=CurveKind.CONSTANT)
    alone = headline(replace(analysis, findings=(replace(first, **drifts), flat, *others)))
    assert "; the jump is in the metric" in alone and "which would sharpen" not in alone
    evidence = replace(analysis.evidence, kind=TransitionKind.CONTINUOUS)
    whole = replace(one, evidence=evidence, findings=tuple(replace(found, **drifts) for found in (first, second)))
    assert "; the jump is in the metric and not in the models" in headline(whole)
    assert "; across data sizes this is a transition (continuous) of the metric: there are 2 " in headline(whole)
    assert "of the metric" not in headline(replace(one, evidence=evidence))


def test_a_frame_has_a_row_for_each_finding(analysis, curves, mirages):
    frame = analysis.to_dataframe()
    assert frame.groupby("metric", sort=False).data_size.apply(list).to_dict() == {
        name: [100, 1000] for name in ("ability", "mutual_information", "loss")
    }
    assert frame.order_parameter.tolist() == [True] * 2 + [False] * 4
    assert set(frame.along) == {"model_size"}
    chosen = frame.query("kind == 'sigmoid'").set_index("data_size")
    for data_size, center in CENTERS.items():
        row = chosen.loc[data_size]
        assert row.critical_low < 10**center < row.critical_high
        assert row.steepest_low < row.steepest < row.steepest_high
        assert abs(math.log10(row.steepest) - center) < 0.15, "a sigmoid is steepest at its center"
    smooth = frame[frame.metric == "loss"]
    assert smooth[["critical_size", "critical_low", "critical_high", "width"]].isna().all(axis=None)
    np.testing.assert_allclose(smooth.exponent, -0.4, atol=0.1)
    assert (
        frame.dtypes[["points", "sizes", "diverged"]].eq("int64").all() and frame.straight_line_rejected.dtype == bool
    )
    alone = curves.to_dataframe().set_index("metric")
    assert alone.data_size.isna().all() and alone.data_size.dtype == float
    assert mirages.to_dataframe().set_index("metric").loc["exact", ["partner", "mirage"]].tolist() == [
        "loss",
        "in_the_metric",
    ]
    without = replace(curves, findings=tuple(replace(found, slope=None) for found in curves.findings))
    assert without.to_dataframe().steepest.isna().all()


def test_a_partner_that_is_not_there_is_named(swept):
    with pytest.raises(InputError, match="partners names 'bits'"):
        analyze(swept, partners={"ability": "bits"})
