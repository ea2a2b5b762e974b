"""What a page shows of each fault: its recovery, and of what parts that was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.records import Event, FaultWindow
from harness.verdict import Finding, Measurement, Result, Verdict, split
from reports.faults import fault_windows
from reports.model import read_run
from reports.page.curves import read_panels
from reports.page.html import render
from tests.harness.runs import canary
from tests.reports.synthetic import EVENTS, FINDINGS, write_run

PARTS = "first success 310 ms, lasting > 30.0 s, latency 12.4 s, resources > 56.0 s (process.api.fds)"
CANARY = canary(93.2, 0.31, None, last_bad_s=3.2)
IN_PARTS = Measurement("recovery_parts", PARTS, "down api_redis", f"in parts: {PARTS}")
# As earlier versions wrote it.
ONCE_A_FINDING = Finding("recovery_parts", Verdict.PASS, PARTS, "not judged", "down api_redis", f"in parts: {PARTS}")


@pytest.mark.parametrize("in_parts", [IN_PARTS, ONCE_A_FINDING])
def test_each_fault_has_its_parts_beside_its_recovery(in_parts: Result, tmp_path: Path) -> None:
    whole = Finding("recovery", Verdict.FAIL, f"12.4 s ({PARTS})", "10.0 s", "down api_redis", "recovery: 12.4 s")
    findings, measurements = split([*FINDINGS[:3], whole, in_parts])
    folder = write_run(tmp_path / "run", findings=findings, measurements=measurements)
    view = read_run(folder)
    rows = {row.name: row for row in view.faults}
    assert rows["down api_redis"].recovery == "12.4 s"
    assert rows["down api_redis"].parts == tuple(PARTS.split(", "))
    assert (rows["latency api_postgres"].recovery, rows["latency api_postgres"].parts) == ("1.0 s", ())
    page = render(view, read_panels(folder))
    assert "first success 310 ms, lasting &gt; 30.0 s" in page


def test_a_run_without_a_verdict_still_tells_what_its_canary_saw(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", events=(*EVENTS, CANARY))
    (folder / "verdict.json").unlink()
    rows = {row.name: row for row in read_run(folder).faults}
    assert rows["down api_redis"].parts == ("first success 310 ms", "lasting > 3.2 s")
    assert rows["down api_redis"].verdict is None
    assert rows["latency api_postgres"].parts == ()


def test_a_window_that_was_lost_to_the_heal_of_another_is_put_together_as_it_was_judged() -> None:
    def steps(target: str, *told: tuple[str, str]) -> list[Event]:
        return [Event(float(n), "fault", {"step": step, "fault": "latency", "target": target, "reason": reason})
                for n, (step, reason) in enumerate(told)]  # fmt: skip

    events = [
        *steps("a", ("injected", ""), ("proved", ""), ("not_proved", "lost"), ("healing", ""), ("healed", "")),
        *steps("b", ("injected", ""), ("proved", ""), ("healing", ""), ("forced", "restarted"), ("healed", "")),
    ]
    (lost, _), (forced, _) = fault_windows(events)
    assert lost == FaultWindow("latency", "a", 0.0, None, 3.0, 4.0, note="lost")
    assert forced == FaultWindow("latency", "b", 0.0, 1.0, 2.0, 4.0, forced="restarted")


def test_a_heal_by_force_is_shown(tmp_path: Path) -> None:
    forced = Event(70.1, "fault", {"step": "forced", "fault": "latency", "target": "api_postgres", "reason": "cut off"})
    folder = write_run(tmp_path / "run", events=(*EVENTS, forced))
    assert "by force: cut off" in render(read_run(folder), read_panels(folder))
