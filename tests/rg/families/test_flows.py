"""What is read of a flow whose fixed point is known, and its figures."""

import json

import numpy as np
import pytest
import xarray as xr

from jaxphase import plots
from jaxphase.errors import InputError
from jaxphase.rg import FlowKind, Phase
from jaxphase.rg.families.flows import FOLLOWED, follow, read_flow, write_flow
from jaxphase.words.flows import flow_grid, loss_grid

SIZES, SEEDS, STEPS, LAYERS = 6, 8, 4, 2


@pytest.fixture(scope="module")
def dataset():
    """ln chi flows away from 0 by the factor 1.5, the effective rank to that of white noise by 0.4, all with noise; the
    kurtosis drifts at constant speed, and the skewness is noise about a constant."""
    rng = np.random.default_rng(0)
    order = np.array([np.arange(SIZES), [3, 0, 5, 1, 4, 2], [2, 5, 0, 4, 1, 3]])
    starts = np.linspace(-0.3, 0.3, SIZES)[order][..., None, None, None] + np.zeros((3, SIZES, SEEDS, 1, LAYERS))
    step = np.arange(STEPS)[:, None]
    noise = 0.004 * rng.standard_normal((4, SIZES, SEEDS, STEPS, LAYERS))
    axes = ("size", "seed", "scale", "layer")
    values = {
        "chi": np.exp(starts[0] * 1.5**step + noise[0]),
        "effective_rank": np.exp((starts[1] - 0.4) * 0.4**step + noise[1]),
        "kurtosis": 3 + starts[2] + 0.3 * step + noise[2],
        "skewness": 0.5 + 10 * noise[3],
    }
    widths = 128 // 2 ** np.arange(STEPS)
    variables = {name: (axes, value) for name, value in values.items()}
    metric = rng.uniform(0.2, 0.9, (2, SIZES, SEEDS, STEPS))
    variables |= dict.fromkeys(("loss", "accuracy"), (("variant", *axes[:3]), metric))
    spectrum = np.where(np.arange(128) < widths[:, None, None], 1.0 / (1 + np.arange(128)), 0)
    variables["eigenvalues"] = (*axes, "rank"), np.broadcast_to(spectrum, (SIZES, SEEDS, STEPS, 1, 128)).repeat(2, 3)
    coordinates = {
        "variant": ["activations", "weights"],
        "size": np.arange(1, SIZES + 1) * 1000,
        "scale": np.arange(STEPS),
        "params": (
            ("size", "scale"),
            np.outer(np.arange(1, SIZES + 1) * 1000, 1 / 2.0 ** np.arange(STEPS)).astype(int),
        ),
    }
    return xr.Dataset(variables, coordinates, {"criticality_threshold": 0.8})


@pytest.fixture(scope="module")
def family(dataset):
    return follow(dataset)


def test_a_fixed_point_is_found_where_there_is_one_and_nowhere_else(family):
    assert len(family.flows) == LAYERS * len(FOLLOWED)
    for flow in family.flows:
        if flow.coupling == "chi":
            assert flow.kind == FlowKind.FIXED_POINT
            assert flow.interval[0] < 0 < flow.interval[1] and flow.interval[1] - flow.interval[0] < 0.05
            assert abs(flow.y.value - np.log2(1.5)) < 4 * flow.y.se and flow.y.se < 0.1
            assert abs(flow.nu.value - 1 / np.log2(1.5)) < 4 * flow.nu.se
        elif flow.coupling == "effective_rank":
            assert flow.kind == FlowKind.TRIVIAL and np.isnan(flow.nu.value)
            assert abs(flow.y.value - np.log2(0.4)) < 4 * flow.y.se
        else:
            assert flow.kind == FlowKind.NOT_FOUND and np.isnan([flow.fixed_point, flow.y.value]).all()


def test_a_coupling_whose_members_obey_different_maps_has_no_fixed_point_of_its_own(dataset):
    shift = xr.DataArray(0.02 * np.random.default_rng(1).standard_normal((SIZES, STEPS)), dims=("size", "scale"))
    broken = dataset.assign(effective_rank=dataset.effective_rank * np.exp(shift))
    flows = [flow for flow in follow(broken).flows if flow.coupling == "effective_rank"]
    assert all(flow.kind == FlowKind.NOT_FOUND and np.isnan(flow.fixed_point) for flow in flows)
    assert any(flow.misfit > 4 for flow in flows)


def test_beta_is_the_change_over_the_logarithm_of_two(family):
    (drift, *_) = (flow for flow in family.flows if flow.coupling == "kurtosis")
    assert drift.beta.shape == (SIZES, STEPS - 1)
    np.testing.assert_allclose(drift.beta, 0.3 / np.log(2), atol=5 * drift.beta_se.max())
    np.testing.assert_allclose(drift.beta_se, 0.004 * 2**0.5 / SEEDS**0.5 / np.log(2), rtol=0.8)
    np.testing.assert_allclose(drift.midpoint[2], -0.3 + 0.3 * (np.arange(3) + 0.5), atol=0.02)


