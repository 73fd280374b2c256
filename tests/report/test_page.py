"""What a page says and shows, that it needs nothing else, and that it is safe."""

import base64
import io
import json
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from made_by_hand import EVIL, SCRIPT, SPEC, Page, analyzed
from matplotlib.image import imread

from jaxphase.analysis import save_analysis
from jaxphase.errors import InputError
from jaxphase.plots import write_figures
from jaxphase.report import report_folder, write_report

PIXEL = (  # a PNG of one
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
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
        f"accuracycrossover{size}31,600 [20,000–50,000]0.64< 0.001*+24.0in the metric" for size in ("64", "1,024")
    ]
    assert "val_losspower law64no\N{NO-BREAK SPACE}transition—< 0.001*−14.0—" in cells


def test_paragraphs_are_those_of_the_analysis_read_back(page):
    text = page.sections["metrics"].replace("\N{NO-BREAK SPACE}", " ")
    assert "centered at 31,600 parameters (95 % interval 20,000 to 50,000)" in text
    assert "Validation loss has no transition: it follows a power law" in text
    assert text.index("Linear-probe accuracy") < text.index("Validation loss"), "the order parameter comes first"


def test_the_renormalization_is_told_with_its_exponents(page):
    text = page.sections["renormalization"]
    assert "2 couplings were followed in each of 1 layer: 1 with a fixed point, 1 without." in text
    assert "In 1 of 2 flows the models follow no common map" in text
    assert "2 critical, 1 ordered, 1 chaotic" in text
    assert "kurtosis - 300.40.1−0.25 [−0.3, −0.2]0.80 ± 0.051.25 ± 0.081.2" in text
    assert "ln chi00.40.1none found——9.5" in text


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
    data = {"sweep.nc", "curves.nc", "analysis.json", "spec.toml", "rg/rg.json"}
    drawn = {f"{name}.{ending}" for name in ("curves", "residuals", "phase_diagram") for ending in ("png", "pdf")}
    assert files == data | drawn | {"rg/flow.png"}
    assert all((folder / file).is_file() for file in files)


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


@pytest.mark.parametrize("stored", [True, False])
def test_a_page_from_memory_is_the_one_that_the_folder_gives(tmp_path, stored):
    """With the figures that were written, and without any, when both are drawn anew."""
    analysis = analyzed()
    save_analysis(analysis, tmp_path)
    figures = write_figures(analysis, tmp_path) if stored else None
    written = write_report(analysis, tmp_path / "written.html", figures=figures)
    read = report_folder(tmp_path, tmp_path / "read.html")
    assert written == tmp_path / "written.html" and read == tmp_path / "read.html"
    assert written.read_bytes() == read.read_bytes()
    page = Page(written.read_text(encoding="utf-8"))
    assert len(page.all("img")) == 3 and SPEC.strip() in page.sections["specification"]
    links = {attrs["href"] for attrs in page.all("a") if attrs["href"][0] != "#"}
    drawn = {f"{name}.{ending}" for name in ("curves", "residuals", "phase_diagram") for ending in ("png", "pdf")}
    assert links == {"analysis.json", "curves.nc"} | (drawn if stored else set())


def test_a_page_from_memory_needs_no_folder_and_is_never_overwritten(tmp_path):
    path = tmp_path / "new" / "page.html"
    pixel = base64.b64decode(PIXEL)
    page = Page(write_report(analyzed(), path, figures={"mine": pixel}).read_text(encoding="utf-8"))
    assert list(page.sections)[1:] == ["verdicts", "metrics", "figures", "specification", "provenance", "data"]
    assert [image["src"] for image in page.all("img")] == [f"data:image/png;base64,{PIXEL}"]
    assert [attrs["href"] for attrs in page.all("a") if attrs["href"][0] != "#"] == []
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"page\.html exists: name another file, or remove it"):
        write_report(analyzed(), path, figures={})
    assert path.read_bytes() == before


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
