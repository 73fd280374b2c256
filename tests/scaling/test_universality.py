import math

import numpy as np
import pytest

from jaxphase.scaling import CLASSES, EXPONENTS, identify_universality_class

ISING = {"nu": 1, "beta/nu": 1 / 8, "gamma/nu": 7 / 4}


def errors(exponents, size):
    return dict.fromkeys(exponents, size)


def in_dimension(known):
    return None if known.dimension == 1 and known.exponents["beta"] == 0 else known.dimension


# Numbers as their papers print them, of which the table is not made.
@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("mean field", {"beta": 1 / 2, "gamma": 1, "delta": 3, "alpha": 0, "nu_volume": 2, "beta/nu_volume": 1 / 4}),
        ("tricritical mean field", {"beta": 1 / 4, "gamma": 1, "delta": 5, "alpha": 1 / 2, "nu_volume": 3 / 2}),
        ("mean-field percolation", {"beta": 1, "gamma": 1, "delta": 2, "alpha": -1, "nu_volume": 3}),
        ("first order", {"beta": 0, "gamma": 1, "alpha": 1, "nu_volume": 1}),
        ("2-D Ising", {"beta": 1 / 8, "gamma": 7 / 4, "delta": 15, "eta": 1 / 4, "alpha": 0}),
        ("2-D percolation", {"beta": 5 / 36, "gamma": 43 / 18, "delta": 91 / 5, "eta": 5 / 24, "alpha": -2 / 3}),
        ("2-D 3-state Potts", {"beta": 1 / 9, "gamma": 13 / 9, "delta": 14, "eta": 4 / 15, "alpha": 1 / 3}),
        ("2-D 4-state Potts", {"beta": 1 / 12, "gamma": 7 / 6, "delta": 15, "eta": 1 / 4, "alpha": 2 / 3}),
        ("2-D tricritical Ising", {"beta": 1 / 24, "gamma": 37 / 36, "delta": 77 / 3, "eta": 3 / 20, "alpha": 8 / 9}),
    ],
)
def test_the_exact_rows_are_the_textbook_fractions(name, published):
    known = CLASSES[name]
    np.testing.assert_allclose([known.exponents[k] for k in published], list(published.values()), rtol=1e-12)
    assert not any(known.uncertainties.values())


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # Kos et al. (2016) with the relations; Hasenbusch (2019 and 2020), Monte Carlo.
        ("3-D Ising", {"nu": (0.629971, 4e-6), "eta": (0.036298, 2e-6), "beta": (0.326419, 3e-6)}),
        ("3-D XY", {"nu": (0.67169, 7e-5), "eta": (0.03810, 8e-5)}),
        ("3-D Heisenberg", {"nu": (0.71164, 1e-4), "eta": (0.03784, 5e-5)}),
        # Wang et al. (2013); Hinrichsen (2000), Adv. Phys. 49, 815.
        ("3-D percolation", {"nu": (0.8764, 0.0012), "beta": (0.4181, 0.0008), "eta": (-0.0459, 0.0003)}),
        ("directed percolation 1+1", {"gamma": (0.543882, 0.00002), "beta/nu": (0.252072, 0.00001)}),
        ("directed percolation 2+1", {"beta": (0.580, 0.004), "nu": (0.729, 0.004), "gamma": (0.2998, 0.0162)}),
    ],
)
def test_the_measured_rows_agree_with_independent_sources(name, published):
    known = CLASSES[name]
    for key, (value, error) in published.items():
        assert abs(known.exponents[key] - value) <= 2 * math.hypot(error, known.uncertainties[key]), key
        assert known.uncertainties[key] > 0


@pytest.mark.parametrize("name", CLASSES)
def test_every_row_obeys_every_relation_that_it_can_check(name):
    known = CLASSES[name]
    covariance = known.covariance + np.diag([1e-8] * len(known.exponents))
    relations = identify_universality_class(known.exponents, covariance, dimension=in_dimension(known)).relations
    assert len(relations) == {"first order": 3, "directed percolation 1+1": 1, "directed percolation 2+1": 1}.get(
        name, 5
    )
    assert all(abs(relation.residual) < 1e-12 for relation in relations.values())


