"""Reports of analyses made by hand: what the page says and shows, that it needs nothing else, and that it is safe."""

import base64
import dataclasses
import io
import json
import math
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from jaxphase.analysis import load_analysis
from jaxphase.analysis.evidence import Evidence
from jaxphase.analysis.findings import Analysis, Break, Finding, Interval, Slope
from jaxphase.curves import along_data
from jaxphase.errors import InputError
from jaxphase.plots import write_figures
from jaxphase.report import write_report
from jaxphase.scaling import Bimodality, Moment

SCRIPT = "<script>alert(1)</script>"
EVIL = "<img src=x onerror=alert(1)>"
SIZES = np.geomspace(1e3, 1e6, 10)
SPEC = '[sweep]\nfamily = "mlp" # <b>&amp;</b>\n'
KINDS = {"accuracy": "sigmoid", EVIL: "step", "val_loss": "power_law", "rank": "too few points"}
PARAMETERS = {
    "sigmoid": {"center": 4.5, "rate": 6.0, "low": 0.1, "high": 0.9},
    "power_law": {"floor": 1.0, "amplitude": 2.0, "exponent": -0.5, "reference": 1e4},
}
FLOW = {"layer": 0, "start": 0.4, "end": 0.1, "midpoint": [[0.3]], "beta": [[-0.1]], "beta_se": [[None]]}
LOST = {"kind": "not_found", "fixed_point": None, "interval": [None, None], "misfit": 9.5}
FOUND = {"kind": "fixed_point", "fixed_point": -0.25, "interval": [-0.3, -0.2], "misfit": 1.25}
RENORMALIZED = {
    "flows": [
        FLOW | LOST | {"coupling": "chi", "y": [None, None], "nu": [None, None]},
        FLOW | FOUND | {"coupling": "kurtosis", "y": [0.8, 0.05], "nu": [1.25, 0.08]},
    ],
    "phase": [[["critical", "ordered"], ["critical", "chaotic"]]],
    "linearized": {"couplings": [], "y": [], "y_se": []},
}


def finding(metric, data_size, kind):
    jumps = kind in ("sigmoid", "step")
    smooth = {"constant": 90.0, "linear": 70.0, "power_law": 40.0, "broken_power_law": 42.0}
    power_law = kind == "power_law"
    return Finding(
        metric=metric,
        data_size=data_size,
        kind=kind,
        verdict=kind,
        remark="",
        critical_size=31600.0 if jumps else math.nan,
        interval=Interval(2e4, 5e4) if jumps else Interval(math.nan, math.nan),
        width=0.64 if jumps else math.nan,
        bootstrap_se=0.09 if jumps else math.nan,
        delta_bic=24.0 if jumps else -14.0 if power_law else math.nan,
        bic=smooth | {"sigmoid": 16.0 if jumps else 54.0, "step": 30.0 if jumps else 60.0},
        p_value=math.nan if kind not in PARAMETERS and not jumps else 0.0004,
        significant=kind != "too few points",
        exponent=-0.5 if power_law else math.nan,
        exponent_se=0.04 if power_law else math.nan,
        parameters=PARAMETERS.get(kind, {}),
        slope=Slope(tuple(SIZES.tolist()), (0.1,) * 10, (0.05,) * 10, SIZES[4].item(), Interval(2e4, 9e5)),
        breaks=(Break(1e5, Interval(6e4, 2e5), -0.1, -0.7),) if power_law else (),
        points=30,
        sizes=10,
        diverged=1 if kind == "step" else 0,
        partner="val_loss" if metric == "accuracy" else "",
        mirage="in the metric" if metric == "accuracy" else "",
    )


