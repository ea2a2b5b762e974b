import resource
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from harness.errors import EnvironmentMissing
from harness.identity import ProcessId
from infra import doctor
from infra.doctor import Check, State, examine, usable
from infra.local.leftovers import StackRecord
from infra.processes import ServiceProcess, own_process


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.what: check for check in checks}


def test_this_machine_can_run_the_local_stack(tmp_path: Path) -> None:
    checks = examine("local", tmp_path)
    assert [check.what for check in checks if check.state is State.MISSING] == []
    assert usable(checks, "local") == ["local"]
    assert usable(checks, None)[0] == "local"
    assert all("\n" not in str(check) and str(check).isascii() for check in checks)


def test_each_provider_is_asked_only_about_its_own(tmp_path: Path) -> None:
    local, compose, both = (set(by_name(examine(stack, tmp_path))) for stack in ("local", "compose", None))
    assert {"PostgreSQL", "Redis", "Toxiproxy"} <= local - compose
    assert {"Docker engine", "Docker Compose"} <= compose - local
    assert both == local | compose


def test_what_is_missing_is_said_with_its_remedy_and_its_provider_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> object:
        raise EnvironmentMissing("a Redis server", "install one")

    monkeypatch.setattr(doctor, "find_redis", absent)
    checks = examine("local", tmp_path)
    assert str(by_name(checks)["Redis"]) == "missing  Redis              install one"
    assert usable(checks, "local") == []


def test_without_docker_the_container_stack_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = by_name(examine("compose", tmp_path))
    assert checks["Docker engine"].state is State.MISSING
    assert "images" not in checks
    assert usable(checks.values(), "compose") == []


def test_little_disk_or_few_files_are_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", ["total", "used", "free"])  # noqa: PYI024 - as shutil makes it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**10, 10**10, 5 * 10**8))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    checks = examine("local", tmp_path / "not" / "yet")
    assert "500.0 MB free" in str(by_name(checks)["disk"])
    assert "ulimit -n 4096" in str(by_name(checks)["open files"])
    assert {by_name(checks)[what].state for what in ("disk", "open files")} == {State.WARNING}
    assert usable(checks, "local") == ["local"]


def test_windows_is_told_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    checks = examine("local", tmp_path)
    assert "no Redis server exists for Windows" in str(by_name(checks)["system"])
    assert usable(checks, "local") == []


def test_a_stack_that_nobody_looks_after_is_pointed_out(tmp_path: Path) -> None:
    for name, runner in (("left", ServiceProcess("runner", ProcessId(2**22 + 1, 0.0))), ("in-use", own_process())):
        (tmp_path / name).mkdir()
        # This very process stands for a service that still runs: looking must not end it.
        service = ServiceProcess("api", ProcessId.own())
        StackRecord(name, runner, detached=False, processes=(service,), folders=(), addresses={}).write(tmp_path / name)
    [line] = [str(check) for check in examine("local", tmp_path) if check.what == "leftover stack"]
    assert "left: api still run (its runner is gone); `python -m infra down`" in line


def test_an_unreadable_record_does_not_silence_the_rest(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "stack.json").write_text("{")
    checks = by_name(examine("local", tmp_path))
    assert "not a stack's record" in checks["leftover stack"].text
    assert checks["PostgreSQL"].state is State.OK
