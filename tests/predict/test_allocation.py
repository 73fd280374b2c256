import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares, minimize, minimize_scalar

from jaxphase.detect import Status
from jaxphase.predict import Surface, allocate, fit_surface, isoflop, relative_to_optimum

# Hoffmann et al. (2022), eq. 10.
CHINCHILLA = (1.69, 406.4, 0.34, 410.7, 0.28)
PARAMS, DATA = (a.ravel() for a in np.meshgrid(np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e12, 6)))
DRAWS = 60


def law(params, data, floor, by_size, a, by_data, b):
    return floor + by_size / params**a + by_data / data**b


def noisy(seed, noise=0.01, theta=CHINCHILLA, params=PARAMS, data=DATA):
    loss = law(params, data, *theta)
    return loss * np.exp(noise * np.random.default_rng(seed).standard_normal(loss.shape))


def huber_sum(theta, loss, delta, params=PARAMS, data=DATA):
    error = np.abs(np.log(law(params, data, *theta)) - np.log(loss))
    return np.sum(np.where(error <= delta, error**2 / 2, delta * (error - delta / 2)))


def parameters(surface, i=()):
    return np.array([np.asarray(getattr(surface, name))[i] for name in ("E", "A", "a", "B", "b")], float)


def cases():
    """Runs [36] by name; one call fits them all, as each shape is a program to compile."""
    outlying, spoiled, order = noisy(0), noisy(0), np.random.default_rng(5).permutation(36)
    outlying[[3, 20]] *= 1.5
    spoiled[:3] = np.nan, 0, -1
    few = np.where(np.arange(36) < 5, noisy(0), np.nan)
    budget = 6e20 / (6 * PARAMS)
    drawn = np.exp(np.random.default_rng(6).normal(0, 0.02, 36))
    return {
        "exact": (PARAMS, DATA, noisy(0, 0)),
        "noisy": (PARAMS, DATA, noisy(0)),
        "shuffled": (PARAMS[order], DATA[order], noisy(0)[order]),
        "scaled": (PARAMS / 1e6, DATA * 1e3, 7 * noisy(0)),
        "outlying": (PARAMS, DATA, outlying),
        "spoiled": (PARAMS, DATA, spoiled),
        "filled": (np.where(np.arange(36) < 3, np.nan, PARAMS), DATA, noisy(0)),
        "no floor": (PARAMS, DATA, noisy(1, 0.002, (0.0, *CHINCHILLA[1:]))),
        "flat in size": (PARAMS, DATA, noisy(1, 0.002, (1.69, 0, 0.34, 410.7, 0.28))),
        "one ratio": (PARAMS, 20 * PARAMS * drawn, noisy(0, data=20 * PARAMS)),
        "one budget": (PARAMS, budget, noisy(0, data=budget)),
        "few runs": (PARAMS, DATA, few),
        "two sizes": (np.where(PARAMS > 1e8, 1e9, 1e8), DATA, noisy(0)),
        "repeated cells": (np.tile(PARAMS[::2][:12], 3), np.tile(DATA[::2][:12], 3), np.tile(noisy(0)[::2][:12], 3)),
        "single cells": tuple(
            np.where(np.arange(36) < 12, np.tile(a[::2][:12], 3), np.nan) for a in (PARAMS, DATA, noisy(0))
        ),
    } | {f"seed {seed}": (PARAMS, DATA, noisy(seed)) for seed in range(2, 22)}


NAMES = list(cases())


@pytest.fixture(scope="module")
def fitted():
    runs = [np.stack(arrays) for arrays in zip(*cases().values(), strict=True)]
    return jax.tree.map(np.asarray, fit_surface(*runs, draws=DRAWS))


def test_exact_losses_give_back_the_law_in_single_precision(fitted):
    np.testing.assert_allclose(parameters(fitted, 0), CHINCHILLA, rtol=2e-3)
    assert fitted.rms[0] < 1e-6


