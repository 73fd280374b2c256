import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxphase.linalg.sweep_operator import inverse_and_log_determinant
from jaxphase.scaling import CollapseKind, collapse, identify_universality_class, master_curve
from jaxphase.scaling.quality import Table, quality

SIZES = (8, 16, 32, 64)
CRITICAL, INVERSE_NU, EXPONENT = 0.44, 0.8, -0.15


def family(rng, noise=0.01, points=13, spread=2.5):
    """Rows of an order parameter, each size over its own part of the control."""
    size = np.repeat(SIZES, points)
    control = np.concatenate([CRITICAL + np.linspace(-spread, spread, points) * side**-INVERSE_NU for side in SIZES])
    x = (control - CRITICAL) * size**INVERSE_NU
    height = size**EXPONENT
    error = noise * height
    return size, control, height * (0.6 + 0.4 * np.tanh(x + 0.2)) + error * rng.standard_normal(len(x)), error


def test_known_exponents_are_recovered_within_their_intervals():
    rng, inside, pulls = np.random.default_rng(0), [], []
    for _ in range(8):
        found = collapse(*family(rng))
        assert found.kind == CollapseKind.TRANSITION
        truths = np.array([CRITICAL, INVERSE_NU, EXPONENT])
        ends = np.stack([found.critical_interval, found.inverse_nu_interval, found.exponent_interval[0]])
        inside += ((ends[:, 0] <= truths) & (truths <= ends[:, 1])).tolist()
        pulls += (np.abs(ends.mean(1) - truths) / (ends[:, 1] - ends[:, 0])).tolist()
    assert np.mean(inside) >= 0.8  # 24 of them, of which 95 % should: 19 or fewer have a probability of 1e-3
    assert np.median(pulls) > 0.05  # half the misses are beyond .67 standard errors, if these are not too large
    assert found.nu == pytest.approx(1 / found.inverse_nu) and 0.3 < found.chi2_per_dof < 2
    assert 0.3 < found.quality < 3 and found.coverage > 0.8
    assert found.windows.weight.sum() == pytest.approx(1) and len(set(found.windows.dropped)) > 1


def test_rows_in_any_order_unit_and_company_give_the_same_answer():
    size, control, value, error = family(np.random.default_rng(1))
    one = collapse(size, control, value, error)
    order = np.random.default_rng(2).permutation(len(size))
    value_gap = value.copy()
    value_gap[3] = np.nan
    gap = np.delete(np.arange(len(size)), 3)
    other = collapse(7 * size[order], 5 + 3 * control[order], 1e-6 * value[order], 1e-6 * error[order])
    np.testing.assert_allclose((other.critical - 5) / 3, one.critical, rtol=1e-6)
    np.testing.assert_allclose(other.inverse_nu, one.inverse_nu, rtol=1e-5)
    np.testing.assert_allclose(other.exponent_interval, one.exponent_interval, rtol=1e-4)
    left_out = collapse(*(column[gap] for column in (size, control, value, error)))
    assert collapse(size, control, value_gap, error).critical == left_out.critical


def test_without_errors_the_scatter_is_taken():
    rows = family(np.random.default_rng(3))
    given, found = collapse(*rows), collapse(*rows[:3])
    assert found.kind == CollapseKind.TRANSITION
    assert 0.5 < found.inverse_nu_se / given.inverse_nu_se < 2
    assert abs(found.critical - CRITICAL) < 3 * np.hypot(found.critical_se, found.critical_sys)


def test_observables_share_the_critical_point_and_have_exponents_of_their_own():
    rng = np.random.default_rng(4)
    size, control, value, error = family(rng)
    peak = size**1.2 / (1 + ((control - CRITICAL) * size**INVERSE_NU) ** 2)
    noisy = peak * (1 + 0.02 * rng.standard_normal(len(peak)))
    which = np.repeat([0, 1], len(size))
    both = collapse(
        *(np.tile(column, 2) for column in (size, control)),
        np.concatenate([value, noisy]),
        np.concatenate([error, 0.02 * peak]),
        observable=which,
    )
    one = collapse(size, control, value, error)
    np.testing.assert_allclose(both.exponent, [EXPONENT, 1.2], atol=0.03)
    held = collapse(
        *(np.tile(column, 2) for column in (size, control)),
        np.concatenate([value, noisy]),
        np.concatenate([error, 0.02 * peak]),
        observable=which,
        exponent=[np.nan, 1.2],
    )
    assert held.exponent[1] == pytest.approx(1.2) and held.exponent_se[1] == 0 < held.exponent_se[0]
    assert both.critical_se < one.critical_se
    assert abs(both.critical - CRITICAL) < 3 * np.hypot(both.critical_se, both.critical_sys)
    exponents, covariance = both.exponents("beta/nu", "gamma/nu")
    assert exponents == {"1/nu": both.inverse_nu, "beta/nu": -both.exponent[0], "gamma/nu": both.exponent[1]}
    assert identify_universality_class(exponents, covariance, dimension=2).best in ("none", "2-D Ising")
    np.testing.assert_allclose(covariance[0, 1], -both.covariance[1, 2])