def analysed():
    """Two data sizes, three seeds, an evil metric."""
    x = np.log10(SIZES)[:, None]
    shapes = {"sigmoid": 0.1 + 0.8 / (1 + np.exp(-6 * (x - 4.5))), "step": np.where(x < 4.5, 0.2, 0.7)}
    shapes["power_law"] = 1 + 2 * 10 ** (-0.5 * (x - 4))
    values = {name: shapes.get(kind, 0 * x) + np.array([-0.02, 0, 0.02]) for name, kind in KINDS.items()}
    names = {"accuracy": "linear-probe accuracy", EVIL: SCRIPT, "val_loss": "validation loss"}
    variables = {
        name: (("data_size", "size", "seed"), np.stack([rows, 0.9 * rows]), {"long_name": names.get(name, name)})
        for name, rows in values.items()
    }
    coordinates = {
        "params": ("size", SIZES, {"long_name": "parameters"}),
        "data_size": ("data_size", [64, 1024], {"long_name": "training images"}),
    }
    attributes = {"spec": SPEC, "platform": "cpu", "devices": 2, "jax_version": "9.9.9", "jaxphase_version": "0.1.0"}
    data = xr.Dataset(variables, coordinates, attributes)
    findings = tuple(finding(name, size, kind) for name, kind in KINDS.items() for size in (64, 1024))
    one = np.ones((2, 10))
    moment = Moment(one, one, np.ones((2, 10, 2)), one)
    bimodality = Bimodality(*(one for _ in Bimodality._fields))
    evidence = Evidence("accuracy", "undecided", ("2 data sizes are too few",), moment, moment, bimodality)
    return Analysis(data, findings, "accuracy", evidence)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a sweep and its renormalization leave behind, small."""
    folder = tmp_path_factory.mktemp("a sweep & its #1 results")
    analysis = analysed()
    analysis.to_json(folder / "analysis.json")
    write_figures(analysis, folder)
    for name in ("curves.pdf", "phase_diagram.pdf"):
        (folder / name).write_bytes(b"%PDF-1.7")
    analysis.dataset.to_netcdf(folder / "sweep.nc", engine="h5netcdf")
    (folder / "spec.toml").write_text(SPEC)
    (folder / "rg").mkdir()
    (folder / "rg" / "rg.json").write_text(json.dumps(RENORMALIZED))
    shutil.copy(folder / "phase_diagram.png", folder / "rg" / "flow.png")
    return folder


@pytest.fixture(scope="module")
def report(folder):
    return write_report(folder)


class Page(HTMLParser):
    """Tags with their attributes, and the text of every section by its id."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sections, self.inside = [], {"": ""}, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.inside = dict(attrs)["id"]
            self.sections[self.inside] = ""

    def handle_data(self, data):
        self.sections[self.inside] += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


VOID = {"meta", "link", "img", "br", "hr", "input"}


