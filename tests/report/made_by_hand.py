"""An analysis and a renormalization made by hand, for reports on them; and a page as its tags and texts."""

import math
from html.parser import HTMLParser

import numpy as np
import xarray as xr

from jaxphase.analysis import Analysis, Break, Evidence, Finding, Interval, Slope, TransitionKind
from jaxphase.detect import CurveKind, MirageKind
from jaxphase.scaling import Bimodality, Moment

SCRIPT = "<script>alert(1)</script>"
EVIL = "<img src=x onerror=alert(1)>"
SIZES = np.geomspace(1e3, 1e6, 10)
SPEC = '[sweep]\nfamily = "mlp" # <b>&amp;</b>\n'
KINDS = {
    "accuracy": CurveKind.SIGMOID,
    EVIL: CurveKind.STEP,
    "val_loss": CurveKind.POWER_LAW,
    "rank": CurveKind.TOO_FEW_POINTS,
}
PARAMETERS = {
    CurveKind.SIGMOID: {"center": 4.5, "rate": 6.0, "low": 0.1, "high": 0.9},
    CurveKind.POWER_LAW: {"floor": 1.0, "amplitude": 2.0, "exponent": -0.5, "reference": 1e4},
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
    "linearized": {"couplings": [], "y": [[[]]], "y_se": [[[]]]},
}


def finding(metric, group, kind):
    jumps, power_law = kind.is_transition, kind == CurveKind.POWER_LAW
    smooth = {"constant": 90.0, "linear": 70.0, "power_law": 40.0, "broken_power_law": 42.0}
    return Finding(
        metric=metric,
        group=group,
        kind=kind,
        critical_size=31600.0 if jumps else math.nan,
        interval=Interval(2e4, 5e4) if jumps else Interval(math.nan, math.nan),
        width=0.64 if jumps else math.nan,
        bootstrap_se=0.09 if jumps else math.nan,
        delta_bic=24.0 if jumps else -14.0 if power_law else math.nan,
        bic=smooth | {"sigmoid": 16.0 if jumps else 54.0, "step": 30.0 if jumps else 60.0},
        straight_line_p=math.nan if kind == CurveKind.TOO_FEW_POINTS else 0.0004,
        straight_line_rejected=kind != CurveKind.TOO_FEW_POINTS,
        exponent=-0.5 if power_law else math.nan,
        exponent_se=0.04 if power_law else math.nan,
        parameters=PARAMETERS.get(kind, {}),
        slope=Slope(tuple(SIZES.tolist()), (0.1,) * 10, (0.05,) * 10, SIZES[4].item(), Interval(2e4, 9e5)),
        breaks=(Break(1e5, Interval(6e4, 2e5), -0.1, -0.7),) if power_law else (),
        points=30,
        sizes=10,
        diverged=1 if kind == CurveKind.STEP else 0,
        partner="val_loss" if metric == "accuracy" else "",
        mirage=MirageKind.IN_THE_METRIC if metric == "accuracy" else None,
    )


def analyzed():
    """Two data sizes, three seeds, an evil metric."""
    x = np.log10(SIZES)[:, None]
    shapes = {
        CurveKind.SIGMOID: 0.1 + 0.8 / (1 + np.exp(-6 * (x - 4.5))),
        CurveKind.STEP: np.where(x < 4.5, 0.2, 0.7),
        CurveKind.POWER_LAW: 1 + 2 * 10 ** (-0.5 * (x - 4)),
    }
    values = {name: shapes.get(kind, 0 * x) + np.array([-0.02, 0, 0.02]) for name, kind in KINDS.items()}
    names = {"accuracy": "linear-probe accuracy", EVIL: SCRIPT, "val_loss": "validation loss"}
    variables = {
        name: (("group", "x", "seed"), np.stack([rows, 0.9 * rows]), {"long_name": names.get(name, name)})
        for name, rows in values.items()
    }
    coordinates = {
        "x": ("x", SIZES, {"name": "model_size", "long_name": "model size", "units": "parameters"}),
        "group": ("group", [64.0, 1024.0], {"name": "data_size", "long_name": "data size", "units": "training images"}),
    }
    attributes = {"spec": SPEC, "platform": "cpu", "devices": 2, "jax_version": "9.9.9", "jaxphase_version": "0.1.0"}
    data = xr.Dataset(variables, coordinates, attributes)
    findings = tuple(finding(name, size, kind) for name, kind in KINDS.items() for size in (64, 1024))
    one = np.ones((2, 10))
    moment = Moment(one, one, np.ones((2, 10, 2)), one)
    bimodality = Bimodality(*(one for _ in Bimodality._fields))
    evidence = Evidence("accuracy", TransitionKind.UNDECIDED, moment, moment, bimodality)
    return Analysis(data, findings, "accuracy", evidence)


def swept(data):
    """The sweep whose curves these are."""
    names = {data[axis].attrs["name"]: axis for axis in ("x", "group")}
    sizes, data_sizes = (data[names[name]] for name in ("model_size", "data_size"))
    return (
        data.drop_vars(["x", "group"])
        .rename({names["model_size"]: "size", names["data_size"]: "data_size"})
        .assign_coords(
            params=("size", sizes.values, {"long_name": sizes.attrs["units"]}),
            data_size=("data_size", data_sizes.values, {"long_name": data_sizes.attrs["units"]}),
        )
    )


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
