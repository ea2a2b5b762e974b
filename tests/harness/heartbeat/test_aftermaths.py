"""Whose aftermath is watched, at which pace, and what ends it; all by hand."""

from __future__ import annotations

from typing import Any

from harness.heartbeat.aftermaths import PACE_S, Aftermaths, Record
from harness.heartbeat.looks import Look

HOLD_S = 0.09  # five looks after the first


class Canary:
    """Takes a look every `PACE_S` for as long as it is told to, and keeps what is told."""

    def __init__(self, **options: float) -> None:
        self.aftermaths = Aftermaths(hold_s=HOLD_S, **options)
        self.told: list[Record] = []
        self.t_s = 100.0

    def hear(self, step: str, fault: str = "down", target: str = "api_redis") -> None:
        self.told += self.aftermaths.hear(self.t_s, "fault", {"step": step, "fault": fault, "target": target})

    def phase(self, name: str) -> None:
        self.told += self.aftermaths.hear(self.t_s, "phase", {"name": name})

    def look(self, pattern: str) -> None:
        for letter in pattern:
            self.t_s += PACE_S
            self.told += self.aftermaths.see(Look(self.t_s, self.t_s + 0.001, letter == "."))

    @property
    def seen(self) -> list[dict[str, Any]]:
        return [dict(word) for word in self.told if word["step"] == "seen"]


def test_it_looks_now_and_then_while_a_fault_is_there_and_fast_from_its_healing_until_all_is_known() -> None:
    canary = Canary()
    paces = [canary.aftermaths.pace_s]
    for step in ("injected", "proved", "healing", "healed"):
        canary.hear(step)
        paces.append(canary.aftermaths.pace_s)
    canary.look("......")
    paces.append(canary.aftermaths.pace_s)
    assert paces == [None, 0.5, 0.5, PACE_S, PACE_S, None]


def test_both_moments_are_told_once_they_are_known() -> None:
    canary = Canary()
    for step in ("injected", "healing", "healed"):
        canary.hear(step)
    assert [word["step"] for word in canary.told] == ["looking"]
    canary.look("xx.x.....")
    assert canary.seen == []
    canary.look("..")
    (word,) = canary.seen
    assert (word["fault"], word["target"], word["healed_s"]) == ("down", "api_redis", 100.0)
    assert round(word["first_success_s"], 3) == 0.061
    assert round(word["lasting_s"], 3) == 0.101
    assert (word["failed"], word["amid"], word["left_out"]) == (3, [], 0)
    assert canary.aftermaths.end() == []


def test_what_has_not_lasted_when_the_next_fault_comes_or_the_load_ends_was_not_seen() -> None:
    for ending in ("fault", "phase", "limit"):
        canary = Canary(limit_s=0.2)
        for step in ("injected", "healing", "healed"):
            canary.hear(step)
        canary.look("x.x.x.")
        if ending == "fault":
            canary.hear("injected", target="api_postgres")
        elif ending == "phase":
            canary.phase("hold")
            assert canary.seen == []
            canary.phase("drain")
        else:
            canary.look("x.x.x.")
        (word,) = canary.seen
        assert (word["lasting_s"], round(word["first_success_s"], 3)) == (None, 0.041)
        assert word["lasting_bad_s"] > 0.09


def test_of_two_faults_each_counts_from_its_own_heal_and_says_who_was_still_there() -> None:
    canary = Canary()
    canary.hear("injected")
    canary.hear("injected", target="api_postgres")
    canary.hear("healing")
    canary.hear("healed")
    canary.look("xxx")
    canary.hear("healing", target="api_postgres")
    canary.hear("healed", target="api_postgres")
    canary.look("x......")
    first, second = canary.seen
    assert (first["target"], first["amid"]) == ("api_redis", ["down api_postgres"])
    assert (second["target"], second["amid"]) == ("api_postgres", [])
    assert round(first["lasting_s"] - second["lasting_s"], 3) == 0.06


def test_a_fault_that_never_healed_is_looked_at_no_more() -> None:
    canary = Canary()
    for step in ("injected", "healing", "not_healed"):
        canary.hear(step)
    assert canary.aftermaths.pace_s is None
    assert canary.told == []
    canary.hear("healed")
    assert canary.told == []


def test_looks_that_were_left_out_are_counted_where_they_are_missed() -> None:
    canary = Canary()
    canary.hear("injected")
    canary.aftermaths.leave_out(5)
    canary.hear("healed")
    canary.aftermaths.leave_out(3)
    canary.look("......")
    assert [word["left_out"] for word in canary.seen] == [3]


def test_who_was_never_interrupted_is_told_so() -> None:
    canary = Canary()
    canary.hear("injected")
    canary.look("..")
    canary.hear("healed")
    canary.look("......")
    (word,) = canary.seen
    assert (word["interrupted"], word["first_success_s"], word["lasting_s"]) == (False, 0.0, 0.0)
