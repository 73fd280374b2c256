"""Commands on what to train next, with laws that are known."""

import json

import numpy as np
import pytest
import xarray as xr

HEADER = "family,objective,data_size,data_complexity,critical_size,low,high"
FAMILY = {"mlp": 0.0, "vit": 0.6, "resnet": -0.4}
ASKED = ("--family", "vit", "--objective", "contrastive", "--data-size", "2000")
PARAMS, DATA = (a.ravel() for a in np.meshgrid(np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e12, 6)))
RUNS = ("--params", "N", "--data", "tokens", "--loss", "loss")


@pytest.fixture
def critical(tmp_path):
    """24 critical sizes of three families, N_c ~ D^0.5."""
    rng, rows = np.random.default_rng(0), [HEADER]
    for i in range(24):
        family, data_size = list(FAMILY)[i % 3], 10 ** rng.uniform(2, 4)
        log = 4 + FAMILY[family] + 0.5 * np.log10(data_size / 1e3) + 0.05 * rng.standard_normal()
        sizes = ",".join(f"{10**end:.0f}" for end in (log, log - 0.06, log + 0.06))
        rows.append(f"{family},contrastive,{data_size:.0f},,{sizes}")
    (tmp_path / "others.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.fixture
def runs(tmp_path):
    """36 losses of Chinchilla's law with a noise of 1 %."""
    loss = 1.69 + 406.4 / PARAMS**0.34 + 410.7 / DATA**0.28
    loss *= np.exp(0.01 * np.random.default_rng(1).standard_normal(36))
    write(tmp_path / "runs.csv", PARAMS, DATA, loss)
    return tmp_path


def write(path, params, data, loss):
    rows = (f"{n:.6g},{d:.6g},{value:.6f}" for n, d, value in zip(params, data, loss, strict=True))
    path.write_text("\n".join(["N,tokens,loss", *rows]))


def test_a_critical_size_is_predicted_with_what_to_run_next(here, critical):
    result = here("predict", "others.csv", *ASKED, "--out", "next", cwd=critical)
    assert result.returncode == 0, result.stderr
    found = json.loads((critical / "next" / "prediction.json").read_text())
    low, high = np.log10(found["prediction"]["interval"])
    assert low < 4.6 + 0.5 * np.log10(2) < high < low + 0.5
    assert found["model"]["exponents"] == pytest.approx([0.5], abs=0.1)
    assert set(found["leave_one_group_out"][0]["names"]) == set(FAMILY)
    assert found["next_runs"][0]["hardware"]["device"]["name"] == "two CPU cores"
    assert {path.name for path in (critical / "next").iterdir()} == {
        "prediction.json",
        "predictions.png",
        "predictions.pdf",
    }
    size = f"{float(format(found['prediction']['size'], '.3g')):,.0f} parameters, 95 % interval"
    for words in ("24 measured critical sizes", "exponent of data size", "Each family predicted from the others", size):
        assert words in result.stdout
    assert "prior" not in result.stdout


def test_a_critical_data_size_is_predicted_by_data_set(here, critical):
    rows = ["family,objective,data,model_size,data_complexity,critical_data_size,low,high"]
    rng = np.random.default_rng(1)
    for i in range(24):
        name, size = ("digits", "text", "ising")[i % 3], 10 ** rng.uniform(3, 6)
        log = 5 + 0.5 * (name == "text") - 0.4 * np.log10(size) + 0.02 * rng.standard_normal()
        ends = ",".join(f"{10**end:.1f}" for end in (log, log - 0.05, log + 0.05))
        rows.append(f"mlp,vicreg,{name},{size:.0f},,{ends}")
    (critical / "rows.csv").write_text("\n".join(rows))
    asked = ("--along", "data_size", "--group-by", "data", "--data", "text", "--model-size", "10000")
    result = here("predict", "rows.csv", *asked, "--out", "rows", cwd=critical)
    assert result.returncode == 0, result.stderr
    found = json.loads((critical / "rows" / "prediction.json").read_text())
    low, high = np.log10(found["prediction"]["interval"])
    assert low < 3.9 < high and found["prediction"]["unit"] == "rows"
    assert len(found["model"]["data_effects"]) == 3
    assert [entry["by"] for entry in found["leave_one_group_out"]] == ["data"]
    said = " ".join(result.stdout.split())
    for words in (
        "24 measured critical data sizes",
        "exponent of model size",
        "Each data set predicted from the others",
        "Critical data size expected of text, model size 10,000:",
        "8 data sizes,",
    ):
        assert words in said


def test_a_prior_is_named_wherever_it_was_used(here, critical):
    new = ("--family", "transformer", "--new-family", *ASKED[2:])
    result = here("predict", "others.csv", *new, "--prior", "article", cwd=critical)
    assert result.returncode == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert said.count("(prior: the article's table, which rests on no measurement)") == 3
    assert "its family not measured" in said
    assert [path.name for path in critical.iterdir()] == ["others.csv"]


def test_a_budget_that_nothing_fits_is_said(here, critical):
    result = here("predict", "others.csv", *ASKED, "--max-flops", "10", cwd=critical)
    assert result.returncode == 0 and "No sweep that narrows it costs at most 10 FLOP" in result.stdout


def test_without_data_sizes_costs_are_relative(here, critical):
    rows = (line.split(",") for line in (critical / "others.csv").read_text().splitlines()[1:])
    (critical / "bare.csv").write_text("\n".join([HEADER, *(",".join([*row[:2], "", *row[3:]]) for row in rows)]))
    result = here("predict", "bare.csv", *ASKED[:4], "--out", "next", cwd=critical)
    assert result.returncode == 0, result.stderr
    assert "Costs are relative" in result.stdout and "FLOP" not in result.stdout
    found = json.loads((critical / "next" / "prediction.json").read_text())
    assert [offer["hardware"] for offer in found["next_runs"]] == [None] * len(found["next_runs"])


def test_without_critical_sizes_the_curves_are_counted(refused, tmp_path):
    (tmp_path / "runs").mkdir()
    spec = {"spec": '[sweep]\nfamily = "vit"\nobjective = "contrastive"\n'}
    xr.Dataset(attrs=spec).to_netcdf(tmp_path / "runs" / "sweep.nc", engine="h5netcdf")
    curve = {"metric": "loss", "group": 10.0, "kind": "power_law", "critical_size": None, "interval": [None, None]}
    findings = [curve, curve | {"kind": "too_few_points"}]
    words = {"along": {"name": "model_size"}, "order_parameter": "loss", "findings": findings}
    (tmp_path / "runs" / "analysis.json").write_text(json.dumps(words))
    sentence = refused("predict", "runs", *ASKED, cwd=tmp_path)
    assert "no measured critical size (and 2 curves without one; no transition: 1, too few points: 1)" in sentence


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", *ASKED], "nowhere is no folder and no .csv"),
        ([".", *ASKED], "has no sweep.nc"),
        (["bare.csv", *ASKED], "has no column data_size"),
        (["text.csv", *ASKED], "critical_size is 'many' in row 2"),
        (["few.csv", *ASKED], "there are 1 measured critical sizes"),
        (["others.csv", "--family", "lstm", *ASKED[2:]], "family is 'lstm', not measured"),
        (["others.csv", *ASKED[:4]], "data_size is missing"),
        (["others.csv", *ASKED[:5], "1e9"], "outside the measured"),
        (["others.csv", *ASKED, "--new-family"], "'vit' has been measured"),
        (["others.csv", *ASKED, "--passes", "0"], "passes is 0"),
        (["others.csv", *ASKED, "--out", "."], ". exists: name another folder"),
        ([*ASKED], "paths are missing"),
        (["others.csv", *ASKED[2:]], "family is missing: choose from mlp, resnet, vit"),
        (
            ["others.csv", *ASKED, "--along", "data_size"],
            "no column model_size: give columns family, objective, model_size",
        ),
        (["others.csv", *ASKED, "--group-by", "data"], "has no name of its data"),
    ],
)
def test_bad_measurements_are_one_sentence(refused, critical, arguments, message):
    (critical / "bare.csv").write_text("family,objective\na,b\n")
    (critical / "text.csv").write_text(f"{HEADER}\nvit,contrastive,100,,many,1,2\n")
    (critical / "few.csv").write_text(f"{HEADER}\nvit,contrastive,100,,10,9,11\n")
    assert message in refused("predict", *arguments, cwd=critical)


