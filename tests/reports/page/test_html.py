"""The page: readable before any script runs, whole without a network, and alive in a real browser."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from harness.records import Event
from harness.verdict import Finding, Verdict
from reports.page.html import clock_text, value_text
from reports.write import write_reports
from tests.reports.synthetic import EVENTS, FINDINGS, write_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw the page of one run for all that only look at it."""
    return write_reports(write_run(tmp_path_factory.mktemp("drawn") / "run"))


def test_the_verdict_and_its_reason_come_before_any_script(drawn: Path) -> None:
    page = drawn.read_text(encoding="utf-8")
    head = page[: page.index("<script")]
    assert head.index("FAIL") < head.index("12.4 s (last bad") < head.index("Findings")
    assert "make soak-short" in head
    assert "recovery time: mean 6.7 s" in head


def test_nothing_is_fetched_from_anywhere(drawn: Path) -> None:
    page = drawn.read_text(encoding="utf-8")
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert re.findall(r"""(?:src|href)=["'](?!data:)([^"']*)["']""", markup)  # the links to the files beside it
    assert "://" not in markup
    assert "default-src 'none'" in markup


def test_hostile_text_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    finding = Finding(evil, Verdict.FAIL, evil, evil, evil, evil)
    events = [*EVENTS, Event(50.0, evil, {evil: evil})]
    folder = write_run(tmp_path / "run", findings=(*FINDINGS, finding), events=events, services=["api", evil])
    page = write_reports(folder).read_text(encoding="utf-8")
    assert evil not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.thorough
def test_two_days_at_one_tick_a_second_make_a_page_of_a_few_megabytes(tmp_path: Path) -> None:
    # A twelfth of 48 h is past every thinning bound, so the page would be no larger for the whole.
    page = write_reports(write_run(tmp_path / "run", ticks=14_400))
    assert page.stat().st_size < 5e6


def test_times_and_values_are_told_as_people_read_them() -> None:
    assert [clock_text(t_s) for t_s in (0.0, 59.96, 3661.25)] == ["0:00.0", "1:00.0", "1:01:01.2"]
    assert value_text(450e6, "memory_ceiling_bytes") == "450.0 MB"
    assert value_text(0.001, "error_fraction") == "0.100%"
    assert value_text(0.5, "latency_s_p95") == "500 ms"
    assert value_text(200.0, "rate_per_s") == "200 per s"


@pytest.mark.needs_browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH; on Debian: apt-get install chromium")
def test_a_browser_draws_it_without_a_network_or_a_complaint(drawn: Path) -> None:
    complaints: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.on("console", lambda message: _note(complaints, message))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else _fetched(request),
        )
        page.goto(drawn.as_uri())
        assert page.get_by_role("heading", name="FAIL").is_visible()
        page.wait_for_function("Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle", timeout=30_000)
        charts = page.evaluate("document.querySelectorAll('.chart').length")
        ranges = page.evaluate("new Set(Bokeh.documents[0].roots().map(root => root.x_range.id)).size")
        spike = page.evaluate("Math.max(...Bokeh.documents[0].roots().map(r => r.x_range.end))")
        browser.close()
    assert complaints == []
    assert charts > 8
    assert ranges == 1  # one time axis: what zooms one chart zooms all
    assert spike > 149


def _note(complaints: list[str], message: Any) -> None:
    if message.type in {"error", "warning"}:
        complaints.append(message.text)


def _fetched(request: Any) -> None:
    raise AssertionError(f"the page asked for {request.url}")
