import jax
import numpy as np
import pytest

from jaxphase.scaling import FormKind, scaling_forms

X = np.geomspace(1, 1000, 24)
FORMS = [kind.name.lower() for kind in list(FormKind)[:4]]
CURVES = 300


def curves(form, seed=0, count=CURVES):
    """Curves of one form that change by one over X, up or down, about any constant."""
    rng = np.random.default_rng(seed)

    def between(low, high):
        return rng.uniform(low, high, (count, 1))

    shape = {
        "power_law": lambda: X ** (rng.choice([-1, 1], (count, 1)) * between(0.3, 0.9)),
        "exponential": lambda: np.exp(-X / 10 ** between(0.7, 2.5)),
        "logarithmic": lambda: np.log(X) * np.ones((count, 1)),
        "stretched_exponential": lambda: np.exp(-((X / 10 ** between(1, 2)) ** between(0.3, 0.6))),
    }[form]()
    change = shape.max(axis=1, keepdims=True) - shape.min(axis=1, keepdims=True)
    return rng.normal(0, 3, (count, 1)) + rng.choice([-1, 1], (count, 1)) * shape / change


def noisy(y, noise, seed=1):
    return y + noise * np.random.default_rng(seed).standard_normal(y.shape)


def names(fit):
    return np.array([kind.name.lower() for kind in FormKind])[np.asarray(fit.kind)]


# With 24 points over three decades; the smaller of two nested forms loses to the larger in some ten of a hundred.
@pytest.mark.parametrize(
    ("form", "noise", "found", "right_if_decided"),
    [
        ("power_law", 0.01, 0.95, 0.96),
        ("exponential", 0.01, 0.85, 0.92),
        ("logarithmic", 0.01, 0.85, 0.92),
        ("stretched_exponential", 0.01, 0.97, 0.98),
        ("power_law", 0.05, 0.84, 0.91),
        ("exponential", 0.05, 0.84, 0.91),
        ("logarithmic", 0.05, 0.85, 0.91),
        ("stretched_exponential", 0.05, 0.77, 0.87),
    ],
)
def test_the_form_that_made_a_curve_is_found(form, noise, found, right_if_decided):
    fit = scaling_forms(X, noisy(curves(form), noise))
    decided = np.asarray(fit.decided)
    assert np.mean(names(fit) == form) >= found
    assert np.mean(names(fit)[decided] == form) >= right_if_decided
    np.testing.assert_allclose(np.sum(fit.weights, axis=-1), 1, rtol=1e-5)


def test_strong_noise_over_a_decade_is_left_open_more_often_than_not():
    fit = scaling_forms(np.geomspace(1, 10, 24), noisy(curves("power_law"), 0.2))
    decided = np.asarray(fit.decided)
    assert decided.mean() < 0.5
    assert np.mean(names(fit)[decided] == "power_law") > 0.75


