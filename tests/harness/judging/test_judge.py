"""Whole synthetic runs through every check: each has a run that passes it and one that does not."""

import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.criteria.budget import Budget
from harness.criteria.limits import Statistic
from harness.criteria.observations import EventSeen, Observation, SeriesSeen
from harness.journal import JournalReader
from harness.judging import registry
from harness.judging.judge import judge
from harness.judging.registry import Case, Check, checks
from harness.judging.source import RunSource
from harness.records import Event, Mark, Outcome, Sample
from harness.verdict import Finding, Measurement, Result, Verdict, merge, split
from tests.harness.runs import PER_TICK, Tick, always, but, evidence, fault, healthy, history, judged

CHECKS = (
    "generator", "operations", "dropped_arrivals", "faults", "services_alive",
    "errors", "latency", "slowdown", "processes_growth", "memory_growth", "memory_ceiling", "terminal_replies",
    "acknowledged_writes", "reply_keys", "stale_replies", "cache_hits",
)  # fmt: skip


def verdicts(results: list[Result]) -> dict[str, Verdict]:
    """Return each check's gravest verdict."""
    findings, _ = split(results)
    return {check: merge(f.verdict for f in findings if f.check == check) for check in (f.check for f in findings)}


def in_order(results: list[Result]) -> bool:
    """Return whether the results are in the order of their checks, and those of CHECKS are all there."""
    orders = {check.name: check.order for check in checks()}
    known = [orders[each.check] for each in results if each.check in orders]
    return known == sorted(known) and [name for name in verdicts(results) if name in CHECKS] == list(CHECKS)


def leaking(n: int) -> dict[str, float]:
    # 200 requests a tick, so 8 KiB a request.
    return healthy(n) | {"process.api.rss_bytes": 8e7 + n * 200 * 8192.0}


def test_a_healthy_run_passes_every_check_in_the_order_of_doubt(tmp_path: Path) -> None:
    results = judged(tmp_path, evidence(tmp_path))
    assert [each for each in results if isinstance(each, Finding) and each.verdict is not Verdict.PASS] == []
    assert in_order(results)
    assert [each.check for each in results if isinstance(each, Measurement)] == ["recovery"]


def test_a_fault_that_was_proved_healed_and_recovered_from_passes(tmp_path: Path) -> None:
    tick = but(lambda n: 40 <= n < 52, load__cache_get__ok=0, load__cache_get__timed_out=PER_TICK)
    results = judged(tmp_path, evidence(tmp_path, tick, faults=[fault(40.0, 50.0)]))
    assert merge(verdicts(results).values()) is Verdict.PASS
    (recovery,) = [each for each in results if each.check == "recovery"]
    assert (recovery.figures["observed"], recovery.figures["allowed"], recovery.figures["heal_s"]) == (3.0, 10.0, 50.0)


def forking(n: int) -> dict[str, float]:
    return healthy(n) | {"process.api.children": n * 2.0}


stolen = Sample("cache_get", Outcome.OK, 60, 60, 60.1, "key-1", "key-2")
missed = Sample("cache_get", Outcome.OK, 60, 60, 60.1, "key-1", "")
rewritten = Sample("cache_put", Outcome.OK, 60, 60, 60.1, "key-1", wrote=99, writer="r")
outdated = Sample("cache_get", Outcome.OK, 62, 62, 62.1, "key-1", "key-1", read=1, writer="r")
doubled = Sample("cache_get", Outcome.OK, 60, 60, 60.1, "key-1", "key-1", marks=((Mark.SECOND_REPLY, 1),))
settled = [Event(119.0, "phase", {"name": "settle"})]
gone = Event(61.5, "service_gone", {"service": "auth"})