def test_resampling_agrees_with_the_curvature_and_changes_no_estimate():
    rows = family(np.random.default_rng(10))
    curvature, resampled = collapse(*rows), collapse(*rows, resamples=60, key=jax.random.key(1))
    assert resampled.critical == curvature.critical and resampled.exponent == curvature.exponent
    for name in ("critical_se", "inverse_nu_se", "exponent_se"):
        assert 0.6 < getattr(resampled, name) / getattr(curvature, name) < 1.6
    assert collapse(*rows, resamples=60, key=jax.random.key(1)).critical_se == resampled.critical_se


def test_what_is_given_is_held():
    size, control, value, error = family(np.random.default_rng(5))
    found = collapse(size, control, value, error, critical=CRITICAL, exponent=EXPONENT)
    assert found.critical == pytest.approx(CRITICAL) and found.critical_se == 0
    assert found.exponent[0] == pytest.approx(EXPONENT) and found.exponent_se[0] == 0
    assert found.inverse_nu_se < collapse(size, control, value, error).inverse_nu_se


@pytest.mark.parametrize("change", ["same", "taller", "shifted", "raised"])
def test_curves_of_one_width_are_no_transition(change):
    rng = np.random.default_rng(6)
    size, control = np.repeat(SIZES, 13), np.tile(np.linspace(-1, 1, 13), 4)
    growth = np.log(size / 8)
    value = np.tanh(3 * (control - (0.15 * growth if change == "shifted" else 0)))
    value = value * size**0.5 if change == "taller" else value + (0.2 * growth if change == "raised" else 0)
    error = 0.02 * (size**0.5 if change == "taller" else np.ones(len(size)))
    found = collapse(size, control, value + error * rng.standard_normal(len(size)), error)
    assert found.kind != CollapseKind.TRANSITION


def test_bad_rows_are_told():
    size, control, value, error = family(np.random.default_rng(7))
    two = size > 16
    two_sizes = size[two], control[two], value[two], error[two]
    for rows in (two_sizes, (size, control, np.full_like(value, np.nan), error)):
        found = collapse(*rows)
        assert found.kind == CollapseKind.NOT_ENOUGH_DATA and np.isnan(found.critical_interval).all()
    with pytest.raises(ValueError, match=r"\(51,\)"):
        collapse(size, control, value[1:], error)
    with pytest.raises(ValueError, match="size must be positive"):
        collapse(-size, control, value, error)


def test_quality_is_one_for_data_that_collapse_and_large_for_others():
    rng, found = np.random.default_rng(8), []
    for _ in range(20):
        _, control, value, error = family(rng, points=21)
        columns = (column.reshape(4, -1) for column in (control, value, error))
        table = Table(jnp.log(jnp.array(SIZES) / 64), *map(jnp.asarray, columns))
        right, coverage = quality(table, CRITICAL, INVERSE_NU, EXPONENT)
        wrong, _ = quality(table, CRITICAL + 0.05, INVERSE_NU, EXPONENT)
        assert coverage > 0.8 and wrong > 4 * right
        found.append(float(right))
    assert 0.8 < np.mean(found) < 1.3


def test_a_correction_to_scaling_is_in_the_likelihood_and_does_not_pass_for_the_exponent():
    size, control, value, error = family(np.random.default_rng(11))
    value = value * (1 + 0.4 * 8 / size)
    columns = (np.log(size / 64), control - CRITICAL, value, error, np.ones(len(size)))
    rows = master_curve.Rows(*(jnp.asarray(column)[None] for column in columns))
    exponents = np.linspace(-0.45, 0.15, 31)

    def likeliest(log_omega):
        def loss(exponent):
            curve = master_curve.Curve(exponent[None], *jnp.array([[-1.0], [-1.5], [-0.5], [-7.0]]))
            theta = master_curve.Theta(jnp.zeros(()), INVERSE_NU * jnp.ones(()), curve, log_omega)
            return master_curve.minus_log_posterior(theta, rows, 3.0 * 64**-INVERSE_NU)

        found = np.asarray(jax.jit(jax.vmap(loss))(jnp.asarray(exponents)))
        return exponents[np.argmin(found)], found.min()

    (allowed, with_correction), (ignored, without) = likeliest(jnp.zeros(())), likeliest(None)
    assert abs(allowed - EXPONENT) < 0.05
    assert abs(ignored - EXPONENT) > 0.1
    assert with_correction < without - 20


def test_the_sweep_operator_inverts_and_can_be_differentiated():
    a = np.random.default_rng(9).normal(size=(12, 20))
    matrix = jnp.asarray(a @ a.T + np.eye(12), jnp.float32)
    inverse, log_determinant = inverse_and_log_determinant(matrix)
    np.testing.assert_allclose(inverse, np.linalg.inv(matrix), atol=1e-5)
    np.testing.assert_allclose(log_determinant, np.linalg.slogdet(matrix)[1], rtol=1e-5)
    slope = jax.grad(lambda scale: inverse_and_log_determinant(scale * matrix)[1])(1.0)
    assert slope == pytest.approx(12, rel=1e-4)
    bend = jax.grad(lambda scale: jnp.sum(inverse_and_log_determinant(scale * matrix)[0]))(1.0)
    assert bend == pytest.approx(-float(jnp.sum(inverse)), rel=1e-3)
