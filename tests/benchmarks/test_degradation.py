import numpy as np
import pytest
from numpy.random import default_rng

from benchmarks.degradation import FAMILIES, RULES, any_slow, rows_degradation, three_slow
from benchmarks.leak_verdicts import Setting
from harness.stats.degradation import Windows
from harness.verdict import Verdict


def windows(pattern: str) -> Windows:
    """Return windows, a letter each, those with an x slow."""
    values = np.array([1.5 if letter == "x" else 1.0 for letter in pattern])
    return Windows(np.arange(1.0, len(values) + 1), values, np.full(len(values), 1e4))


@pytest.mark.parametrize(
    ("pattern", "any_of_them", "three"),
    [
        ("......", Verdict.PASS, Verdict.PASS),
        ("..x...", Verdict.FAIL, Verdict.PASS),
        ("xx.xx.", Verdict.FAIL, Verdict.PASS),
        ("..xxx.", Verdict.FAIL, Verdict.FAIL),
    ],
)
def test_the_peers_are_what_they_are_called(pattern: str, any_of_them: Verdict, three: Verdict) -> None:
    assert any_slow(windows("...."), windows(pattern)) is any_of_them
    assert three_slow(windows("...."), windows(pattern)) is three


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_draws_windows_that_can_be_judged_and_are_as_slow_as_asked(name: str) -> None:
    usual, slow = (FAMILIES[name](default_rng(3), 30, np.full(30, factor)) for factor in (1.0, 2.0))
    assert len(usual.usable(0.95).end_s) == 30
    assert np.median(slow.quantile_s / usual.quantile_s) == pytest.approx(2.0)


def test_rows_tell_both_rules_of_both_families_beside_ours() -> None:
    rows = rows_degradation(Setting(series=20))
    assert {row.peer_name for row in rows} == {*RULES, None}
    assert all(row.ours is not None and 0 <= row.ours <= 100 for row in rows)
    alarms = [row for row in rows if "false alarms" in row.measure]
    assert len(alarms) == len(FAMILIES) * len(RULES)
    assert all(row.ours is not None and row.peer is not None and row.ours <= row.peer for row in alarms)
    assert all(row.holds for row in rows if row.goal)
