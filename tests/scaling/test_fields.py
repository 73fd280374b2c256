"""Against systems whose correlation is known exactly: chains of spins, autoregressions and the Gaussian free field."""

import jax
import numpy as np
import pytest

from jaxphase.scaling.fields import (
    connected_correlation,
    correlation_lengths,
    depth_correlation,
    fit_correlation_exponent,
)


def spin_chains(coupling, shape, rng):
    """Open Ising chains: products of independent signs of bonds, C(r) = tanh(coupling)**r."""
    up = (1 + np.tanh(coupling)) / 2
    bonds = np.where(rng.random((*shape[:-1], shape[-1] - 1)) < up, 1, -1)
    first = rng.choice([-1, 1], (*shape[:-1], 1))
    return np.concatenate([first, first * np.cumprod(bonds, axis=-1)], axis=-1)


def spin_rings(coupling, shape, rng):
    """Ising rings: the chains of bonds whose product is one."""
    up = (1 + np.tanh(coupling)) / 2
    count = int(np.prod(shape[:-1]))
    bonds = np.where(rng.random((3 * count, shape[-1])) < up, 1, -1)
    bonds = bonds[np.prod(bonds, axis=1) == 1][:count]
    return (rng.choice([-1, 1], (count, 1)) * np.cumprod(bonds, axis=1)).reshape(shape)


def free_fields(length, shape, rng):
    """Gaussian free fields on a torus, S(k) = 1 / (length**-2 + sum 4 sin(k / 2)**2)."""
    k, q = (2 * np.sin(np.pi * np.arange(size) / size) for size in shape[-2:])
    spectrum = 1 / (length**-2 + k[:, None] ** 2 + q**2)
    return np.fft.ifft2(np.fft.fft2(rng.standard_normal(shape)) * np.sqrt(spectrum)).real


def autoregression(phi, shape, rng):
    y = rng.standard_normal(shape)
    y[..., 0] /= np.sqrt(1 - phi**2)
    for t in range(1, shape[-1]):
        y[..., t] += phi * y[..., t - 1]
    return y


def by_pairs(field, periodic):
    """Radial average over all pairs of positions, one by one."""
    deviation = field - field.mean(axis=0)
    shape = field.shape[1:]
    lags = min(shape) // 2 + 1 if periodic else min(shape)
    sums, pairs = np.zeros(lags), np.zeros(lags)
    for a in np.ndindex(shape):
        for b in np.ndindex(shape):
            offset = np.abs(np.subtract(a, b))
            offset = np.minimum(offset, np.array(shape) - offset) if periodic else offset
            lag = int(np.rint(np.linalg.norm(offset)))
            if lag < lags:
                sums[lag] += np.mean(deviation[(slice(None), *a)] * deviation[(slice(None), *b)])
                pairs[lag] += 1
    return sums / pairs * len(field) / (len(field) - 1)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(9,), (8,), (5, 7), (6, 4)])
def test_every_lag_is_the_mean_over_its_pairs(shape, periodic):
    field = 3 + np.random.default_rng(0).standard_normal((6, *shape))
    result = connected_correlation(field, axes=len(shape), periodic=periodic, blocks=3)
    np.testing.assert_allclose(result.radial, by_pairs(field, periodic), atol=2e-6)
    if len(shape) == 1:
        np.testing.assert_allclose(result.along[0], result.radial, atol=1e-6)
        np.testing.assert_allclose(result.radial_distance, result.distance, atol=1e-6)
    else:
        deviation = (field - field.mean(axis=0)) * np.sqrt(6 / 5)
        lag_two = deviation[:, 2:] * deviation[:, :-2]
        if periodic:
            lag_two = deviation * np.roll(deviation, 2, axis=1)
        np.testing.assert_allclose(result.along[0, 2], np.mean(lag_two), atol=2e-6)


