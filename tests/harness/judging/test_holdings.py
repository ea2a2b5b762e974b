from pathlib import Path

import pytest

from harness.judging.holdings import residues
from harness.records import Event
from tests.harness.runs import evidence, healthy

SETTLE = [Event(110.0, "phase", {"name": "settle"})]


def test_before_is_the_first_look_and_after_is_the_last(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        sessions = {"runtime.api.sessions": 0.0 if n < 5 else 40.0 if n < 118 else 3.0}
        return healthy(n) | sessions | {"witness.redis.keys": 10.0 + n, "process.api.fds": 50.0}

    before, after = residues(evidence(tmp_path, tick, events=SETTLE, load_end_s=110.0))
    assert (before.sessions, after.sessions) == (0, 3)
    assert (before.redis_keys, after.redis_keys) == (10, 129)
    assert (before.descriptors, after.descriptors) == (50, 50)
    assert before.postgres_connections is None


def test_what_was_last_seen_while_the_load_went_on_is_not_known_after_it(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | ({"runtime.api.sessions": 40.0} if n < 100 else {})

    before, after = residues(evidence(tmp_path, tick, events=SETTLE, load_end_s=110.0))
    assert (before.sessions, after.sessions) == (40, None)


@pytest.mark.parametrize(("last", "known"), [(112, False), (118, True)])
def test_sockets_count_only_where_they_were_seen_late_in_the_grace(tmp_path: Path, last: int, known: bool) -> None:  # noqa: FBT001 - a case
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | ({"process.api.sockets_close_wait": 7.0} if n in {0, last} else {})

    before, after = residues(evidence(tmp_path, tick, events=SETTLE, load_end_s=110.0))
    assert (before.close_wait, after.close_wait) == ((7, 7) if known else (None, None))
