"""What is written beside the page: JUnit for CI, a JSON profile of memory, and the command that redraws all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.verdict import Finding, Verdict
from reports.profile_json import SAMPLES_MAX
from reports.write import write_reports
from tests.reports.synthetic import FINDINGS, MEASUREMENTS, write_run


def _redraw(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reports", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_junit_has_a_case_a_finding_a_property_a_measurement_and_no_skip(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    write_reports(folder)
    suite = ET.parse(folder / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == (
        "4",
        "1",
        "1",
        "0",
    )
    told = {(case.get("classname"), case.get("name")): [child.tag for child in case] for case in suite.iter("testcase")}
    assert told["recovery", "down api_redis"] == ["failure"]
    assert told["faults", "pause api"] == ["error"]
    assert told["generator", "generator"] == []
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["seed"] == "7331"
    assert properties["measurement mttr all faults"] == MEASUREMENTS[0].message


def test_junit_survives_what_xml_cannot_say(tmp_path: Path) -> None:
    hostile = Finding("errors", Verdict.FAIL, "\x00 & <b>", "none", "\ud800", "]]> \x1b[31m")
    folder = write_run(tmp_path / "run", findings=(*FINDINGS, hostile))
    write_reports(folder)
    assert ET.parse(folder / "junit.xml").getroot().get("failures") == "2"


def test_the_profile_has_metadata_statistics_and_bounded_samples(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", ticks=3000)
    write_reports(folder)
    profile = json.loads((folder / "profile.json").read_text())
    assert set(profile) == {"test_metadata", "summary_statistics", "memory_samples"}
    assert profile["test_metadata"]["sample_count_recorded"]["api"] == 3000
    samples = [s for s in profile["memory_samples"] if s["service"] == "api"]
    assert 0 < len(samples) <= SAMPLES_MAX
    statistics = profile["summary_statistics"]["api"]
    assert statistics["growth_bytes"] == statistics["end_bytes"] - statistics["start_bytes"] > 0
    assert max(s["rss_bytes"] for s in samples) == int(statistics["max_bytes"])


def test_the_newest_run_is_drawn_again_and_a_named_one_too(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    ended = _redraw(str(folder))
    assert ended.returncode == 0, ended.stderr
    assert str(folder / "report.html") in ended.stdout
    assert (folder / "report.html").stat().st_size > 500_000


def test_a_run_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    ended = _redraw(str(tmp_path / "nowhere"))
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "nowhere" in ended.stderr