def test_noise_and_constants_have_no_form():
    flat = scaling_forms(X, noisy(np.full((CURVES, 24), 2.3), 0.5))
    assert np.mean(flat.kind == FormKind.CONSTANT) >= 0.9
    assert np.mean(flat.decided) <= 0.06
    few = np.where(np.arange(24) < 6, X, np.nan)
    result = scaling_forms(X, np.stack([np.full(24, 2.3), few] * (CURVES // 2)))
    np.testing.assert_array_equal(result.status[:2], [2, 3])
    np.testing.assert_array_equal(result.kind[:2], [FormKind.CONSTANT, FormKind.TOO_FEW_POINTS])
    assert not np.any(result.decided)
    assert np.all(np.isnan(result.weights))


@pytest.mark.parametrize(("form", "index"), [(name, i) for i, name in enumerate(FORMS)])
def test_numbers_and_errors_are_those_of_the_curve(form, index):
    truth = {"constant": 1.5, "amplitude": 2.0, "exponent": np.nan, "length": np.nan} | {
        "power_law": {"exponent": -0.5},
        "exponential": {"length": 60},
        "logarithmic": {},
        "stretched_exponential": {"exponent": 0.5, "length": 30},
    }[form]
    b, xi = truth["exponent"], truth["length"]
    shape = {
        "power_law": X**b,
        "exponential": np.exp(-X / xi),
        "logarithmic": np.log(X),
        "stretched_exponential": np.exp(-((X / xi) ** b)),
    }[form]
    fit = scaling_forms(X, noisy(np.tile(truth["constant"] + truth["amplitude"] * shape, (CURVES, 1)), 0.02))
    for name, value in truth.items():
        estimate, error = (np.asarray(getattr(fit, key))[:, index] for key in (name, f"{name}_se"))
        if np.isnan(value):
            assert np.all(np.isnan(estimate) & np.isnan(error))
        else:
            assert 0.91 <= np.mean(np.abs(estimate - value) < 2.09 * error) <= 0.985


def test_points_of_no_weight_do_not_count_and_others_count_by_their_weight():
    y = noisy(curves("power_law"), 0.02)
    weight = np.where(np.arange(24) % 2, 4.0, 1.0)
    twice = noisy(y, 0)
    twice[:, ::2] += 0.2 * np.random.default_rng(3).standard_normal((CURVES, 12))
    plain, weighted = scaling_forms(X, twice), scaling_forms(X, twice, weight=np.where(np.arange(24) % 2, 1, 0.01))
    assert np.median(weighted.exponent_se[:, 0]) < 0.7 * np.median(plain.exponent_se[:, 0])
    scaled = scaling_forms(X, y, weight=10 * weight)
    # Of a few stretched exponentials rounding decides to which of two minima the search goes.
    same = np.isclose(scaled.bic, scaling_forms(X, y, weight=weight).bic, rtol=1e-3)
    assert np.all(same[:, :3]) and np.mean(same[:, 3]) > 0.97


def test_the_units_of_x_and_y_decide_nothing():
    y = noisy(np.concatenate([curves(form, count=75) for form in FORMS]), 0.03)
    with jax.enable_x64(True):
        fit = scaling_forms(X, y)
        for other in (scaling_forms(1e6 * X, y), scaling_forms(X, 1e-3 * y + 7)):
            np.testing.assert_array_equal(other.kind, fit.kind)
            np.testing.assert_allclose(other.weights, fit.weights, atol=1e-6)
        np.testing.assert_allclose(scaling_forms(1e6 * X, y).length, 1e6 * fit.length, rtol=1e-4)
        np.testing.assert_allclose(scaling_forms(X, 1e-3 * y).sse, 1e-6 * fit.sse, rtol=1e-6)
    single = scaling_forms(X, y)
    assert np.mean(single.kind == fit.kind) >= 0.97
    np.testing.assert_allclose(single.bic, fit.bic, atol=0.3)


def test_missing_points_and_their_order_do_not_count():
    y = noisy(curves("stretched_exponential"), 0.02).reshape(2, CURVES // 2, 24)
    missing, order = np.isin(np.arange(24), [0, 3, 20]), np.random.default_rng(0).permutation(24)
    holed = np.where(missing, np.nan, y)
    batch = scaling_forms(X, holed)
    assert batch.kind.shape == (2, CURVES // 2)
    assert batch.weights.shape == (2, CURVES // 2, 4)
    shuffled = scaling_forms(X[order], holed[..., order])
    not_positive = scaling_forms(np.where(missing, -X, X), y)
    weightless = scaling_forms(X, np.where(missing, 99, y), weight=~missing)
    for other in (shuffled, not_positive, weightless):
        np.testing.assert_allclose(other.bic, batch.bic, atol=0.1)


@pytest.mark.parametrize("form", FORMS)
def test_curves_without_noise_are_what_they_are(form):
    fit = scaling_forms(X, curves(form))
    assert np.mean(names(fit) == form) >= 0.97