@pytest.mark.parametrize("name", CLASSES)
def test_exact_exponents_identify_each_class(name):
    known = CLASSES[name]
    given = {key: known.exponents[key] for key in ("nu", "beta", "gamma", "nu_volume") if key in known.exponents}
    result = identify_universality_class(given, errors(given, 1e-3))
    assert (result.best, result.compatible) == (name, (name,))
    assert result.chi2[result.classes.index(name)] < 1e-12


@pytest.mark.parametrize("name", ["2-D Ising", "3-D percolation", "directed percolation 2+1"])
def test_the_true_class_is_rejected_in_five_of_a_hundred(name):
    known, rng = CLASSES[name], np.random.default_rng(0)
    keys = ("1/nu", "beta/nu", "gamma/nu")
    index = [list(known.exponents).index(key) for key in keys]
    mixing = 0.01 * rng.standard_normal((3, 3))
    measured = mixing @ mixing.T
    truth = np.array([known.exponents[key] for key in keys])
    # The literature errs too, by as much as it says.
    spread = measured + known.covariance[np.ix_(index, index)]
    rejected = 0
    for draw in rng.multivariate_normal(truth, spread, 1000):
        result = identify_universality_class(dict(zip(keys, draw, strict=True)), measured, dimension=known.dimension)
        rejected += result.p_value[result.classes.index(name)] < 0.05
    assert 30 <= rejected <= 75


def test_a_vector_far_from_all_is_none_of_them():
    given = {"nu": 1.5, "beta": 0.7, "gamma": 0.2}
    result = identify_universality_class(given, errors(given, 0.01))
    assert (result.best, result.compatible) == ("none", ())
    assert np.all(result.p_value < 0.05)


def test_one_exponent_is_not_enough_however_often_it_is_told():
    for given, error, dimension in [
        ({"nu": 1}, {"nu": 0.01}, None),
        ({"nu": 1, "1/nu": 1}, {"nu": 0.01, "1/nu": 0.01}, None),
        ({"nu": 1, "nu_volume": 2}, {"nu": 0.01, "nu_volume": 0.02}, 2),
        ({"nu": 1, "beta": math.nan}, {"nu": 0.01, "beta": 0.01}, None),
        (ISING, {"nu": 0.01}, None),
        (ISING, None, None),
        ({"nu": 1, "beta": 0.125}, [[1e-4, 2e-4], [2e-4, 1e-4]], None),
        ({}, {}, None),
    ]:
        result = identify_universality_class(given, error, dimension=dimension)
        assert (result.best, result.compatible) == ("not enough exponents", ())
        assert np.all(np.isnan(result.p_value))


def test_the_correlation_of_the_exponents_decides():
    # Off by two errors each, the same way as the errors go together or against it.
    given, error = {"nu": 1.02, "beta": 0.145}, np.array([0.01, 0.01])
    diagonal = np.diag(error**2)
    together = np.outer(error, error) * [[1, 0.9], [0.9, 1]]
    assert identify_universality_class(given, diagonal, dimension=2).best == "none"
    assert identify_universality_class(given, together, dimension=2).best == "2-D Ising"
    against = {"nu": 1.01, "beta": 0.115}
    assert identify_universality_class(against, diagonal, dimension=2).best == "2-D Ising"
    assert identify_universality_class(against, together, dimension=2).best == "none"


def test_an_exponent_computed_from_two_others_adds_nothing():
    slopes, cov = np.array([[1, 0], [0, 1], [-0.125, 1]]), np.diag([0.01, 0.001]) ** 2
    both = {"nu": 1.003, "beta": 0.1262}
    three = {**both, "beta/nu": 0.125 + 0.0012 - 0.125 * 0.003}
    two = identify_universality_class(both, cov, dimension=2)
    redundant = identify_universality_class(three, slopes @ cov @ slopes.T, dimension=2)
    assert two.chi2[two.classes.index("2-D Ising")] == pytest.approx(0.09 + 1.44)
    assert redundant.chi2[two.classes.index("2-D Ising")] == pytest.approx(0.09 + 1.44)
    assert set(redundant.dof) == {2}


