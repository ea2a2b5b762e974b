"""What a page shows of each fault: its recovery, and of what parts that was made."""

from __future__ import annotations

from pathlib import Path

from harness.verdict import Finding, Verdict
from reports.curves import read_panels
from reports.html import render
from reports.model import read_run
from tests.harness.runs import canary
from tests.reports.synthetic import EVENTS, FINDINGS, write_run

PARTS = "first success 310 ms, lasting > 30.0 s, latency 12.4 s, resources > 56.0 s (process.api.fds)"
CANARY = canary(93.2, 0.31, None, last_bad_s=3.2)
IN_PARTS = Finding("recovery_parts", Verdict.PASS, PARTS, "not judged", "down api_redis", f"in parts: {PARTS}")


def test_each_fault_has_its_parts_beside_its_recovery(tmp_path: Path) -> None:
    whole = Finding("recovery", Verdict.FAIL, f"12.4 s ({PARTS})", "10.0 s", "down api_redis", "recovery 12.4 s > 10 s")
    folder = write_run(tmp_path / "run", findings=(*FINDINGS[:3], whole, IN_PARTS))
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
