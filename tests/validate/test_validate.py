"""That `jaxphase validate` finds what is known, sees what is wrong, and says both."""

import io
import math

import jax
import numpy as np
import pytest
from rich.console import Console

from jaxphase import cli
from jaxphase.systems import curie_weiss
from jaxphase.validate import Check, Effort, lattices, networks, run, table, validate

SMALL = Effort(
    ising={32: 12, 16: 12, 8: 12}, percolation={64: 150, 32: 300, 16: 600}, sweeps=30, draws=10_000, starts=16
)
FAST = ("Curie-Weiss magnet", "spiked covariance", "chain of scalar weights")


def only(monkeypatch, *names: str) -> None:
    """Leave these systems, at the small effort."""
    monkeypatch.setattr(run, "SYSTEMS", tuple(system for system in run.SYSTEMS if system.name in names))
    monkeypatch.setattr(run, "DEFAULT", SMALL)


def test_fast_systems_are_right(monkeypatch):
    only(monkeypatch, *FAST)
    told = []
    checks = validate(key=jax.random.key(3), progress=lambda system, share: told.append((system, share)))
    assert {check.system for check in checks} == set(FAST)
    numbers = [check for check in checks if not isinstance(check.exact, str)]
    assert len(numbers) == 7 and len(checks) == 9
    for check in numbers:
        assert math.isfinite(check.pull) and abs(check.pull) < 4 and check.error > 0, check
    assert all(check.right for check in checks)
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] == 1 and told[0][0] == FAST[0]


def test_percolation_at_the_smallest_effort(monkeypatch):
    only(monkeypatch, "2-D site percolation")
    checks = {check.quantity: check for check in validate()}
    assert abs(checks["p_c"].value / checks["p_c"].exact - 1) < 0.03 and abs(checks["p_c"].pull) < 4
    assert checks["order"].right
    assert all(math.isfinite(check.pull) for check in checks.values() if not isinstance(check.exact, str))


def test_the_same_seed_gives_the_same_numbers(monkeypatch):
    only(monkeypatch, "Curie-Weiss magnet")
    first, again, other = (validate(key=jax.random.key(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_a_simulator_that_is_off_is_seen(monkeypatch):
    only(monkeypatch, "Curie-Weiss magnet")
    sample = curie_weiss.sample
    monkeypatch.setattr(curie_weiss, "sample", lambda coupling, *rest, key: sample(1.02 * coupling, *rest, key=key))
    checks = validate()
    assert not checks[0].right and checks[0].pull < -4


def test_chains_are_told_apart_by_bimodal_seeds():
    rng = np.random.default_rng(0)
    one = np.linspace(1, 0, 8)[:, None] + 0.01 * rng.standard_normal((8, 40))
    assert not networks._bimodal(one).any()
    one[3] = np.where(np.arange(40) < 15, 0, 0.5) + 0.01 * rng.standard_normal(40)
    assert networks._bimodal(one).tolist() == [i == 3 for i in range(8)]


def test_observables_of_a_lattice_share_no_replica_where_they_are_measured_at_one_control():
    seen = 5 + np.random.default_rng(1).standard_normal((9, 1000))
    control = 0.4 + 0.1 * lattices.CONTROLS
    rows = lattices._rows_of_shares(16, control, (seen, 2 * seen, 3 * seen))
    assert np.all(rows[:, 0] == 16)
    ratio, order, susceptibility = (rows[rows[:, 4] == k] for k in range(3))
    near = slice(2, 7)
    np.testing.assert_array_equal(ratio[:, 1], control)
    np.testing.assert_array_equal(order[:, 1], control[near])
    np.testing.assert_array_equal(susceptibility[:, 1], control[near])
    expected = seen.mean(1)
    expected[near] = seen[near, :400].mean(1)
    np.testing.assert_allclose(ratio[:, 2], expected)
    np.testing.assert_allclose(order[:, 2], 2 * seen[near, 400:700].mean(1))
    np.testing.assert_allclose(susceptibility[:, 2], 3 * seen[near, 700:].mean(1))
    # Outcomes of unit variance.
    np.testing.assert_allclose(ratio[:, 3], np.where(expected == seen.mean(1), 1000, 400) ** -0.5, rtol=0.1)
    np.testing.assert_allclose(susceptibility[:, 3], 3 * 300**-0.5, rtol=0.1)


def test_right_and_wrong():
    nan = math.nan
    assert Check("a", "b", 1.0, 0.1, 1.3, -3.0, 0.1).right
    assert not Check("a", "b", 1.0, 0.1, 1.5, -5.0, 0.1).right
    assert not Check("a", "b", 1.0, nan, 1.5, nan, nan).right
    assert Check("a", "b", "continuous", nan, "continuous", nan, nan).right
    assert not Check("a", "b", "undecided", nan, "continuous", nan, nan).right


def test_table():
    nan = math.nan
    checks = (
        Check("magnet", "T_c", 2.26931, 0.00042, 2.269185314, 0.3, 1.9e-4),
        Check("magnet", "order", "undecided", nan, "continuous", nan, nan),
    )
    rows = table(checks)
    assert [row.style for row in rows.rows] == [None, "red"]
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(rows)
    text = console.export_text()
    for word in ("2.26931", "0.00042", "2.26919", "+0.3", "1.9e-04", "undecided", "continuous"):
        assert word in text
    assert text.count("magnet") == 1


@pytest.mark.parametrize("shift", [0.0, 0.03])
def test_command(monkeypatch, capsys, shift):
    only(monkeypatch, "Curie-Weiss magnet")
    monkeypatch.setattr(cli.shared, "start_jax", lambda: None)
    monkeypatch.setenv("COLUMNS", "140")
    sample = curie_weiss.sample
    monkeypatch.setattr(curie_weiss, "sample", lambda coupling, *rest, key: sample(coupling + shift, *rest, key=key))
    if shift:
        with pytest.raises(SystemExit) as ended:
            cli.validate(seed=0)
        assert ended.value.code == 1
    else:
        cli.validate(seed=0)
    out = capsys.readouterr().out
    assert "Curie-Weiss magnet" in out and f"{jax.local_device_count()} cpu device(s)" in out
    assert ("3 of 3 right" in out) == (shift == 0)
