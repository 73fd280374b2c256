"""Reports on folders: of a sweep, of an analysis alone, of a renormalization alone, and of what is not whole."""

import dataclasses
import json
import shutil
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import pytest
import xarray as xr
from made_by_hand import EVIL, FLOW, RENORMALIZED, SCRIPT, SPEC, Page, analyzed, swept

from jaxphase.analysis import load_analysis, save_analysis
from jaxphase.errors import InputError
from jaxphase.report import report_folder
from jaxphase.words import headline


def test_links_lead_from_another_folder_too(folder, tmp_path):
    other = report_folder(folder, tmp_path / "elsewhere.html")
    links = [attrs["href"] for attrs in Page(other.read_text(encoding="utf-8")).all("a") if attrs["href"][0] != "#"]
    assert len(links) == 12
    for parts in map(urlsplit, links):
        assert not parts.fragment and not parts.query
        assert (tmp_path / unquote(parts.path)).is_file()


def test_a_sweep_that_was_not_analyzed_is_analyzed_and_drawn(folder, tmp_path, monkeypatch):
    shutil.copy(folder / "sweep.nc", tmp_path)
    monkeypatch.setattr("jaxphase.report.folder.analyze", lambda data: analyzed())
    page = Page(report_folder(tmp_path).read_text(encoding="utf-8"))
    assert list(page.sections)[1:] == ["verdicts", "metrics", "figures", "specification", "provenance", "data"]
    assert len(page.all("img")) == 3 and SPEC.strip() in page.sections["specification"]
    links = [attrs["href"] for attrs in page.all("a") if attrs["href"][0] != "#"]
    assert links == ["sweep.nc"], "figures that are in no file have no link"


def test_a_report_is_the_same_again_and_is_never_overwritten(folder, report, tmp_path):
    other = report_folder(folder, folder / "again.html")
    assert other.read_bytes() == report.read_bytes()
    other.unlink()
    before = report.read_bytes()
    with pytest.raises(InputError, match=r"report\.html exists: name another file, or remove it"):
        report_folder(folder)
    assert report.read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        report_folder(folder, tmp_path / "file" / "report.html")