def test_compute_is_divided_between_size_and_data(here, runs):
    result = here("allocate", "runs.csv", *RUNS, "--compute", "1e21", "1e24", "--out", "best", cwd=runs)
    assert result.returncode == 0, result.stderr
    found = json.loads((runs / "best" / "allocation.json").read_text())
    for i, truth in ((0, 1.69), (2, 0.34), (4, 0.28)):
        low, high = found["surface"]["interval"][i]
        assert low < truth < high
    # The root of a A N^-a = b B D^-b at 6 N D = 1e21.
    sizes = np.geomspace(1e8, 1e11, 20001)
    best = sizes[np.argmin(1.69 + 406.4 / sizes**0.34 + 410.7 / (1e21 / 6 / sizes) ** 0.28)]
    low, high = found["allocation"]["params_interval"][0]
    assert low < best < high
    assert found["allocation"]["data"] == pytest.approx(
        [c / 6 / n for c, n in zip((1e21, 1e24), found["allocation"]["params"], strict=True)], rel=1e-4
    )
    figures = {f"{name}.{end}" for name in ("isoflop", "allocation") for end in ("png", "pdf")}
    assert {path.name for path in (runs / "best").iterdir()} == {"allocation.json", *figures}
    assert "N ~ C^0.4" in result.stdout and result.stdout.count("beyond the runs") == 1


def test_runs_that_do_not_tell_the_law_are_one_sentence(refused, tmp_path):
    loss = np.linspace(3, 2, 36)
    write(tmp_path / "ratio.csv", PARAMS, 20 * PARAMS, loss)
    write(tmp_path / "sizes.csv", np.where(PARAMS > 1e8, 1e9, 1e8), DATA, loss)
    assert "do not determine the law" in refused("allocate", "ratio.csv", *RUNS, cwd=tmp_path)
    assert "model sizes: 2, amounts of data: 6" in refused("allocate", "sizes.csv", *RUNS, cwd=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv", *RUNS], "none.csv does not exist"),
        (["runs.csv"], "choose params from N, tokens, loss"),
        (["runs.csv", *RUNS[:5], "bits"], "loss is 'bits', a column that runs.csv lacks"),
        (["runs.csv", *RUNS, "--compute", "-1"], "compute is -1"),
        (["runs.csv", *RUNS, "--out", "."], ". exists: name another folder"),
        (["text.csv", *RUNS], "tokens is 'all' in row 2"),
    ],
)
def test_bad_runs_are_one_sentence(refused, runs, arguments, message):
    (runs / "text.csv").write_text("N,tokens,loss\n1,all,1\n")
    assert message in refused("allocate", *arguments, cwd=runs)