def test_what_all_samples_share_is_no_correlation():
    rng = np.random.default_rng(0)
    field = 1000 * np.sin(np.arange(32)) + rng.standard_normal((400, 32))
    result = connected_correlation(field)
    pull = result.along[0, 1:] / result.along_se[0, 1:]
    assert np.max(np.abs(pull)) < 4
    assert result.along[0, 0] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("coupling", [0.6, 1.2])
def test_the_correlation_of_a_spin_chain_is_tanh_to_the_r(coupling):
    result = connected_correlation(spin_chains(coupling, (2000, 40), np.random.default_rng(1)), periodic=False)
    pull = (result.along[0] - np.tanh(coupling) ** np.arange(40)) / result.along_se[0]
    assert np.max(np.abs(pull[1:20])) < 4


def test_the_lengths_of_a_spin_ring_are_the_exact_ones():
    coupling, size = 1.0, 64
    result = correlation_lengths(spin_rings(coupling, (4000, size), np.random.default_rng(2)))
    t = np.tanh(coupling)
    r = np.arange(size)
    exact = (t**r + t ** (size - r)) / (1 + t**size)
    ratio = exact.sum() / (exact * np.cos(2 * np.pi * r / size)).sum()
    second = np.sqrt(ratio - 1) / (2 * np.sin(np.pi / size))
    assert abs(result.exponential + 1 / np.log(t)) < 3 * result.exponential_se < 0.4
    assert abs(result.second_moment - second) < 3 * result.second_moment_se < 1.2
    assert result.status == 0


def test_the_lengths_of_a_free_field_are_the_exact_ones():
    length = 2.5
    result = correlation_lengths(free_fields(length, (1000, 24, 24), np.random.default_rng(3)), axes=2)
    assert abs(result.second_moment - length) < 3 * result.second_moment_se < 0.6
    assert abs(result.exponential - 0.5 / np.arcsinh(0.5 / length)) < 3 * result.exponential_se < 0.4


def test_the_length_between_ends_is_that_of_the_autoregression():
    result = correlation_lengths(autoregression(0.8, (500, 60), np.random.default_rng(4)), periodic=False)
    assert abs(result.exponential + 1 / np.log(0.8)) < 3 * result.exponential_se < 0.9
    assert np.isnan(result.second_moment)


@pytest.mark.parametrize("system", ["ring", "chain", "free field"])
def test_two_errors_hold_the_truth_in_95_of_100(system):
    rng, repeats = np.random.default_rng(5), 200
    if system == "ring":
        fields, axes, truth = spin_rings(0.8, (repeats, 200, 32), rng), 1, -1 / np.log(np.tanh(0.8))
    elif system == "chain":
        fields, axes, truth = spin_chains(0.8, (repeats, 200, 32), rng), 1, -1 / np.log(np.tanh(0.8))
    else:
        fields, axes, truth = free_fields(2, (repeats, 100, 12, 12), rng), 2, 0.5 / np.arcsinh(0.25)
    result = correlation_lengths(fields, axes=axes, periodic=system != "chain")
    # 97.5 % point of Student's t for 19 degrees of freedom: the error too is an estimate.
    off = (np.asarray(result.exponential) - truth) / result.exponential_se
    assert 0.88 <= np.mean(np.abs(off) < 2.093) <= 0.99
    if system != "chain":
        if system == "ring":
            t, r = np.tanh(0.8), np.arange(32)
            exact = t**r + t ** (32 - r)
            truth = np.sqrt(exact.sum() / (exact * np.cos(np.pi * r / 16)).sum() - 1) / (2 * np.sin(np.pi / 32))
        else:
            truth = 2
        off = (np.asarray(result.second_moment) - truth) / result.second_moment_se
        assert 0.88 <= np.mean(np.abs(off) < 2.093) <= 0.99


def test_blocks_as_long_as_the_memory_of_the_samples_give_honest_errors():
    # Each field is measured ten times: a block of single samples takes the errors for three times smaller.
    fields = np.repeat(autoregression(0.6, (60, 32), np.random.default_rng(6)), 10, axis=0)
    single = correlation_lengths(fields, periodic=False, blocks=600)
    blocked = correlation_lengths(fields, periodic=False, blocks=20)
    assert 2 < blocked.exponential_se / single.exponential_se < 5


