"""What is left after the last client, against a rule written out count by count."""

from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.checks.sessions import Allowance, check_sessions
from harness.judging.holdings import Residue
from harness.verdict import Verdict, merge

counts = st.none() | st.integers(0, 200)
residues = st.builds(Residue, **{field.name: counts for field in fields(Residue)})
LIMITS = asdict(Allowance())
BEFORE = Residue(
    sessions=0, redis_channels=1, redis_clients=3, postgres_connections=5, postgres_idle_in_transaction=0,
    descriptors=40, close_wait=0,
)  # fmt: skip


def oracle(before: Residue, after: Residue) -> Verdict:
    verdicts = []
    for name, more in LIMITS.items():
        was, left = getattr(before, name), getattr(after, name)
        if was is not None and more is not None:
            verdicts.append(
                Verdict.INCONCLUSIVE if left is None else Verdict.FAIL if left > was + more else Verdict.PASS
            )
    return merge(verdicts)


@given(residues, residues)
def test_the_check_decides_as_the_rule_does(before: Residue, after: Residue) -> None:
    findings = check_sessions(before, after)
    assert merge(f.verdict for f in findings) is oracle(before, after)


def test_what_is_as_before_passes_count_by_count() -> None:
    findings = check_sessions(BEFORE, BEFORE)
    assert {f.verdict for f in findings} == {Verdict.PASS}
    assert len(findings) == 7


@pytest.mark.parametrize(
    ("change", "where", "allowed"),
    [
        ({"sessions": 3}, "sessions", 0),
        ({"redis_channels": 2}, "redis channels", 1),
        ({"redis_clients": 26}, "redis clients", 25),
        ({"postgres_connections": 26}, "postgres connections", 25),
        ({"postgres_idle_in_transaction": 1}, "postgres idle in transaction", 0),
        ({"descriptors": 133}, "descriptors", 132),
        ({"close_wait": 51}, "close wait", 50),
    ],
)
def test_each_count_beyond_its_limit_fails_by_name(change: dict[str, Any], where: str, allowed: int) -> None:
    (failed,) = [f for f in check_sessions(BEFORE, replace(BEFORE, **change)) if f.verdict is Verdict.FAIL]
    (left,) = change.values()
    assert (failed.where, failed.figures["observed"], failed.figures["allowed"]) == (where, left, allowed)
    assert (failed.observed, failed.allowed) == (str(left), str(allowed))


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        (Residue(), BEFORE, "stack"),
        (Residue(sessions=0), Residue(), "sessions"),
    ],
)
def test_what_is_not_known_is_inconclusive(before: Residue, after: Residue, where: str) -> None:
    (finding,) = check_sessions(before, after)
    assert (finding.verdict, finding.where) == (Verdict.INCONCLUSIVE, where)


def test_what_a_target_allows_is_its_own() -> None:
    kept = replace(BEFORE, redis_keys=10, sessions=4)
    after = replace(kept, redis_keys=200, sessions=6)
    own = Allowance(redis_keys=190, sessions=2)
    assert merge(f.verdict for f in check_sessions(kept, after, allowed=own)) is Verdict.PASS
    assert merge(f.verdict for f in check_sessions(kept, after, allowed=replace(own, redis_keys=189))) is Verdict.FAIL
