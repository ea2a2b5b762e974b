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
    assert dict(told[0].figures) == {"injected_s": 40.0, "proved_s": 41.0, "healed_s": 50.0}
    assert "no canary failed" in told[1].message
    assert "proved_s" not in told[1].figures
    assert dict(told[3].figures) == {"observed": 3, "allowed": 4}


def test_a_heal_by_force_is_shown(tmp_path: Path) -> None:
    told = check_faults(evidence(tmp_path, faults=[fault(40.0, 50.0, forced="restarted")], planned_faults=1))
    assert [f.verdict for f in told] == [Verdict.PASS, Verdict.PASS]
    assert told[0].observed.endswith("by force: restarted")


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
    assert [f.figures["ended_s"] for f in told] == [12.5, 99.0]


def test_services_that_lived_pass(tmp_path: Path) -> None:
    (finding,) = check_services_alive(evidence(tmp_path, events=[Event(1.0, "phase", {"name": "warm_up"})]))
    assert finding.verdict is Verdict.PASS


def window(kind: str, target: str, injected_s: float, healed_s: float | None) -> FaultWindow:
    return FaultWindow(kind, target, injected_s, injected_s, healed_s, healed_s)


def ended(t_s: float, service: str = "redis") -> Event:
    return Event(t_s, "service_gone", {"service": service})


def restarted(t_s: float, service: str = "redis") -> Event:
    return Event(t_s, "service_restarted", {"service": service, "before": "1", "after": "2"})


def alive(folder: Path, events: list[Event], *faults: FaultWindow) -> list[str]:
    """Return what failed."""
    found = check_services_alive(evidence(folder, events=events, faults=faults))
    return [f"{f.where} {f.observed}" for f in found if f.verdict is Verdict.FAIL]


@pytest.mark.parametrize("kind", ["kill", "terminate", "restart"])
def test_a_service_that_was_ended_on_purpose_and_came_back_is_none(tmp_path: Path, kind: str) -> None:
    events = [ended(42.0), restarted(51.0)]
    assert alive(tmp_path, events, window(kind, "redis", 40.0, 50.0)) == []


@pytest.mark.parametrize(("kind", "target"), [("pause", "redis"), ("down", "api_redis"), ("kill", "auth")])
def test_another_fault_explains_no_end(tmp_path: Path, kind: str, target: str) -> None:
    events = [ended(42.0), restarted(51.0)]
    assert alive(tmp_path, events, window(kind, target, 40.0, 50.0)) == ["redis ended by itself at 42.0 s"]


@pytest.mark.parametrize("at_s", [39.0, 53.0, 100.0])
def test_an_end_before_or_long_after_the_fault_is_the_services_own(tmp_path: Path, at_s: float) -> None:
    """Ticks and looks are a second apart: what was ended at 50 s is found gone by the second look after."""
    events = [ended(at_s), restarted(at_s + 1)]
    assert alive(tmp_path, events, window("kill", "redis", 40.0, 50.0)) == [f"redis ended by itself at {at_s} s"]


def test_one_fault_explains_one_end(tmp_path: Path) -> None:
    """It was killed, came back, and died once more of what it found."""
    events = [ended(41.0), restarted(46.0), ended(47.0), restarted(49.0)]
    fault = window("kill", "redis", 40.0, 50.0)
    assert alive(tmp_path / "one", events, fault) == ["redis ended by itself at 47.0 s"]
    assert alive(tmp_path / "two", events, fault, window("restart", "redis", 46.5, 48.0)) == []


def test_a_service_that_never_came_back_fails(tmp_path: Path) -> None:
    for name, healed_s, by_s in (("healed", 50.0, "51.0 s"), ("never", None, "120.0 s")):
        (failed,) = alive(tmp_path / name, [ended(42.0)], window("kill", "redis", 40.0, healed_s))
        assert failed.startswith("redis ended by kill")
        assert failed.endswith(f"not back by {by_s}")


def test_at_the_very_end_the_heal_itself_is_believed(tmp_path: Path) -> None:
    """No look was left that could have met the new process."""
    assert alive(tmp_path, [ended(117.0)], window("kill", "redis", 116.0, 118.0)) == []
