import json
import shutil

import pytest
from made_by_hand import RENORMALIZED, SPEC, analyzed, swept

from jaxphase.analysis import save_analysis
from jaxphase.plots import write_figures
from jaxphase.report import report_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """What a sweep and its renormalization leave behind, small."""
    folder = tmp_path_factory.mktemp("a sweep & its #1 results")
    analysis = analyzed()
    save_analysis(analysis, folder)
    write_figures(analysis, folder)
    for name in ("curves.pdf", "phase_diagram.pdf"):
        (folder / name).write_bytes(b"%PDF-1.7")
    swept(analysis.dataset).to_netcdf(folder / "sweep.nc", engine="h5netcdf")
    (folder / "spec.toml").write_text(SPEC)
    (folder / "rg").mkdir()
    (folder / "rg" / "rg.json").write_text(json.dumps(RENORMALIZED))
    shutil.copy(folder / "phase_diagram.png", folder / "rg" / "flow.png")
    return folder


@pytest.fixture(scope="session")
def report(folder):
    return report_folder(folder)
