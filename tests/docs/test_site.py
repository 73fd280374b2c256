"""The site: built as everyone builds it, with warnings as errors; complete, and read without a network."""

import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import jaxphase
from jaxphase import cli

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "--keep-going", "-c", "docs", "-d", str(out / "trees")]
    done = subprocess.run(
        [*command, "docs/pages", str(out / "html")], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return out / "html"


class Links(HTMLParser):
    """The files that a page loads, and the pages that it links to."""

    def __init__(self, page: Path):
        super().__init__()
        self.loaded, self.links, self.ids, self.images = [], [], set(), 0
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids.add(found.get("id"))
        self.images += tag == "img"
        if tag in ("img", "script", "iframe", "source") and found.get("src"):
            self.loaded.append(found["src"])
        if tag == "link" and found.get("rel") not in ("canonical", "index", "search", "next", "prev"):
            self.loaded.append(found["href"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {path: Links(path) for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for path, page in pages.items():
        for url in page.loaded:
            assert "//" not in url and not url.startswith("data:text/javascript"), f"{path.name} loads {url}"
            assert (path.parent / url.partition("?")[0].partition("#")[0]).exists(), f"{path.name} lacks {url}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", style.read_text(encoding="utf-8")), style.name


def test_every_link_within_the_site_leads_somewhere(pages):
    for path, page in pages.items():
        for url in page.links:
            if "//" in url or url.startswith("mailto:"):
                continue
            file, _, place = url.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), f"{path.name} links to {url}"
            if place and target in pages:
                assert place in pages[target].ids, f"{path.name} links to {url}"


def test_every_command_and_every_public_name_is_there(site, pages):
    commands = (site / "command-line.html").read_text(encoding="utf-8")
    for name in cli.app._subcommands:
        assert f"usage: jaxphase {name} " in commands
    ids = set().union(*(page.ids for page in pages.values()))
    for module in ("detect", "scaling", "predict", "rg", "sweep", "evaluate", "plots", "analysis", "curves", "words"):
        for name in getattr(jaxphase, module).__all__:
            assert {f"jaxphase.{module}.{name}", f"jaxphase.{name}"} & ids, name
    for name in jaxphase.__all__:
        if not name.startswith("_") and not inspect.ismodule(getattr(jaxphase, name)):
            assert f"jaxphase.{name}" in ids, name


def test_signatures_are_those_that_are_called(site):
    """A detector is written for one curve, and called with keywords after its arrays."""
    page = (site / "reference" / "detect.html").read_text(encoding="utf-8")
    entry = page[page.index('id="jaxphase.detect.fit_sigmoid"') :]
    signature = re.sub(r"<[^>]*>|\s", "", entry[: entry.index("</dt>")]).partition("(")[2]
    signature = re.sub(r":[^,*=]*", "", signature)  # without types
    assert signature.startswith("x,y,*,weight=None)")


def test_pictures_and_schema_are_there(site, pages):
    assert pages[site / "index.html"].images >= 1
    assert any(site.rglob("analysis.schema.json"))
    text = (site / "analysis-json.html").read_text(encoding="utf-8")
    for field in ("critical_size", "bootstrap_se", "susceptibility", "grouped_by"):
        assert field in text