def test_an_analysis_alone_is_reported_and_its_names_are_harmless(folder, tmp_path):
    save_analysis(analyzed(), tmp_path)
    data = xr.load_dataset(tmp_path / "curves.nc").rename(
        {quote(EVIL, safe=""): quote(SCRIPT, safe=""), "val_loss": "loss"}
    )
    data.group.attrs["units"] = "tokens"
    data.accuracy.attrs = {"long_name": "exact match", "units": "share"}
    data.to_netcdf(tmp_path / "curves.nc", engine="h5netcdf")
    text = (tmp_path / "analysis.json").read_text()
    (tmp_path / "analysis.json").write_text(text.replace(EVIL, SCRIPT).replace('"val_loss"', '"loss"'))
    (tmp_path / "broken.png").write_text("no picture")
    text = report_folder(tmp_path, tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert list(page.sections)[1:] == ["verdicts", "metrics", "specification", "provenance", "data"]
    assert SCRIPT in page.sections["verdicts"] and "<script" not in text and not page.all("img")
    links = [attrs["href"] for attrs in page.all("a")]
    assert "../analysis.json" in links and "../curves.nc" in links
    assert "Exact match has a crossover, a sigmoid in log size, from 0.1 to 0.9 (share)" in page.sections["metrics"]
    assert "for 64 and 1,024 tokens" in page.sections["metrics"].replace("\n", " ")


def test_a_renormalization_alone_is_reported(folder, tmp_path):
    shutil.copytree(folder / "rg", tmp_path, dirs_exist_ok=True)
    page = Page(report_folder(tmp_path).read_text(encoding="utf-8"))
    assert list(page.sections)[1:] == ["renormalization", "provenance", "data"]
    assert len(page.all("img")) == 1 and "2 couplings were followed" in page.sections[""]
    assert "2 critical" not in page.sections[""], "the headline is the first sentence"


@pytest.fixture
def along(folder, tmp_path):
    """An analysis along data size, with two figures."""
    analysis = analyzed()
    data = analysis.dataset.assign_coords(step=600)
    data.x.attrs = {"name": "data_size", "long_name": "data size", "units": "training tokens"}
    data.group.attrs = {"name": "model_size", "long_name": "model size", "units": "parameters"}
    analysis = dataclasses.replace(analysis, dataset=data)
    save_analysis(analysis, tmp_path)
    shutil.copy(folder / "phase_diagram.png", tmp_path)
    shutil.copy(folder / "curves.png", tmp_path)
    return analysis, tmp_path


@pytest.mark.parametrize("of_a_sweep", [False, True])
def test_an_analysis_along_data_is_reported_as_such(along, of_a_sweep):
    analysis, folder = along
    if of_a_sweep:
        sweep = swept(analysis.dataset)
        assert sweep.sizes["size"] == 2, "too few for curves over model size"
        sweep.expand_dims(step=[600], axis=-1).to_netcdf(folder / "sweep.nc", engine="h5netcdf")
    page = Page(report_folder(folder).read_text(encoding="utf-8"))
    head = " ".join(page.sections[""].split())
    assert "10 data sizes" in head and "1,000 to 1e+06 training tokens" in head and "64 to 1,024 parameters" in head
    assert "step 600" in head
    assert "crossover (sigmoid) at 31,600 [20,000–50,000] training tokens for 64 and 1,024 parameters" in head
    assert "Every metric against data size" in page.sections["verdicts"]
    metrics = page.sections["metrics"].replace("\N{NO-BREAK SPACE}", " ")
    assert "it follows a power law of data size between 1,000 and 1e+06 training tokens" in metrics
    figures = page.sections["figures"]
    assert "Every metric against data size: seeds" in figures and "over data size and model size, and the" in figures
    loaded = load_analysis(folder)
    assert headline(loaded) == headline(analysis) and loaded.to_dict() == analysis.to_dict()
    assert loaded.to_dataframe().equals(analysis.to_dataframe())
    assert set(loaded.to_dataframe().model_size) == {64, 1024}
    np.testing.assert_array_equal(loaded.dataset.accuracy, analysis.dataset.accuracy)


def test_an_analysis_that_is_not_whole_is_not_reported(folder, tmp_path):
    shutil.copy(folder / "curves.nc", tmp_path)
    words = json.loads((folder / "analysis.json").read_text())
    for entry in ("order_parameter", "findings", "evidence"):
        without = {name: value for name, value in words.items() if name != entry}
        (tmp_path / "analysis.json").write_text(json.dumps(without))
        with pytest.raises(InputError, match=rf"is incomplete \('{entry}'\): analyze the curves again\.$"):
            report_folder(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_folder_without_results_is_refused_in_one_sentence(folder, tmp_path):
    with pytest.raises(InputError, match=r"has no results \(analysis\.json, sweep\.nc or rg\.json\): give a folder"):
        report_folder(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        report_folder(tmp_path / "missing")
    shutil.copy(folder / "curves.nc", tmp_path)
    broken = {"{": "cannot be read as JSON", '{"schema": 99}': "has schema 99, and", '{"schema": 3}': "incomplete"}
    broken |= {"[]": "has schema None", "3": "has schema None", "{}": "has schema None"}
    for text, said in broken.items():
        (tmp_path / "analysis.json").write_text(text)
        with pytest.raises(InputError, match=said):
            report_folder(tmp_path)
    (tmp_path / "analysis.json").unlink()
    (tmp_path / "rg.json").write_text(json.dumps(RENORMALIZED | {"flows": [FLOW | {"kind": "lost"}]}))
    with pytest.raises(InputError, match=r"rg\.json holds no flow of this version .*: renormalize the sweep again\.$"):
        report_folder(tmp_path)
    assert not (tmp_path / "report.html").exists()