def test_phases_follow_the_threshold_of_the_configuration(dataset, family):
    chi = dataset.chi.isel(layer=0).transpose("size", "scale", "seed").mean("seed").values
    wanted = np.where(chi < 0.8, Phase.ORDERED, np.where(chi > 1 / 0.8, Phase.CHAOTIC, Phase.CRITICAL))
    np.testing.assert_array_equal(family.phase[0], wanted)
    strict = follow(dataset.assign_attrs(criticality_threshold=0.99))
    assert (strict.phase == Phase.CRITICAL).sum() < (family.phase == Phase.CRITICAL).sum()


def test_the_ensemble_has_the_leading_exponent_too(family):
    leading = np.nanmax(family.y, axis=-1)
    np.testing.assert_allclose(leading, np.log2(1.5), atol=0.15)


def test_tables_and_files_say_what_was_found(tmp_path, dataset, family):
    write_flow(family, tmp_path / "rg.json")
    saved = json.loads((tmp_path / "rg.json").read_text())
    assert [flow["kind"] for flow in saved["flows"]] == [flow.kind.name.lower() for flow in family.flows]
    assert saved["phase"][0][0][0] == Phase(family.phase[0, 0, 0]).name.lower()
    assert saved["flows"][0]["fixed_point"] is None and saved["linearized"]["couplings"] == list(FOLLOWED)
    assert len(flow_grid(family).rows) == len(family.flows) and len(loss_grid(dataset).rows) == SIZES
    plots.write_flow_figures(dataset, family, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "flow.png",
        "loss.png",
        "phase_diagram.png",
        "spectra.png",
    ]


def test_a_written_flow_is_read_as_it_was(tmp_path, family):
    write_flow(family, tmp_path / "rg.json")
    again = read_flow(tmp_path / "rg.json")
    np.testing.assert_array_equal(again.phase, family.phase)
    np.testing.assert_allclose(again.y, family.y)
    for flow, wanted in zip(again.flows, family.flows, strict=True):
        assert (flow.layer, flow.coupling, flow.kind) == (wanted.layer, wanted.coupling, wanted.kind)
        for name in ("midpoint", "beta", "beta_se", "interval", "y", "nu", "misfit", "fixed_point", "start", "end"):
            np.testing.assert_allclose(getattr(flow, name), getattr(wanted, name))
    assert read_flow(tmp_path / "none.json") is None
    (tmp_path / "old.json").write_text('{"flows": [{"kind": "fixed point"}], "phase": []}')
    with pytest.raises(InputError, match="no flow of this version"):
        read_flow(tmp_path / "old.json")


def test_the_figures_show_the_flow(dataset, family):
    assert plots.coupling(dataset, family, "kurtosis").get_ylabel() == FOLLOWED["kurtosis"].label
    drawn = plots.coupling(dataset, family, "chi").containers  # of every layer and size an errorbar
    assert len(drawn) == LAYERS * SIZES
    wanted = np.log(dataset.chi.values[1, :, :, 0]).mean(axis=0)
    np.testing.assert_allclose(drawn[1].lines[0].get_ydata(), wanted)
    beta = plots.beta(dataset, family, "chi")
    assert len(beta.patches) == LAYERS  # a band for the fixed point of each layer
    middle, change = beta.containers[0].lines[0].get_data()
    np.testing.assert_allclose(change, 0.4 / np.log(2) * middle, atol=0.02)  # from K to 1.5 K, about 1.25 K
    assert not plots.beta(dataset, family, "skewness").patches
    spectra = plots.spectrum(dataset)
    assert [len(line.get_xdata()) for line in spectra.lines[:STEPS]] == [128, 64, 32, 16]
    np.testing.assert_allclose([line.get_ydata().mean() for line in spectra.lines[:STEPS]], 1)
    for layer in range(LAYERS):
        lines = plots.flow_diagram(dataset, family, layer).lines
        markers = [line.get_marker() for line in lines if len(line.get_xdata())]
        assert markers.count("o") == (family.phase[layer] == Phase.CRITICAL).sum()
    cost = plots.coarse_loss(dataset, "accuracy")
    assert cost.get_ylabel() == "probe accuracy"
    drawn = cost.containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, dataset.accuracy.values[0, 0].mean(axis=0), rtol=1e-6)


def test_what_a_family_does_not_have_is_not_drawn(dataset, family):
    with pytest.raises(InputError, match="name is 'entropy': choose from kurtosis, skewness"):
        plots.beta(dataset, family, "entropy")
    with pytest.raises(InputError, match="layer is 2: choose one from 0 to 1"):
        plots.spectrum(dataset, 2)
    with pytest.raises(InputError, match="metric is 'val_loss': choose from loss, accuracy"):
        plots.coarse_loss(dataset, "val_loss")
    with pytest.raises(InputError, match="at least two model sizes"):
        plots.flow_diagram(dataset.isel(size=[0]), family)