def test_no_search_of_scipy_finds_less_than_the_huber_sum_of_the_fit(fitted):
    for seed in range(2, 6):
        loss, found = noisy(seed), parameters(fitted, NAMES.index(f"seed {seed}"))
        ours = huber_sum(found, loss, 1e-3)
        for start in (CHINCHILLA, found):
            scale = np.array(start)
            options = {"maxiter": 5000, "maxfev": 5000, "xatol": 1e-8, "fatol": 1e-12}
            best = minimize(
                lambda x, s=scale, y=loss: huber_sum(x * s, y, 1e-3) * 1e3,
                np.ones(5),
                method="Nelder-Mead",
                options=options,
            )
            assert ours < best.fun / 1e3 * (1 + 1e-4)


def test_a_wide_delta_is_least_squares_of_the_logarithm_with_the_weights_of_the_errors():
    error = np.random.default_rng(1).uniform(0.005, 0.05, 36)
    loss = law(PARAMS, DATA, *CHINCHILLA) + error * np.random.default_rng(2).standard_normal(36)
    with jax.enable_x64(True):
        surface = fit_surface(PARAMS, DATA, loss, error=error, delta=10.0, draws=40)

    def residuals(x):
        return (np.log(law(PARAMS, DATA, *(x * CHINCHILLA))) - np.log(loss)) * loss / error

    best = least_squares(residuals, np.ones(5), xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    np.testing.assert_allclose(parameters(surface), best * CHINCHILLA, rtol=1e-5)


def test_errors_are_the_scatter_over_new_noise(fitted):
    seeds = [i for i, name in enumerate(NAMES) if name.startswith("seed")]
    for name, truth in zip(("E", "a", "b"), CHINCHILLA[::2], strict=True):
        pull = (getattr(fitted, name)[seeds] - truth) / getattr(fitted, f"{name}_se")[seeds]
        assert 0.55 < np.std(pull) < 1.4
    inside = (fitted.interval[seeds, :, 0] <= np.array(CHINCHILLA)) & (
        fitted.interval[seeds, :, 1] >= np.array(CHINCHILLA)
    )
    assert np.mean(inside) > 0.88


def test_errors_covariance_and_intervals_are_those_of_the_draws(fitted):
    i = NAMES.index("noisy")
    draws = np.asarray(fitted.draws[i], float)
    np.testing.assert_allclose(fitted.covariance[i], np.cov(draws.T), rtol=1e-3, atol=1e-6)
    errors = [fitted.E_se, fitted.log_A_se, fitted.a_se, fitted.log_B_se, fitted.b_se]
    np.testing.assert_allclose([error[i] for error in errors], np.std(draws, axis=0, ddof=1), rtol=1e-3)
    ends = np.quantile(draws, [0.025, 0.975], axis=0).T
    ends[[1, 3]] = np.exp(ends[[1, 3]])
    np.testing.assert_allclose(fitted.interval[i], ends, rtol=1e-3)


def test_order_missing_runs_and_units_do_not_matter(fitted):
    noisy_one, shuffled, scaled, spoiled, filled = (
        parameters(fitted, NAMES.index(name)) for name in ("noisy", "shuffled", "scaled", "spoiled", "filled")
    )
    np.testing.assert_allclose(shuffled, noisy_one, rtol=1e-4)
    np.testing.assert_allclose(fitted.a_se[NAMES.index("shuffled")], fitted.a_se[NAMES.index("noisy")], rtol=1e-3)
    np.testing.assert_allclose(spoiled, filled, rtol=1e-4)
    assert abs(spoiled[2] / noisy_one[2] - 1) > 1e-4
    floor, by_size, a, by_data, b = noisy_one
    np.testing.assert_allclose(scaled, [7 * floor, 7 * by_size / 1e6**a, a, 7 * by_data * 1e3**b, b], rtol=2e-3)


def test_outliers_do_no_harm(fitted):
    clean, outlying = NAMES.index("noisy"), NAMES.index("outlying")
    for name in ("a", "b", "E"):
        value, error = np.asarray(getattr(fitted, name)), np.asarray(getattr(fitted, f"{name}_se"))
        assert abs(value[outlying] - value[clean]) < 1.5 * error[clean]


def test_copies_of_a_run_are_no_new_evidence(fitted):
    once, thrice = NAMES.index("single cells"), NAMES.index("repeated cells")
    np.testing.assert_allclose(parameters(fitted, thrice), parameters(fitted, once), rtol=2e-3)
    np.testing.assert_allclose(fitted.a_se[thrice], fitted.a_se[once], rtol=0.35)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("noisy", Status.OK),
        ("no floor", Status.AT_BOUND),
        ("flat in size", Status.NOT_IDENTIFIED),
        ("one ratio", Status.NOT_IDENTIFIED),
        ("one budget", Status.NOT_IDENTIFIED),
        ("few runs", Status.TOO_FEW_POINTS),
        ("two sizes", Status.TOO_FEW_POINTS),
    ],
)
def test_what_cannot_be_told_is_said(fitted, name, status):
    i = NAMES.index(name)
    assert fitted.status[i] == status
    numbers = jax.tree.map(lambda field: np.asarray(field)[i], fitted)._replace(status=0)
    expected = np.isfinite if status < Status.NOT_IDENTIFIED else np.isnan
    assert all(np.all(expected(field)) for field in numbers[:-1])


