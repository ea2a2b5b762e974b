"""Effects counted for each key, against a naive count, and what cannot be counted."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history.effects import check_effects
from harness.history.keys import KeySet
from harness.history.ledger_read import Effects, LedgerRead
from harness.history.tally import Tally
from harness.verdict import Verdict

rows = st.lists(st.sampled_from([f"r-{n}" for n in range(5)]), max_size=8)


@given(rows)
def test_one_effect_a_key_and_no_more(effects: list[str]) -> None:
    counted = Counter(effects)
    twice = [f"{key} {n} times" for key, n in counted.items() if n > 1]
    found = LedgerRead(KeySet(counted), effects=Effects(len(effects), Tally(twice)))
    (finding,) = check_effects(found, repeated=2)
    passed = Verdict.PASS if effects else Verdict.INCONCLUSIVE
    assert finding.verdict is (Verdict.FAIL if twice else passed)
    assert all(example in finding.message for example in twice)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "no final read"),
        (LedgerRead(KeySet(["r-1"])), "no table of effects"),
        (LedgerRead(KeySet(["r-1"]), effects=Effects(0)), "0 effects"),
    ],
)
def test_what_was_not_counted_decides_nothing(found: LedgerRead | None, words: str) -> None:
    (finding,) = check_effects(found, repeated=1)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert words in finding.message


def test_a_pass_has_its_counts() -> None:
    (finding,) = check_effects(LedgerRead(KeySet(["r-1"]), effects=Effects(9)), repeated=3)
    assert finding.verdict is Verdict.PASS
    assert dict(finding.figures) == {"observed": 0, "allowed": 0, "effects": 9, "keys": 1, "retried": 3}
