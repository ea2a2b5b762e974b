"""How the contestants are asked: one command line for all, and what k6 is made to run."""

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.contestants import k6
from benchmarks.contestants.task import DOCUMENT, Task, contestant_command, read_task
from benchmarks.setting import CONTESTANTS

PACED = Task("http://127.0.0.1:1/delay/0.03", 1000.0, 2.5, 50)
FLAT_OUT = Task("http://127.0.0.1:1/", float("inf"), 4.0, 20)


def options(text: str) -> Any:
    return json.loads(re.findall(r"options = (.*);", text)[0])


@pytest.mark.parametrize("name", CONTESTANTS)
def test_each_is_a_program_of_its_own(name: str) -> None:
    assert find_spec("benchmarks.contestants").submodule_search_locations  # type: ignore[union-attr] # it exists
    assert (Path(k6.__file__).parent / f"{name}.py").is_file()
    assert contestant_command(name, PACED)[:3] == [sys.executable, "-m", f"benchmarks.contestants.{name}"]


def test_the_command_line_is_the_agreed_one() -> None:
    told = "--url http://127.0.0.1:1/delay/0.03 --rate-per-s 1000 --for-s 2.5 --connections 50"
    assert contestant_command("bare", PACED)[3:] == told.split()


@pytest.mark.parametrize("task", [PACED, FLAT_OUT])
def test_the_command_line_is_read_back(task: Task) -> None:
    assert read_task(contestant_command("bare", task)[3:]) == task


def test_a_task_comes_to_so_many_requests() -> None:
    assert (PACED.requests, FLAT_OUT.requests) == (2500, None)


def test_k6_paces_itself_at_the_rate_over_the_connections() -> None:
    scenario = options(k6.script(PACED))["scenarios"]["task"]
    unit_s = float(scenario["timeUnit"].removesuffix("s"))
    assert scenario["rate"] / unit_s == 1000
    assert scenario | {"rate": 0, "timeUnit": ""} == {
        "executor": "constant-arrival-rate",
        "rate": 0,
        "timeUnit": "",
        "duration": "2500ms",
        "preAllocatedVUs": 50,
        "maxVUs": 50,
        "gracefulStop": "10s",
    }


def test_k6_flat_out_is_a_virtual_user_a_connection() -> None:
    scenario = options(k6.script(FLAT_OUT))["scenarios"]["task"]
    assert scenario == {"executor": "constant-vus", "vus": 20, "duration": "4000ms", "gracefulStop": "10s"}


def test_k6_posts_the_same_document_as_json_and_reads_the_reply() -> None:
    text = k6.script(PACED)
    assert f"JSON.stringify({json.dumps(DOCUMENT)})" in text
    assert f'http.post("{PACED.url}", body, params).json()' in text
    assert '"Content-Type": "application/json"' in text


def test_k6_is_quiet_and_reports_to_nobody(tmp_path: Path) -> None:
    program, verb, *rest = k6.command(tmp_path)
    assert (Path(program).name, verb, rest[-1]) == ("k6", "run", str(tmp_path / "script.js"))
    assert "--no-usage-report" in rest
    assert rest[rest.index("--address") + 1] == ""
    assert rest[rest.index("--summary-export") + 1] == str(tmp_path / "summary.json")


def test_k6_failures_are_the_passes_of_the_failed_rate() -> None:
    assert k6.failed_requests({"metrics": {"http_req_failed": {"passes": 3, "fails": 97, "value": 0.03}}}) == 3


def test_the_document_is_about_sixty_bytes() -> None:
    assert 50 <= len(json.dumps(DOCUMENT, separators=(",", ":"))) <= 70
