"""analysis.json against its JSON Schema, for analyses of every form."""

import copy
import dataclasses
import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

from jaxphase import detect
from jaxphase.analysis.evidence import Evidence, TransitionKind
from jaxphase.analysis.findings import SCHEMA, Finding
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.scaling import ChangeShape, Collapse, CollapseKind, Order, OrderKind

SIZES = np.round(np.geomspace(1e3, 1e6, 12))
WORDS = json.loads((files("jaxphase.analysis") / "analysis.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(WORDS)


@pytest.fixture(scope="module")
def written(analyses, tmp_path_factory):
    """The content of the files."""
    path, contents = tmp_path_factory.mktemp("written") / "analysis.json", {}
    for name, analysis in analyses.items():
        analysis.to_json(path)
        contents[name] = json.loads(path.read_text(encoding="utf-8"))
    return contents


@pytest.mark.parametrize("name", ["own", "grid"])
def test_files_keep_to_the_schema(written, name):
    assert [error.message for error in VALIDATOR.iter_errors(written[name])] == []


def test_the_files_have_every_form_of_an_answer(written):
    """Else the test above would show little."""
    own, grid = written["own"], written["grid"]
    kinds = {found["kind"] for found in own["findings"]}
    assert {"sigmoid", "power_law", "broken_power_law", "step", "constant", "too_few_points"} <= kinds
    assert [found["metric"] for found in own["findings"] if found["breaks"]] == ["bent"]
    assert own["findings"][0]["mirage"] == "in_the_metric" and own["step"] == 100
    assert own["boundary"][0]["group"] is None and own["evidence"]["order"] is None
    assert grid["evidence"]["collapse"]["inverse_nu"] > 0 and grid["evidence"]["order"]["sharpening"] > 0
    assert (own["along"]["name"], grid["along"]["name"]) == ("model_size", "data_size")
    assert grid["sizes"] == SIZES.tolist() and grid["along"]["units"] == "data_size"
    assert [point["group"] for point in grid["boundary"]] == [64, 128, 256, 512, 1024, 2048]


MUTATIONS = {
    "another version": lambda words: words.update(schema=1),
    "no axis": lambda words: words.pop("along"),
    "another axis": lambda words: words["along"].update(name="steps"),
    "an entry more": lambda words: words.update(author="me"),
    "a size of zero": lambda words: words["sizes"].append(0),
    "no findings": lambda words: words.update(findings=[]),
    "a finding without its interval": lambda words: words["findings"][0].pop("interval"),
    "an interval with one end": lambda words: words["findings"][0]["interval"].pop(),
    "an unknown kind": lambda words: words["findings"][0].update(kind="cubic"),
    "a number in words": lambda words: words["findings"][0].update(critical_size="1e6"),
    "half a model": lambda words: words["findings"][0].update(points=1.5),
    "a field more in a finding": lambda words: words["findings"][0].update(note=""),
    "a parameter more": lambda words: words["findings"][0]["parameters"].update(theta=1.0),
    "a slope without errors": lambda words: words["findings"][0]["slope"].pop("standard_error"),
    "a kind of evidence that there is not": lambda words: words["evidence"].update(kind="maybe"),
    "a kind of order that there is not": lambda words: words["evidence"]["order"].update(kind="second_order"),
    "a field more in the windows": lambda words: words["evidence"]["collapse"]["windows"].update(aic=[]),
    "a flat susceptibility": lambda words: words["evidence"]["susceptibility"].update(value=[1.0]),
    "a unit that is a number": lambda words: words["labels"].update(ability={"units": 1}),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_file_that_is_changed_does_not(written, mutation):
    words = copy.deepcopy(written["grid"])
    MUTATIONS[mutation](words)
    assert not VALIDATOR.is_valid(words)


def owned(node, path=""):
    """Every object of the schema whose fields it names, with its place in it."""
    for name, entry in node.items() if isinstance(node, dict) else ():
        if name == "properties":
            yield path, node
            for field, below in entry.items():
                yield from owned(below, f"{path}/{field}")
        elif isinstance(entry, dict):
            yield from owned(entry, f"{path}/{name}")


def test_every_field_is_described_in_a_sentence_and_no_other_is_allowed():
    jsonschema.Draft202012Validator.check_schema(WORDS)
    places = dict(owned(WORDS))
    assert len(places) > 12
    for place, node in places.items():
        assert node["additionalProperties"] is False, place
        optional = place.endswith(("/parameters", "/label"))
        assert optional or set(node["required"]) == set(node["properties"]), place
        for name, field in node["properties"].items():
            words = field.get("description", "")
            assert words.endswith(".") and ". " not in words and len(words) > 10, f"{place}/{name}"
    assert all("description" in node for node in WORDS["$defs"].values())


def test_the_schema_names_what_the_library_has():
    definitions = WORDS["$defs"]

    def names(definition):
        return list(definitions[definition]["properties"])

    assert names("finding") == [field.name for field in dataclasses.fields(Finding)]
    assert names("evidence") == [field.name for field in dataclasses.fields(Evidence)]
    assert names("order") == list(Order._fields)
    assert names("collapse") == list(Collapse._fields)

    def members(kind):
        return [member.name.lower() for member in kind]

    assert [*names("bic"), "too_few_points"] == members(CurveKind)
    finding = definitions["finding"]["properties"]
    assert finding["kind"]["enum"] == members(CurveKind)
    assert finding["mirage"]["enum"] == [*members(MirageKind), None]
    assert definitions["evidence"]["properties"]["kind"]["enum"] == members(TransitionKind)
    assert definitions["order"]["properties"]["kind"]["enum"] == members(OrderKind)
    assert definitions["order"]["properties"]["shape"]["enum"] == members(ChangeShape)
    assert definitions["collapse"]["properties"]["kind"]["enum"] == members(CollapseKind)
    assert WORDS["properties"]["schema"]["const"] == SCHEMA


def test_a_broken_power_law_is_drawn_as_the_schema_says(analyses, written):
    """The formula in the description gives the curve that was fitted: its residuals are those of the fit."""
    found = next(found for found in written["own"]["findings"] if found["kind"] == "broken_power_law")
    a, b, c, d, f, reference = (found["parameters"][name] for name in ("a", "b", "c", "d", "f", "reference"))
    x = SIZES / reference
    curve = a + b * x ** -c[0] * np.prod(
        [(1 + (x / d[i]) ** (1 / f[i])) ** (-c[i + 1] * f[i]) for i in range(len(d))], axis=0
    )
    values = analyses["own"].dataset.bent.values
    sse = np.square(values - curve[:, None]).sum()
    assert sse == pytest.approx(found["detectors"]["fit_broken_power_law"]["sse"], rel=1e-3)
    assert set(found["detectors"]) <= set(dir(detect))