CASES: Mapping[str, tuple[str, Verdict, Tick, dict[str, Any]]] = {
    "late generator": ("generator", Verdict.INCONCLUSIVE, but(lambda n: n % 5 == 0, generator__lag_s_p95=0.2), {}),
    "operation never ok": ("operations", Verdict.INCONCLUSIVE, but(always, load__cache_get__ok=0), {}),
    "dropped arrivals": ("dropped_arrivals", Verdict.FAIL, but(always, load__cache_get__dropped=1), {}),
    "fault not proved": ("faults", Verdict.INCONCLUSIVE, healthy, {"faults": [fault(40.0, 50.0, proved_s=None)]}),
    "fault not healed": ("faults", Verdict.INCONCLUSIVE, healthy, {"faults": [fault(100.0, None)]}),
    "fault not played": ("faults", Verdict.INCONCLUSIVE, healthy, {"planned_faults": 1}),
    "service gone": ("services_alive", Verdict.FAIL, healthy, {"events": [gone]}),
    "slow recovery": (
        "recovery", Verdict.FAIL, but(lambda n: 40 <= n < 63, load__cache_get__reset=900),
        {"faults": [fault(40.0, 50.0)]},
    ),
    "no recovery": (
        "recovery", Verdict.FAIL, but(lambda n: n >= 40, load__cache_get__reset=900), {"faults": [fault(40.0, 50.0)]},
    ),
    "recovery cut short": ("recovery", Verdict.INCONCLUSIVE, healthy, {"faults": [fault(105.0, 115.0)]}),
    "errors in the calm": ("errors", Verdict.FAIL, but(lambda n: n % 10 == 5, load__cache_get__bad_status=10), {}),
    "no calm": ("errors", Verdict.INCONCLUSIVE, healthy, {"warm_s": float("inf")}),
    "slow": ("latency", Verdict.FAIL, but(always, load__all__response_s_p95=0.6), {}),
    "slower after a fault": (
        "slowdown", Verdict.FAIL, but(lambda n: n >= 75, load__all__response_s_p95=0.08),
        {"faults": [fault(40.0, 50.0)]},
    ),
    "never calm after a fault": ("slowdown", Verdict.INCONCLUSIVE, healthy, {"faults": [fault(105.0, 115.0)]}),
    "service not measured": ("services_alive", Verdict.INCONCLUSIVE, healthy, {"services": ("api", "auth")}),
    "memory not measured": ("memory_growth", Verdict.INCONCLUSIVE, healthy, {"services": ("api", "auth")}),
    "cache forgets": ("cache_hits", Verdict.FAIL, healthy, {"history": [*history(reads=8), missed, missed]}),
    "leak": ("memory_growth", Verdict.FAIL, leaking, {}),
    "too short for a leak": ("memory_growth", Verdict.INCONCLUSIVE, healthy, {"load_end_s": 50.0}),
    "processes that never end": ("processes_growth", Verdict.FAIL, forking, {}),
    "too much memory": ("memory_ceiling", Verdict.FAIL, but(lambda n: n == 70, process__api__rss_bytes=460e6), {}),
    "lost write": ("acknowledged_writes", Verdict.FAIL, healthy, {"found": [f"r-{n}" for n in range(49)]}),
    "no final read": ("acknowledged_writes", Verdict.INCONCLUSIVE, healthy, {"found": None}),
    "foreign reply": ("reply_keys", Verdict.FAIL, healthy, {"history": [*history(), stolen]}),
    "stale reply": ("stale_replies", Verdict.FAIL, healthy, {"history": [*history(), rewritten, outdated]}),
    "second reply": ("terminal_replies", Verdict.FAIL, healthy, {"history": [*history(), doubled]}),
    "session kept": (
        "sessions", Verdict.FAIL, lambda n: healthy(n) | {"runtime.api.sessions": float(n > 50)},
        {"events": settled, "load_end_s": 115.0},
    ),
    "nothing answered": ("reply_keys", Verdict.INCONCLUSIVE, healthy, {"history": [], "found": []}),
    "nothing read": ("cache_hits", Verdict.INCONCLUSIVE, healthy, {"history": history(reads=0)}),
}  # fmt: skip


