"""An analysis on disk: what is saved comes back as it was, and what is not whole is refused in one sentence."""

import json
import shutil

import numpy as np
import pytest
import xarray as xr

from jaxphase import plots
from jaxphase.analysis import Interval, TransitionKind, load_analysis, save_analysis
from jaxphase.analysis.findings import SCHEMA
from jaxphase.analysis.fits import RESULTS
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.errors import InputError
from jaxphase.scaling import Bimodality, Collapse, CollapseKind, Moment, Order
from jaxphase.words import headline, paragraph, reasons


@pytest.fixture(scope="module")
def folders(analyses, tmp_path_factory):
    folders = {name: tmp_path_factory.mktemp(name) for name in analyses}
    for name, analysis in analyses.items():
        save_analysis(analysis, folders[name])
    return folders


@pytest.fixture
def copied(folders, tmp_path):
    """A folder to spoil, and what its analysis.json says."""
    folder = shutil.copytree(folders["own"], tmp_path / "copied")
    return folder, json.loads((folder / "analysis.json").read_text())


@pytest.mark.parametrize("name", ["own", "grid"])
def test_an_analysis_comes_back_from_its_folder(analyses, folders, name):
    was, found = analyses[name], load_analysis(folders[name])
    assert found.to_dict() == was.to_dict()
    assert found.to_dataframe().equals(was.to_dataframe())
    xr.testing.assert_identical(found.dataset, was.dataset)
    assert found.order_parameter == was.order_parameter and found.metrics == was.metrics
    assert {type(one.interval) for one in found.findings} == {Interval}
    np.testing.assert_equal(found.boundary, was.boundary)
    assert headline(found) == headline(was) and reasons(found) == reasons(was)
    for metric in was.metrics:
        assert paragraph(found, metric) == paragraph(was, metric)


def test_saving_what_was_loaded_changes_no_byte(folders, tmp_path):
    save_analysis(load_analysis(folders["grid"]), tmp_path)
    assert (tmp_path / "analysis.json").read_bytes() == (folders["grid"] / "analysis.json").read_bytes()


def test_kinds_are_members_and_results_have_the_types_of_the_functions_that_gave_them(analyses, folders):
    own, grid = (load_analysis(folders[name]) for name in ("own", "grid"))
    kinds = [found.kind for found in own.findings]
    assert kinds == [found.kind for found in analyses["own"].findings]
    assert {type(kind) for kind in kinds} == {CurveKind}
    assert own.findings[0].mirage is MirageKind.IN_THE_METRIC and own.findings[1].mirage is None
    for was, found in zip(analyses["own"].findings, own.findings, strict=True):
        assert {name: type(result) for name, result in found.detectors.items()} == {
            name: RESULTS[name] for name in was.detectors
        }
        for name, result in was.detectors.items():
            for field, value in result._asdict().items():
                np.testing.assert_array_equal(getattr(found.detectors[name], field), value, err_msg=f"{name}.{field}")
    evidence, was = grid.evidence, analyses["grid"].evidence
    assert own.evidence.kind is TransitionKind.UNDECIDED and evidence.kind is was.kind
    assert (type(evidence.susceptibility), type(evidence.binder)) == (Moment, Moment)
    assert (type(evidence.bimodality), type(evidence.order), type(evidence.collapse)) == (Bimodality, Order, Collapse)
    assert type(evidence.collapse.windows) is type(was.collapse.windows)
    assert evidence.collapse.kind == was.collapse.kind and type(evidence.collapse.kind) is CollapseKind
    assert evidence.order.kind == was.order.kind and evidence.order.shape == was.order.shape
    assert own.evidence.order is None and own.evidence.collapse is None


def test_figures_of_what_was_loaded_are_those_of_what_was_saved(analyses, folders):
    for name, metric in (("own", "bent"), ("own", "val/loss"), ("grid", "ability")):
        was, found = (each.on(metric)[-1] for each in (analyses[name], load_analysis(folders[name])))
        dense = np.geomspace(1e3, 1e6, 50)
        expected = plots.fit_band(analyses[name], was, dense)
        np.testing.assert_array_equal(plots.fit_band(load_analysis(folders[name]), found, dense), expected)
    drawn, again = (plots.breaks(each, "jump%2F5") for each in (analyses["own"], load_analysis(folders["own"])))
    for line, other in zip(drawn.lines, again.lines, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), other.get_xydata())
    drawn, again = (plots.collapse(each) for each in (analyses["grid"], load_analysis(folders["grid"])))
    assert again.get_xlabel() == drawn.get_xlabel() and again.get_title(loc="left") == drawn.get_title(loc="left")