def test_uncorrelated_and_constant_fields_have_no_length():
    noise = np.random.default_rng(7).standard_normal((200, 16))
    few, one = (np.where(np.arange(200)[:, None] < count, noise, np.nan) for count in (3, 1))
    fields = np.stack([noise, np.full((200, 16), 2.3), few, one])
    result = correlation_lengths(fields)
    np.testing.assert_array_equal(result.status, [2, 2, 3, 3])
    assert np.all(np.isnan(result.exponential))
    assert result.second_moment[0] < 1
    assert np.all(np.isnan(result.second_moment[1:]))
    assert correlation_lengths(noise[:, :3]).status == 3
    correlation = connected_correlation(fields)
    np.testing.assert_array_equal(correlation.status, [0, 2, 0, 3])
    assert np.all(correlation.along[1] == 0)
    assert np.all(np.isnan(correlation.radial[3]))


def test_a_shorter_decay_does_not_hide_the_longer_one():
    rng = np.random.default_rng(10)
    fields = autoregression(0.85, (40, 500, 60), rng) + 1.5 * autoregression(0.4, (40, 500, 60), rng)
    result = correlation_lengths(fields, periodic=False)
    off = (np.asarray(result.exponential) + 1 / np.log(0.85)) / result.exponential_se
    assert np.mean(result.exponential) == pytest.approx(-1 / np.log(0.85), rel=0.07)
    assert np.mean(np.abs(off) < 2.093) > 0.7


def test_samples_that_are_not_finite_are_left_out():
    field = autoregression(0.7, (40, 16), np.random.default_rng(8))
    spoiled = np.concatenate([field, np.full((1, 16), np.nan)])
    spoiled[40, 0] = 1e9
    whole, holed = connected_correlation(field, blocks=41), connected_correlation(spoiled, blocks=41)
    for name in ("along", "along_se", "radial"):
        np.testing.assert_allclose(getattr(holed, name), getattr(whole, name), rtol=1e-4, atol=1e-6)


def test_a_batch_is_its_fields_one_by_one_in_either_precision():
    fields = 1e3 * free_fields(2, (2, 3, 30, 10, 12), np.random.default_rng(9)) + 1e4
    batch = correlation_lengths(fields, axes=2)
    vmapped = jax.jit(jax.vmap(lambda f: correlation_lengths(f, axes=2)))(fields[1])
    with jax.enable_x64(True):
        double = correlation_lengths(fields, axes=2)
    for name in batch._fields:
        assert getattr(batch, name).shape == (2, 3)
        np.testing.assert_allclose(getattr(vmapped, name), getattr(batch, name)[1], rtol=1e-3)
        np.testing.assert_allclose(getattr(double, name), getattr(batch, name), rtol=5e-3)
    both = connected_correlation(fields, axes=2, periodic=False)
    assert both.along.shape == (2, 3, 2, 10)
    assert both.radial.shape == both.distance.shape == (2, 3, 10)


CONTROL = np.concatenate([np.linspace(0.30, 0.42, 9), np.linspace(0.46, 0.55, 7)])


def lengths(control, count, noise, seed=0, critical=0.44, nu=1.0):
    """Half as long below as above, as in the two-dimensional Ising model, with the noise as a share of the length."""
    exact = np.where(control < critical, 1.0, 0.5) * np.abs(control - critical) ** -nu
    return exact * np.exp(noise * np.random.default_rng(seed).standard_normal((count, len(control)))), noise * exact


@pytest.mark.parametrize("critical", [None, 0.44])
def test_the_exponent_is_within_two_errors_in_95_of_100(critical):
    xi, error = lengths(CONTROL, 500, 0.03)
    fit = fit_correlation_exponent(CONTROL, xi, error, critical=critical)
    assert 0.92 <= np.mean(np.abs(fit.nu - 1) < 2 * fit.nu_se) <= 0.985
    assert np.mean(np.abs(fit.critical - 0.44) <= 2 * fit.critical_se) >= 0.92
    assert np.all(fit.status == 0)