def test_every_check_has_a_run_that_does_not_pass_it() -> None:
    assert {check for check, *_ in CASES.values()} == {*CHECKS, "recovery", "sessions"}


@pytest.mark.parametrize("case", CASES)
def test_a_run_with_one_thing_wrong_is_told_by_its_check(case: str, tmp_path: Path) -> None:
    check, verdict, tick, changes = CASES[case]
    told = verdicts(judged(tmp_path, evidence(tmp_path, tick, **changes)))
    assert told[check] is verdict
    assert merge(told.values()) is not Verdict.PASS
    # Some wrongs have two sides (a fault never healed leaves no calm); no other check may fail.
    assert {name for name, seen in told.items() if seen is Verdict.FAIL} <= {check}


def test_a_check_that_crashes_is_inconclusive_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_: Case) -> list[Finding]:
        raise ValueError("a bug")

    crashing = [Check(each.name, each.order, crash) if each.name == "generator" else each for each in checks()]
    monkeypatch.setattr(importlib.import_module("harness.judging.judge"), "checks", lambda: crashing)
    results = judged(tmp_path, evidence(tmp_path, events=[gone]))
    assert "ValueError: a bug" in results[0].message
    assert in_order(results)
    assert verdicts(results)["generator"] is Verdict.INCONCLUSIVE
    assert verdicts(results)["services_alive"] is Verdict.FAIL


def test_every_check_has_a_name_and_a_place_of_its_own() -> None:
    registered = checks()
    assert [check.name for check in registered][:2] == ["must_observe", "generator"]
    assert len({check.order for check in registered}) == len({check.name for check in registered}) > 20
    for taken in (Check("generator", 999, lambda _: []), Check("another", registered[0].order, lambda _: [])):
        with pytest.raises(ValueError, match="order"):
            registry.register(taken)


def test_what_must_have_been_seen_is_judged_first_and_only_where_it_is_asked_for(tmp_path: Path) -> None:
    run = evidence(tmp_path, but(lambda n: n == 60, load__cache_get__cancelled=3), events=[gone])
    cancelled = SeriesSeen(series="load.*.cancelled", statistic=Statistic.SUM, min=3)
    asked: list[Observation] = [cancelled, EventSeen(event="service_gone", min=2)]
    with JournalReader(tmp_path) as journal:
        seen, unseen, *others = judge(run, Budget(), RunSource(journal, run), asked)
    for finding, verdict, count in ((seen, Verdict.PASS, 3), (unseen, Verdict.INCONCLUSIVE, 1)):
        assert isinstance(finding, Finding)
        assert (finding.check, finding.verdict, finding.figures["observed"]) == ("must_observe", verdict, count)
    assert "must_observe" not in {f.check for f in others}


def test_the_trouble_of_the_run_itself_comes_first(tmp_path: Path) -> None:
    trouble = Finding("steady_state", Verdict.INCONCLUSIVE, "never", "reached", "run", "steady state was not reached")
    results = judged(tmp_path, evidence(tmp_path, trouble=[trouble]))
    assert results[0] == trouble
    assert merge(verdicts(results).values()) is Verdict.INCONCLUSIVE


def test_a_run_that_left_nothing_never_passes(tmp_path: Path) -> None:
    empty = evidence(tmp_path, ticks=0, history=[], found=None, load_end_s=0.0)
    told = verdicts(judged(tmp_path, empty))
    assert merge(told.values()) is Verdict.INCONCLUSIVE
    assert {check for check, seen in told.items() if seen is Verdict.PASS} == {"faults"}


def test_a_message_stands_alone_and_holds_no_seed(tmp_path: Path) -> None:
    run = dataclasses.replace(evidence(tmp_path, leaking, faults=[fault(40.0, 50.0)]), events=[gone])
    for each in judged(tmp_path, run):
        assert each.message
        assert each.observed
        assert each.where
        assert "7331" not in each.message
        assert not isinstance(each, Finding) or each.allowed