def test_names_with_a_slash_are_names_and_no_groups_of_the_file(folders):
    stored = xr.load_dataset(folders["own"] / "curves.nc", engine="h5netcdf")
    assert len(stored.data_vars) == 7 and not [name for name in stored.data_vars if "/" in name]
    loaded = load_analysis(folders["own"])
    assert loaded.metrics == ("exact", "val/loss", "bent", "few", "jump%2F5", "constant")
    assert set(loaded.metrics) | {"diverged"} == set(loaded.dataset.data_vars)


def test_an_analysis_of_an_earlier_version_is_refused(copied):
    folder, words = copied
    (folder / "analysis.json").write_text(json.dumps(words | {"schema": 2}))
    sentence = f"analysis.json in {folder} has schema 2, and this version reads {SCHEMA}: analyze the curves again."
    for curves in (True, False):  # what earlier versions wrote had no curves beside it
        if not curves:
            (folder / "curves.nc").unlink()
        with pytest.raises(InputError) as refused:
            load_analysis(folder)
        assert str(refused.value) == sentence
    for text in ("{}", "[]", "3"):
        (folder / "analysis.json").write_text(text)
        with pytest.raises(
            InputError, match=r"has schema None, and this version reads \d: analyze the curves again\.$"
        ):
            load_analysis(folder)


def test_an_analysis_without_its_curves_is_refused(copied):
    folder, _ = copied
    curves = folder / "curves.nc"
    data = xr.load_dataset(curves, engine="h5netcdf")
    data.drop_vars("bent").to_netcdf(curves, engine="h5netcdf")
    with pytest.raises(InputError, match=r"is incomplete \(curves\.nc has no 'bent'\): analyze the curves again\.$"):
        load_analysis(folder)
    curves.write_text("no curves")
    with pytest.raises(InputError, match=r"curves\.nc cannot be read as NetCDF \(.*\): analyze the curves again\.$"):
        load_analysis(folder)
    curves.unlink()
    with pytest.raises(InputError) as refused:
        load_analysis(folder)
    assert str(refused.value) == f"{curves} is missing: analyze the curves again."
    (folder / "analysis.json").unlink()
    with pytest.raises(InputError, match=r"copied has no analysis\.json: give a folder that jaxphase analyze has wri"):
        load_analysis(folder)


def test_curves_of_another_analysis_are_refused(copied, folders):
    folder, _ = copied
    shutil.copy(folders["grid"] / "curves.nc", folder)
    with pytest.raises(InputError, match=r"\(curves\.nc holds other curves\): analyze the curves again\.$"):
        load_analysis(folder)


def test_an_analysis_that_is_not_whole_is_refused(copied):
    folder, words = copied
    path = folder / "analysis.json"
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match=r"analysis\.json cannot be read as JSON .*: write it again\.$"):
        load_analysis(folder)
    for entry in ("order_parameter", "findings", "evidence"):
        path.write_text(json.dumps({name: value for name, value in words.items() if name != entry}))
        with pytest.raises(InputError, match=rf"is incomplete \('{entry}'\): analyze the curves again\.$"):
            load_analysis(folder)
    first = words["findings"][0]
    spoilt = (
        *({"findings": findings} for findings in ([], [{}], 3, [first | {"kind": "cubic"}], [first | {"note": ""}])),
        {"findings": [first | {"detectors": {"fit_cubic": {}}}]},
        {"findings": [first | {"detectors": {"classify": {"kind": 1}}}]},
        {"findings": [first | {"interval": [1.0]}]},
        {"order_parameter": "wit"},
        {"evidence": None},
        {"evidence": words["evidence"] | {"kind": "maybe"}},
        {"evidence": words["evidence"] | {"binder": {"value": []}}},
    )
    for change in spoilt:
        path.write_text(json.dumps(words | change))
        with pytest.raises(InputError, match=r"(?s)is incomplete \(.*\): analyze the curves again\.$"):
            load_analysis(folder)


def test_a_folder_that_is_not_there_is_named_when_saving(analyses, tmp_path):
    with pytest.raises(InputError, match=r"missing/analysis\.json cannot be written"):
        save_analysis(analyses["own"], tmp_path / "missing")