def test_data_never_raise():
    for value in (0.0, math.inf, -1e300, math.nan):
        given = {"1/nu": value, "beta/nu": value, "gamma": value, "alpha": 0.1, "beta": 0.1, "nu_volume": value}
        result = identify_universality_class(given, errors(given, 0.1), dimension=2)
        assert (result.best == "none") if math.isfinite(value) else (result.used == ("alpha", "beta"))
    holed = np.full((3, 3), np.nan)
    assert identify_universality_class(ISING, holed).best == "not enough exponents"
    np.fill_diagonal(holed, 0.01)
    assert identify_universality_class(ISING, holed).best == "not enough exponents"


def test_classes_that_share_the_exponents_given_are_all_reported():
    given = {"beta/nu": 1 / 8, "gamma/nu": 7 / 4}
    result = identify_universality_class(given, errors(given, 0.005))
    assert result.best == "2-D Ising"
    assert set(result.compatible) >= {"2-D Ising", "2-D 4-state Potts"}


def test_a_system_of_units_is_judged_by_its_number_of_units():
    given = {"nu_volume": 3.02, "beta": 0.98, "gamma": 1.01}
    result = identify_universality_class(given, errors(given, 0.03), dimension=math.inf)
    assert result.best == "mean-field percolation"
    assert set(result.classes) == {"mean field", "tricritical mean field", "mean-field percolation", "first order"}
    jump = {"1/nu": 2, "beta/nu": 0.0, "gamma/nu": 2}
    assert identify_universality_class(jump, errors(jump, 0.02), dimension=2).best == "first order"


def test_exponents_that_break_a_relation_are_told():
    broken = {"nu": 1, "beta": 0.125, "gamma": 1.6, "eta": 0.25, "alpha": 0}
    relations = identify_universality_class(broken, errors(broken, 0.02), dimension=2).relations
    assert set(relations) == {"rushbrooke", "fisher", "hyperscaling", "finite size"}
    assert relations["rushbrooke"].pull == pytest.approx(-0.15 / (0.02 * math.sqrt(6)))
    assert relations["fisher"].residual_se == pytest.approx(0.02 * math.sqrt(1 + 1.75**2 + 1))
    assert relations["rushbrooke"].p_value == pytest.approx(math.erfc(0.15 / (0.02 * math.sqrt(6)) / math.sqrt(2)))
    assert relations["hyperscaling"].p_value == 1


def test_the_ratios_of_finite_size_scaling_are_checked_without_nu():
    ratios = {"beta/nu": 0.13, "gamma/nu": 1.75, "eta": 0.25}
    relations = identify_universality_class(ratios, errors(ratios, 0.01), dimension=2).relations
    assert set(relations) == {"fisher", "finite size"}
    assert relations["finite size"].pull == pytest.approx(0.01 / (0.01 * math.sqrt(5)))


def test_mistakes_name_themselves(unchecked):
    with pytest.raises(ValueError, match=r"unknown exponent 'zeta'.*nu, beta, gamma.*gamma/nu_volume"):
        identify_universality_class({"zeta": 1})
    with pytest.raises(ValueError, match=r"3 exponents.*\(2, 2\)"):
        identify_universality_class(ISING, np.eye(2))
    with pytest.raises(ValueError, match="'alpha', but exponents are nu, beta/nu, gamma/nu"):
        identify_universality_class(ISING, {"alpha": 0.1})
    with pytest.raises(ValueError, match=r"numbers.*\(2,\)"):
        identify_universality_class({"nu": [1, 2]})
    with pytest.raises(ValueError, match="dimension must be positive, got 0"):
        identify_universality_class(ISING, dimension=0)
    assert len(EXPONENTS) == len(set(EXPONENTS))
