from pathlib import Path

import pytest

from harness.judging.checks.faults import check_faults, check_services_alive
from harness.records import Event, FaultWindow
from harness.verdict import Verdict
from tests.harness.runs import evidence, fault


def test_every_fault_and_the_timeline_have_a_finding(tmp_path: Path) -> None:
    faults = [fault(40.0, 50.0), fault(60.0, 70.0, proved_s=None, note="no canary failed"), fault(80.0, None)]
    told = check_faults(evidence(tmp_path, faults=faults, planned_faults=4))
    assert [(f.where, f.verdict.value) for f in told] == [
        ("down api_redis", "PASS"),
        ("down api_redis", "INCONCLUSIVE"),
        ("down api_redis", "INCONCLUSIVE"),
        ("timeline", "INCONCLUSIVE"),
    ]
    assert told[0].observed == "proved at 41.0 s, healed at 50.0 s"
    assert told[1].message == "fault down api_redis: no effect seen: no canary failed"
    assert told[3].message == "3 of 4 planned faults were played"


def test_a_heal_by_force_is_told(tmp_path: Path) -> None:
    told = check_faults(evidence(tmp_path, faults=[fault(40.0, 50.0, forced="made anew")], planned_faults=1))
    assert [f.verdict for f in told] == [Verdict.PASS, Verdict.PASS]
    assert told[0].observed == "proved at 41.0 s, healed at 50.0 s by force: made anew"


def test_a_run_with_no_fault_planned_and_none_played_is_as_planned(tmp_path: Path) -> None:
    (finding,) = check_faults(evidence(tmp_path))
    assert finding.verdict is Verdict.PASS


def test_each_service_that_ended_is_a_failure_of_its_own(tmp_path: Path) -> None:
    events = [
        Event(12.5, "service_gone", {"service": "redis"}),
        Event(13.0, "probe_late", {"service": "api", "error": "denied"}),
        Event(99.0, "service_gone", {"service": "auth"}),
    ]
    told = check_services_alive(evidence(tmp_path, events=events))
    assert [(f.where, f.verdict.value) for f in told] == [("redis", "FAIL"), ("auth", "FAIL")]
    assert told[0].message == "redis ended by itself at 12.5 s; its log is in the run folder"


def test_services_that_lived_pass(tmp_path: Path) -> None:
    (finding,) = check_services_alive(evidence(tmp_path, events=[Event(1.0, "phase", {"name": "warm_up"})]))
    assert finding.verdict is Verdict.PASS


def window(kind: str, target: str, injected_s: float, healed_s: float | None) -> FaultWindow:
    return FaultWindow(kind, target, injected_s, injected_s, healed_s, healed_s)


def ended(t_s: float, service: str = "redis") -> Event:
    return Event(t_s, "service_gone", {"service": service})


def began_anew(t_s: float, service: str = "redis") -> Event:
    return Event(t_s, "service_restarted", {"service": service, "before": "1", "after": "2"})


def alive(folder: Path, events: list[Event], *faults: FaultWindow) -> list[str]:
    """Return what is amiss."""
    told = check_services_alive(evidence(folder, events=events, faults=faults))
    return [f.message.removesuffix("; its log is in the run folder") for f in told if f.verdict is Verdict.FAIL]


@pytest.mark.parametrize("kind", ["kill", "terminate", "restart"])
def test_a_service_that_was_ended_on_purpose_and_came_back_is_none(tmp_path: Path, kind: str) -> None:
    events = [ended(42.0), began_anew(51.0)]
    assert alive(tmp_path, events, window(kind, "redis", 40.0, 50.0)) == []


@pytest.mark.parametrize(("kind", "target"), [("pause", "redis"), ("down", "api_redis"), ("kill", "auth")])
def test_another_fault_explains_no_end(tmp_path: Path, kind: str, target: str) -> None:
    events = [ended(42.0), began_anew(51.0)]
    assert alive(tmp_path, events, window(kind, target, 40.0, 50.0)) == ["redis ended by itself at 42.0 s"]


@pytest.mark.parametrize("at_s", [39.0, 53.0, 100.0])
def test_an_end_before_or_long_after_the_fault_is_the_services_own(tmp_path: Path, at_s: float) -> None:
    """Ticks and looks are a second apart: what was ended at 50 s is found gone by the second look after."""
    events = [ended(at_s), began_anew(at_s + 1)]
    assert alive(tmp_path, events, window("kill", "redis", 40.0, 50.0)) == [f"redis ended by itself at {at_s} s"]


def test_one_fault_explains_one_end(tmp_path: Path) -> None:
    """It was killed, came back, and died once more of what it found."""
    events = [ended(41.0), began_anew(46.0), ended(47.0), began_anew(49.0)]
    fault = window("kill", "redis", 40.0, 50.0)
    assert alive(tmp_path / "one", events, fault) == ["redis ended by itself at 47.0 s"]
    assert alive(tmp_path / "two", events, fault, window("restart", "redis", 46.5, 48.0)) == []


def test_a_service_that_never_came_back_is_told(tmp_path: Path) -> None:
    told = ["redis was ended by kill and had not come back by 51.0 s"]
    assert alive(tmp_path / "healed", [ended(42.0)], window("kill", "redis", 40.0, 50.0)) == told
    told = ["redis was ended by kill and had not come back by 120.0 s"]
    assert alive(tmp_path / "never", [ended(42.0)], window("kill", "redis", 40.0, None)) == told


def test_at_the_very_end_the_heal_itself_is_believed(tmp_path: Path) -> None:
    """No look was left that could have met the new process."""
    assert alive(tmp_path, [ended(117.0)], window("kill", "redis", 116.0, 118.0)) == []
