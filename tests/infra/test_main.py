import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from harness.probes.health import http_health
from harness.root import ROOT
from infra import __main__ as command
from infra import doctor
from infra.local.leftovers import FILE_NAME, abandoned_stacks
from infra.stack import HOPS, SERVICES


def run(*arguments: str, limit_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def test_up_leaves_a_stack_running_that_down_takes_away(tmp_path: Path) -> None:
    runs = ("--runs", str(tmp_path))
    up = run("up", *runs)
    assert up.returncode == 0, up.stderr
    try:
        [(folder, record)] = abandoned_stacks(tmp_path)
        assert record.detached
        assert [service for service in SERVICES if record.addresses[service] not in up.stdout] == []
        assert [hop.name for hop in HOPS if record.addresses[f"hop {hop.name}"] not in up.stdout] == []
        assert http_health(f"http://{record.addresses['hop client_api']}/ready") is None
        assert "left up by `up`" in run("doctor", "--stack", "local", *runs).stdout
    finally:
        down = run("down", "--stack", "local", *runs)
    assert down.stdout == f"took down: {folder.name}\n"
    assert not any(mark.process.lives for mark in record.processes)
    assert not any(Path(temp).exists() for temp in record.folders)
    assert run("down", "--stack", "local", *runs).stdout == "nothing to take down\n"


def test_a_target_with_errors_prints_each_on_a_line_and_exits_2(tmp_path: Path) -> None:
    target = tmp_path / "t.toml"
    target.write_text('nmae = "x"\n[services.postgres]\nrequired = false\n')
    done = run("up", "--target", str(target), "--runs", str(tmp_path / "runs"))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 3
    assert all(line.startswith(f"{target}: ") for line in done.stderr.splitlines())
    assert not (tmp_path / "runs").exists()


def test_an_unknown_defect_says_so_without_a_traceback(tmp_path: Path) -> None:
    done = run("up", "--defect", "no_such_bug", "--runs", str(tmp_path))
    assert done.returncode == 2
    assert "no_such_bug" in done.stderr
    assert "Traceback" not in done.stderr
    assert abandoned_stacks(tmp_path) == []


def test_toxiproxy_prints_a_program_that_is_there() -> None:
    done = run("toxiproxy", limit_s=600)
    assert done.returncode == 0
    assert Path(done.stdout.strip()).is_file()


def test_toxiproxy_exits_4_when_there_is_nothing_to_build_it_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TOXIPROXY_SERVER", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _: tmp_path)
    assert command.main(["toxiproxy"]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert "requirements/go.txt" in err


def test_doctor_says_what_can_run_and_exits_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("doctor", "--stack", "local", "--runs", str(tmp_path))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "can run with: --stack local"
    monkeypatch.setattr(doctor, "usable", lambda *_: [])
    assert command.main(["doctor", "--stack", "local", "--runs", str(tmp_path)]) == 1


def test_down_takes_what_it_can_and_tells_what_it_could_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / FILE_NAME).write_text("{")
    assert command.main(["down", "--stack", "local", "--runs", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert "nothing to take down" in said.out
    assert "broken" in said.err
