"""Panels of what is predicted: isoFLOP curves, allocation, critical sizes."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from jaxphase import plots, predict
from jaxphase.errors import InputError

E, A, ALPHA, B, BETA = 1.7, 400.0, 0.34, 410.0, 0.28


@pytest.fixture(scope="module")
def surface():
    """Chinchilla's law, and draws whose exponents vary a little."""
    rng = np.random.default_rng(0)
    law = np.array([E, np.log(A), ALPHA, np.log(B), BETA])
    nothing = dict.fromkeys(predict.Surface._fields, np.nan)
    draws = law + rng.normal(size=(60, 5)) * [0.01, 0, 0.002, 0, 0.002]
    return predict.Surface(**nothing | {"E": E, "A": A, "a": ALPHA, "B": B, "b": BETA, "draws": draws, "status": 0})


def law(n, d):
    return E + A / n**ALPHA + B / d**BETA


def searched(compute):
    return 10 ** minimize_scalar(lambda x: law(10**x, compute / 6 / 10**x), bounds=(5, 13), method="bounded").x


def test_isoflop_curves_are_those_of_the_law_with_their_minima(surface):
    compute, sizes = [1e21, 1e19], np.geomspace(1e7, 1e10, 30)
    ax = plots.isoflop(surface, compute, sizes)
    curves = [line for line in ax.lines if len(line.get_xdata()) == 30]
    for line, budget in zip(curves, (1e19, 1e21), strict=True):
        np.testing.assert_allclose(line.get_ydata(), law(sizes, budget / 6 / sizes), rtol=1e-5)
    (bars,) = ax.containers
    best = [searched(budget) for budget in (1e19, 1e21)]
    np.testing.assert_allclose(bars.lines[0].get_xdata(), best, rtol=1e-3)
    ends = np.array(bars.lines[2][0].get_segments())[..., 0]
    assert (ends[:, 0] < best).all() and (best < ends[:, 1]).all() and len(ax.collections) == 3
    labels = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert labels == ["1e19 FLOP", "1e21 FLOP", "least loss, 95 % interval"]


def test_a_minimum_outside_of_what_is_drawn_is_not_marked(surface):
    ax = plots.isoflop(surface, [1e19, 1e24], np.geomspace(1e7, 1e9, 30))
    assert len(ax.containers[0].lines[0].get_xdata()) == 1
    assert not plots.isoflop(surface, 1e24, np.geomspace(1e7, 1e9, 30)).containers
    left, right = plots.isoflop(surface, 1e19).get_xlim()
    assert (left, right) == pytest.approx((searched(1e19) / 30, searched(1e19) * 30), rel=1e-2)


def test_the_best_model_and_data_are_drawn_over_compute(surface):
    ax = plots.allocation(surface, [1e18, 1e22])
    params, data = ax.lines
    compute = params.get_xdata()
    np.testing.assert_allclose(params.get_ydata()[::33], [searched(c) for c in compute[::33]], rtol=1e-3)
    np.testing.assert_allclose(params.get_ydata() * data.get_ydata() * 6, compute, rtol=1e-4)
    names = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    power = np.log(searched(1e22) / searched(1e18)) / np.log(1e4)
    for name, exponent in zip(names, (power, 1 - power), strict=True):
        low, high = map(float, name.split("[")[1].rstrip("]").split(","))
        assert f"C^{{{exponent:.3f}}}" in name and low < exponent < high


def test_surfaces_and_budgets_that_cannot_be_drawn_are_refused(surface):
    with pytest.raises(InputError, match="give the ends of a range"):
        plots.allocation(surface, 1e20)
    with pytest.raises(InputError, match="give positive, finite numbers"):
        plots.isoflop(surface, [1e20, -1])
    with pytest.raises(InputError, match=r"no answer \(status 2\)"):
        plots.isoflop(surface._replace(E=np.nan, status=2), 1e20)
    with pytest.raises(InputError, match=r"the surface has shape \(3,\)"):
        plots.isoflop(surface._replace(E=np.ones(3)), 1e20)


def test_predicted_critical_sizes_are_drawn_against_those_measured():
    rng = np.random.default_rng(0)
    families, objectives = np.tile(["mlp", "vit", "resnet"], 6), np.repeat(["contrastive", "vicreg"], 9)
    data = 10 ** rng.uniform(2, 5, 18)
    size = 100 * data**0.5 * np.where(families == "vit", 10.0, 1.0)
    model = predict.fit(predict.measured(families, objectives, data, np.full(18, 3.0), size, size / 1.3, size * 1.3))
    ax = plots.predictions(model)
    assert len(ax.containers) == 6  # families times objectives
    seen = np.concatenate([bars.lines[0].get_xydata() for bars in ax.containers])
    np.testing.assert_allclose(np.sort(seen[:, 1]), np.sort(size))
    np.testing.assert_allclose(seen[:, 0], seen[:, 1], rtol=0.2, err_msg="the law is exact")
    across, along = (np.array(bars.get_segments()) for bars in ax.containers[0].lines[2])
    first = (families == "mlp") & (objectives == "contrastive")
    np.testing.assert_allclose(along[..., 1], np.outer(size[first], [1 / 1.3, 1.3]))
    names = {"family": "mlp", "objective": "contrastive", "data_complexity": 3.0}
    wanted = [predict.critical_size(model, data_size=one, **names).interval for one in data[first]]
    np.testing.assert_allclose(across[..., 0], wanted, rtol=1e-4)
    labels = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert labels == ["mlp", "resnet", "vit", "contrastive", "vicreg"]


def test_other_critical_quantities_have_their_name_and_unit_and_groups_their_colors():
    rng = np.random.default_rng(0)
    data, size = np.tile(["digits", "text"], 6), 10 ** rng.uniform(3, 6, 12)
    critical = 1e5 * size**-0.4 * np.where(data == "text", 3.0, 1.0) * np.exp(0.02 * rng.standard_normal(12))
    columns = ["mlp"] * 12, ["vicreg"] * 12, None, None, critical, critical / 1.1, critical * 1.1
    model = predict.fit(predict.measured(*columns, model_size=size, data=data, along="data_size"), group_by="data")
    ax = plots.predictions(model)
    assert ax.get_xlabel() == "critical data size by the model (rows)"
    assert ax.get_ylabel() == "critical data size, measured (rows)"
    assert ax.get_title(loc="left") == "Critical data sizes"
    np.testing.assert_allclose(ax.containers[1].lines[0].get_ydata(), critical[data == "text"])
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["digits", "text"]