class Nested(HTMLParser):
    """Fails at the first tag that closes another than the last one opened."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.feed(text)
        self.close()
        assert not self.open, "all is closed at the end"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {self.get_starttag_text()}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pytest.fail(f"<{tag}/> is not HTML")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"at {self.getpos()}"


@pytest.fixture(scope="module")
def page(report):
    return Page(report.read_text(encoding="utf-8"))


def test_the_page_has_every_part_that_the_folder_has(page):
    parts = ["verdicts", "metrics", "figures", "renormalization", "specification", "provenance", "data"]
    assert list(page.sections)[1:] == parts
    assert all(page.sections[part].strip() for part in parts)
    anchors = [attrs["href"] for attrs in page.all("a") if attrs["href"].startswith("#")]
    assert anchors == [f"#{part}" for part in parts]
    head = " ".join(page.sections[""].split())
    assert "Linear-probe accuracy: crossover (sigmoid) at 31,600 [20,000–50,000] parameters" in head
    assert "10 model sizes" in head and "64 to 1,024 training images" in head and "3 seeds" in head


def test_the_page_is_well_formed(page, report):
    text = report.read_text(encoding="utf-8")
    Nested(text)
    assert text.startswith("<!doctype html>") and len(page.all("h1")) == len(page.all("title")) == 1
    assert dict(page.tags)["html"]["lang"] == "en" and {"charset": "utf-8"} in page.all("meta")
    names = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(names) == len(set(names))
    assert all(sorted(attrs) == ["alt", "height", "src", "width"] for attrs in page.all("img"))
    policy = next(attrs["content"] for attrs in page.all("meta") if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'"), "and the browser would load nothing if it were asked to"


def test_the_table_holds_the_numbers_of_every_curve(page):
    cells = page.sections["verdicts"].split("\n")
    accuracy = [line for line in cells if line.startswith("accuracy")]
    assert accuracy == [
        f"accuracycrossover{size}31,60020,000 – 50,0000.64+24.0< 0.001in the metric" for size in ("64", "1,024")
    ]
    assert "val_losspower law64none——−14.0< 0.001—" in cells


def test_paragraphs_are_those_of_the_analysis_read_back(page):
    text = page.sections["metrics"].replace("\N{NO-BREAK SPACE}", " ")
    assert "centered at 31,600 parameters (95 % interval 20,000 to 50,000)" in text
    assert "Validation loss has no transition: it follows a power law" in text
    assert text.index("Linear-probe accuracy") < text.index("Validation loss"), "the order parameter comes first"


def test_the_renormalization_is_told_with_its_exponents(page):
    text = page.sections["renormalization"]
    assert "2 couplings were followed in each of 1 layer: 1 with a fixed point, 1 without." in text
    assert "In 1 of 2 the models obey no common map" in text
    assert "2 critical, 1 ordered, 1 chaotic" in text
    assert "kurtosis - 300.40.1−0.25−0.3 – −0.20.80 ± 0.051.25 ± 0.081.2" in text
    assert "ln chi00.40.1none found———9.5" in text


def test_nothing_comes_from_elsewhere(page, report):
    for tag, attrs in page.tags:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form")
        assert not [name for name in attrs if name.startswith("on")]
        for name in ("src", "href", "srcset", "data", "action"):
            parts = urlsplit(attrs.get(name) or "")
            assert not parts.netloc and parts.scheme in ("", "data"), attrs
    text = report.read_text(encoding="utf-8")
    assert "@import" not in text and "url(" not in text and "http://" not in text and "https://" not in text


def test_images_are_in_the_page_and_can_be_read(page, folder):
    images = page.all("img")
    assert len(images) == 4 and all(image["alt"] for image in images)
    for image, name in zip(images, ("curves.png", "residuals.png", "phase_diagram.png", "rg/flow.png"), strict=True):
        data = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"), validate=True)
        assert data == (folder / name).read_bytes()
        height, width = imread(io.BytesIO(data)).shape[:2]
        assert int(image["width"]) == pytest.approx(width * 96 / 200, abs=1)
        assert int(image["height"]) == pytest.approx(height * 96 / 200, abs=1)


def test_links_lead_to_the_files_that_are_there(page, report, folder):
    links = [attrs["href"] for attrs in page.all("a") if not attrs["href"].startswith("#")]
    files = {(report.parent / unquote(link)).relative_to(folder).as_posix() for link in links}
    data = {"sweep.nc", "analysis.json", "spec.toml", "rg/rg.json"}
    drawn = {f"{name}.{ending}" for name in ("curves", "residuals", "phase_diagram") for ending in ("png", "pdf")}
    assert files == data | drawn | {"rg/flow.png"}
    assert all((folder / file).is_file() for file in files)


def test_links_lead_from_another_folder_too(folder, tmp_path):
    other = write_report(folder, tmp_path / "elsewhere.html")
    links = [attrs["href"] for attrs in Page(other.read_text(encoding="utf-8")).all("a") if attrs["href"][0] != "#"]
    assert len(links) == 11
    for parts in map(urlsplit, links):
        assert not parts.fragment and not parts.query
        assert (tmp_path / unquote(parts.path)).is_file()


def test_a_sweep_that_was_not_analysed_is_analysed_and_drawn(folder, tmp_path, monkeypatch):
    shutil.copy(folder / "sweep.nc", tmp_path)
    monkeypatch.setattr("jaxphase.report.contents.analyze", lambda data: analysed())
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert list(page.sections)[1:] == ["verdicts", "metrics", "figures", "specification", "provenance", "data"]
    assert len(page.all("img")) == 3 and SPEC.strip() in page.sections["specification"]
    links = [attrs["href"] for attrs in page.all("a") if attrs["href"][0] != "#"]
    assert links == ["sweep.nc"], "figures that are in no file have no link"


def test_names_are_text_whatever_they_are(page, report):
    assert SCRIPT in page.sections["metrics"] and EVIL in page.sections["verdicts"]
    assert SPEC.strip() in page.sections["specification"]
    text = report.read_text(encoding="utf-8")
    assert "<script" not in text and "<img src=x" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_versions_and_the_machine_are_those_recorded(page):
    text = page.sections["provenance"]
    assert "jax, of the sweep9.9.9" in text
    assert "platformcpu" in text and "devices2" in text and "jaxphase, of this report" in text


def test_a_report_is_the_same_again_and_is_never_overwritten(folder, report, tmp_path):
    other = write_report(folder, folder / "again.html")
    assert other.read_bytes() == report.read_bytes()
    other.unlink()
    before = report.read_bytes()
    with pytest.raises(InputError, match=r"report\.html exists: name another file with --out, or remove it"):
        write_report(folder)
    assert report.read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(folder, tmp_path / "file" / "report.html")


def test_an_analysis_alone_is_reported_and_its_names_are_harmless(folder, tmp_path):
    text = (folder / "analysis.json").read_text().replace(EVIL, SCRIPT).replace('"val_loss"', '"loss"')
    labels = {"data_size": {"long_name": "tokens"}, "accuracy": {"long_name": "exact match", "units": "share"}}
    (tmp_path / "analysis.json").write_text(json.dumps(json.loads(text) | {"labels": labels}))
    (tmp_path / "broken.png").write_text("no picture")
    text = write_report(tmp_path, tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert list(page.sections)[1:] == ["verdicts", "metrics", "provenance", "data"]
    assert SCRIPT in page.sections["verdicts"] and "<script" not in text and not page.all("img")
    assert "../analysis.json" in [attrs["href"] for attrs in page.all("a")]
    assert "Exact match has a crossover, a sigmoid in log size, from 0.1 to 0.9 (share)" in page.sections["metrics"]
    assert "for 64 and 1,024 tokens" in page.sections["metrics"].replace("\n", " ")


def test_a_renormalization_alone_is_reported(folder, tmp_path):
    shutil.copytree(folder / "rg", tmp_path, dirs_exist_ok=True)
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert list(page.sections)[1:] == ["renormalization", "provenance", "data"]
    assert len(page.all("img")) == 1 and "2 couplings were followed" in page.sections[""]
    assert "2 critical" not in page.sections[""], "the headline is the first sentence"


@pytest.fixture
def along(folder, tmp_path):
    """An analysis along data size, with a figure, and the sweep that it is of."""
    data = analysed().dataset
    data.params.attrs = {"long_name": "training tokens", "axis": "data size"}
    data.data_size.attrs = {"long_name": "parameters"}
    data = data.assign_coords(step=600)
    analysis = dataclasses.replace(analysed(), dataset=data)
    analysis.to_json(tmp_path / "analysis.json")
    shutil.copy(folder / "phase_diagram.png", tmp_path)
    shutil.copy(folder / "curves.png", tmp_path)
    return analysis, tmp_path


@pytest.mark.parametrize("swept", [False, True])
def test_an_analysis_along_data_is_reported_as_such(along, swept):
    analysis, folder = along
    if swept:
        sweep = along_data(analysis.dataset)
        assert sweep.sizes["size"] == 2, "too few for curves over model size"
        sweep = sweep.expand_dims(step=[600], axis=-1)
        sweep.to_netcdf(folder / "sweep.nc", engine="h5netcdf")
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    head = " ".join(page.sections[""].split())
    assert "10 data sizes" in head and "1,000 to 1e+06 training tokens" in head and "64 to 1,024 parameters" in head
    assert "step 600" in head
    assert "crossover (sigmoid) at 31,600 [20,000–50,000] training tokens for 64 and 1,024 parameters" in head
    assert "Every metric over data size" in page.sections["verdicts"]
    metrics = page.sections["metrics"].replace("\N{NO-BREAK SPACE}", " ")
    assert "it follows a power law of data size between 1,000 and 1e+06 training tokens" in metrics
    figures = page.sections["figures"]
    assert "Every metric over data size: seeds" in figures and "over data size and model size, and the" in figures
    loaded = load_analysis(folder, data=sweep) if swept else load_analysis(folder)
    assert loaded.headline == analysis.headline and loaded.to_dict() == analysis.to_dict()
    assert loaded.to_dataframe().equals(analysis.to_dataframe())
    assert set(loaded.to_dataframe().model_size) == {64, 1024}
    if swept:
        np.testing.assert_array_equal(loaded.dataset.accuracy, analysis.dataset.accuracy)


def test_an_analysis_that_is_not_whole_is_refused(folder, tmp_path):
    path = tmp_path / "analysis.json"
    text = (folder / "analysis.json").read_text()
    words = json.loads(text)
    path.write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match=r"analysis\.json cannot be read as JSON .*: write it again\.$"):
        load_analysis(tmp_path)
    path.write_text(json.dumps(words | {"schema": 1}))
    with pytest.raises(InputError, match=r"has schema 1, not 2: analyse the curves again\.$"):
        load_analysis(tmp_path)
    for entry in ("order_parameter", "axis", "size_unit", "sizes", "labels", "findings", "evidence"):
        path.write_text(json.dumps({name: value for name, value in words.items() if name != entry}))
        with pytest.raises(InputError, match=rf"is incomplete \('{entry}'\): analyse the curves again\.$"):
            write_report(tmp_path)
    for spoilt in ({"findings": []}, {"findings": [{}]}, {"findings": 3}, {"order_parameter": "wit"}, {"sizes": 1}):
        path.write_text(json.dumps(words | spoilt))
        with pytest.raises(InputError, match="is incomplete"):
            write_report(tmp_path)


def test_a_folder_without_results_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"has no results \(analysis\.json, sweep\.nc or rg\.json\): give a folder"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        write_report(tmp_path / "missing")
    broken = {"{": "cannot be read as JSON", '{"schema": 99}': "has schema 99, not 2", '{"schema": 2}': "incomplete"}
    broken |= {"[]": "has schema None", "3": "has schema None", "{}": "has schema None"}
    for text, said in broken.items():
        (tmp_path / "analysis.json").write_text(text)
        with pytest.raises(InputError, match=said):
            write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_an_analysis_comes_back_from_its_file(folder):
    was, found = analysed(), load_analysis(folder, data=analysed().dataset)
    assert found.to_dict() == was.to_dict()
    assert {type(finding.interval) for finding in found.findings} == {Interval}
    without = load_analysis(folder)
    assert without.to_dict()["findings"] == was.to_dict()["findings"]
    np.testing.assert_allclose(without.dataset.params, SIZES)


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
PROBE = """<body><iframe id="frame" src="{address}" style="width:{width}px;height:900px;border:0"></iframe>
<script>window.onload = () => {{
  const page = document.getElementById("frame").contentDocument, root = page.documentElement;
  const images = [...page.images].map((image) => image.naturalWidth);
  const found = document.body.appendChild(document.createElement("pre"));
  found.textContent = JSON.stringify({{
    images, overflow: root.scrollWidth - root.clientWidth, width: root.clientWidth, title: page.title,
    height: root.scrollHeight, ground: getComputedStyle(page.body).backgroundColor, scripts: page.scripts.length
  }});
}};</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium executable on this machine")
@pytest.mark.parametrize(("width", "scheme", "ground"), [(390, 1, 251), (390, 0, 21), (1200, 1, 251)])
def test_a_browser_shows_it(report, tmp_path, width, scheme, ground):
    """At the width of a phone and of a desk, light and dark: images are there, nothing overflows, nothing complains."""
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(address=report.as_uri(), width=width), encoding="utf-8")
    command = [
        *(
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--disable-gpu",
            "--allow-file-access-from-files",
        ),
        *("--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000"),
        *(f"--blink-settings=preferredColorScheme={scheme}", "--window-size=1300,900", "--dump-dom", probe.as_uri()),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "<pre>" in shown.stdout, shown.stderr
    found = json.loads(unescape(shown.stdout.split("<pre>")[1].split("</pre>")[0]))
    assert found["width"] == width and found["overflow"] == 0
    assert len(found["images"]) == 4 and min(found["images"]) > 600
    assert found["height"] > 2000 and found["title"].endswith("jaxphase report") and found["scripts"] == 0
    assert found["ground"].startswith(f"rgb({ground},"), "light or dark as the reader asks"
    assert "CONSOLE" not in shown.stderr