def test_a_law_without_floor_has_none_within_its_interval(fitted):
    i = NAMES.index("no floor")
    assert fitted.interval[i, 0, 0] == 0
    assert 0 <= fitted.E[i] < 0.02
    np.testing.assert_allclose(fitted.a[i], 0.34, atol=0.02)


def surface_of(theta=CHINCHILLA, scatter=0.01, draws=200):
    """A surface with known draws."""
    point = np.array([theta[0], np.log(theta[1]), theta[2], np.log(theta[3]), theta[4]])
    laws = point + scatter * np.random.default_rng(0).standard_normal((draws, 5)) * [1, 1, 0.1, 1, 0.1]
    known = dict.fromkeys(Surface._fields, jnp.zeros(()))
    return Surface(
        **known
        | dict(zip(("E", "A", "a", "B", "b"), map(jnp.asarray, theta), strict=True))
        | {"draws": jnp.asarray(laws)}
    )


def best_size(theta, compute, cost=6.0):
    found = minimize_scalar(
        lambda x: law(np.exp(x), compute / cost / np.exp(x), *theta),
        bounds=(5, 45),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return np.exp(found.x), found.fun


def test_the_allocation_is_where_a_numerical_search_finds_the_least_loss():
    compute = np.array([[1e18, 5.76e23, 1e25]])
    for cost in (6.0, 2.0):
        found = allocate(surface_of(), compute, flops_per_token_param=cost)
        assert found.params.shape == (1, 3)
        assert found.params_interval.shape == (1, 3, 2)
        for i, budget in enumerate(compute[0]):
            size, loss = best_size(CHINCHILLA, budget, cost)
            np.testing.assert_allclose(found.params[0, i], size, rtol=1e-4)
            np.testing.assert_allclose(found.data[0, i], budget / cost / size, rtol=1e-4)
            np.testing.assert_allclose(found.loss[0, i], loss, rtol=1e-5)
    slope = np.log(found.params[0, 2] / found.params[0, 0]) / np.log(1e7)
    np.testing.assert_allclose([found.exponent, slope], 0.28 / 0.62, rtol=1e-4)


def test_intervals_of_the_allocation_are_those_of_every_draw_worked_out_alone():
    surface, compute = surface_of(), 1e21
    each = []
    for e, log_a, a, log_b, b in np.asarray(surface.draws, float):
        size, loss = best_size((e, np.exp(log_a), a, np.exp(log_b), b), compute)
        each.append([size, compute / 6 / size, loss, b / (a + b)])
    ends = np.quantile(each, [0.025, 0.975], axis=0).T
    found = allocate(surface, compute)
    ours = [found.params_interval, found.data_interval, found.loss_interval, found.exponent_interval]
    np.testing.assert_allclose(ours, ends, rtol=1e-3)


def test_isoflop_curves_are_the_law_and_lowest_at_the_optimum():
    surface, compute, sizes = surface_of(), np.array([1e20, 1e22]), np.geomspace(1e7, 1e11, 401)
    curves = isoflop(surface, compute[:, None], sizes)
    np.testing.assert_allclose(curves.data, compute[:, None] / 6 / sizes, rtol=1e-4)
    np.testing.assert_allclose(curves.loss, law(sizes, compute[:, None] / 6 / sizes, *CHINCHILLA), rtol=1e-5)
    lowest = sizes[np.argmin(curves.loss, axis=1)]
    np.testing.assert_allclose(lowest, allocate(surface, compute).params, rtol=0.02)
    assert curves.loss_interval.shape == (2, 401, 2)
    assert np.all((curves.loss_interval[..., 0] < curves.loss) & (curves.loss < curves.loss_interval[..., 1]))


def test_a_size_is_measured_by_the_best_one_of_its_own_budget():
    surface, size, data = surface_of(), np.array([1e8, 5e9]), 2e10
    place = relative_to_optimum(surface, size, data)
    best = np.array([best_size(CHINCHILLA, 6 * n * data)[0] for n in size])
    np.testing.assert_allclose(place.ratio, size / best, rtol=1e-4)
    np.testing.assert_allclose(place.optimal_size, best, rtol=1e-4)
    each = allocate(surface, 6 * size * data).params_interval
    np.testing.assert_allclose(place.interval, size[:, None] / np.asarray(each)[:, ::-1], rtol=1e-3)


def test_the_interval_of_a_critical_size_adds_what_it_does_to_the_ratio():
    exact = surface_of(scatter=0)
    alone = relative_to_optimum(exact, 1e9, 2e10, critical_size_interval=[5e8, 3e9])
    ends = [relative_to_optimum(exact, size, 2e10).ratio for size in (5e8, 3e9)]
    np.testing.assert_allclose(alone.interval, ends, rtol=1e-3)
    vague = surface_of()
    both, one = (relative_to_optimum(vague, 1e9, 2e10, critical_size_interval=ends) for ends in ([5e8, 3e9], None))
    widths = [np.log(place.interval / place.ratio) for place in (both, one, alone)]
    np.testing.assert_allclose(np.square(widths[0]), np.square(widths[1]) + np.square(widths[2]), rtol=1e-2)


def test_compiled_code_and_whole_numbers_beyond_32_bits_give_the_same(fitted):
    whole = PARAMS.astype(np.int64), DATA.astype(np.int64)
    one = jax.jit(lambda loss: fit_surface(*whole, loss[None], draws=DRAWS))(noisy(0))
    assert one.E.shape == (1,)
    np.testing.assert_allclose(parameters(one, 0), parameters(fitted, NAMES.index("noisy")), rtol=1e-3)
    np.testing.assert_allclose(allocate(surface_of(), 10**24).params, best_size(CHINCHILLA, 1e24)[0], rtol=1e-4)


def test_batches_of_surfaces_come_before_the_shape_of_the_question(fitted):
    both = allocate(fitted, [1e20, 1e21, 1e22])
    assert both.params.shape == (len(NAMES), 3)
    assert both.exponent_interval.shape == (len(NAMES), 2)
    assert np.all(np.isnan(both.params[NAMES.index("few runs")]))
    alone = allocate(jax.tree.map(lambda field: field[1], fitted), 1e21)
    np.testing.assert_allclose(both.params_interval[1, 1], alone.params_interval, rtol=1e-5)
    place = relative_to_optimum(fitted, np.full((2, 1), 1e9), [1e10, 1e11])
    assert place.interval.shape == (len(NAMES), 2, 2, 2)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((PARAMS, DATA[:5], PARAMS), {}, r"must broadcast to runs \[..., n\], got shapes"),
        ((1e9, 1e10, 2.0), {}, "must broadcast"),
        ((PARAMS, DATA, PARAMS), {"draws": 10}, "draws must be a whole number from 40 on, got 10"),
        ((PARAMS, DATA, PARAMS), {"delta": 0}, "delta must be positive and finite, got 0"),
    ],
)
def test_mistakes_are_named(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        fit_surface(*arguments, **options)