def test_without_noise_the_law_is_found_exactly():
    for control, side in ((CONTROL, (1, 0.5)), (CONTROL[:9], (1, np.nan)), (CONTROL[9:], (np.nan, 0.5))):
        xi, _ = lengths(control, 1, 0)
        fit = fit_correlation_exponent(control, xi[0], 0.01 * xi[0])
        np.testing.assert_allclose([fit.nu, fit.critical], [1, 0.44], rtol=2e-3)
        np.testing.assert_allclose(fit.amplitude, side, rtol=1e-2)
        assert fit.dof == len(control) - 3 - (len(control) == 16)


def test_errors_too_small_are_widened():
    xi, error = lengths(CONTROL, 200, 0.03)
    honest = fit_correlation_exponent(CONTROL, xi, error, critical=0.44)
    small = fit_correlation_exponent(CONTROL, xi, error / 10, critical=0.44)
    assert np.median(small.nu_se / honest.nu_se) == pytest.approx(1, abs=0.1)
    assert np.median(small.chi2 / honest.chi2) == pytest.approx(100, rel=0.01)


def test_points_without_a_length_are_missing_and_lengths_that_do_not_vary_have_no_exponent():
    xi, error = lengths(CONTROL, 1, 0.03)
    holed = np.append(xi[0], [np.nan, -1, 2])
    fit = fit_correlation_exponent(
        np.append(CONTROL, [0.5, 0.51, np.nan]), holed, np.append(error, [1, 1, 1]), critical=0.44
    )
    np.testing.assert_allclose(fit.nu, fit_correlation_exponent(CONTROL, xi[0], error, critical=0.44).nu, rtol=1e-4)
    assert fit_correlation_exponent(CONTROL, np.ones(16), np.ones(16)).status == 2
    few = fit_correlation_exponent(CONTROL[:3], xi[0, :3], error[:3])
    assert few.status == 3
    assert np.isnan(few.nu)
    shuffled = np.random.default_rng(0).permutation(16)
    again = fit_correlation_exponent(CONTROL[shuffled], xi[0, shuffled], error[shuffled])
    np.testing.assert_allclose(again.nu, fit_correlation_exponent(CONTROL, xi[0], error).nu, rtol=1e-4)


def test_the_depth_scale_is_infinite_where_chi_is_one_and_negative_in_chaos():
    result = depth_correlation(
        np.array([0.9, 1, 1.1, 0.99, -1, np.nan]), np.array([0.01, 0.01, 0.01, 0.01, 0.01, 0.01])
    )
    np.testing.assert_allclose(result.length[:3], [-1 / np.log(0.9), np.inf, -1 / np.log(1.1)], rtol=1e-5)
    np.testing.assert_array_equal(result.status, [0, 1, 0, 1, 2, 2])
    np.testing.assert_allclose(result.length_se[0], 0.01 / 0.9 / np.log(0.9) ** 2, rtol=1e-5)
    assert np.isnan(depth_correlation(0.5).length_se)
    assert depth_correlation(0.5).length == pytest.approx(1 / np.log(2))


def test_mistakes_name_themselves(unchecked):
    with pytest.raises(ValueError, match=r"samples, length, length.*\(3, 4\)"):
        correlation_lengths(np.ones((3, 4)), axes=2)
    with pytest.raises(ValueError, match="axes must be one of 1, 2, got 3"):
        connected_correlation(np.ones((3, 4)), axes=3)
    with pytest.raises(ValueError, match="blocks must be an int of at least 2, got 1"):
        connected_correlation(np.ones((3, 4)), blocks=1)
    with pytest.raises(ValueError, match=r"complex"):
        connected_correlation(np.ones((3, 4)) * 1j)
    with pytest.raises(ValueError, match=r"critical \(2,\)"):
        fit_correlation_exponent(np.ones(5), np.ones(5), np.ones(5), critical=np.ones(2))
