"""`python -m chaos heal` and `residue`, as a user calls them, on a real Toxiproxy."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from chaos import __main__ as command
from chaos.faults.links.toxics import Latency
from chaos.faults.links.toxiproxy import Proxy
from chaos.faults.packets import nftables as firewall
from chaos.healing.ledger import Ledger, UndoEntry
from harness.root import ROOT
from tests.chaos.conftest import Toxiproxy

# The tables of the whole machine are looked at.
pytestmark = pytest.mark.apart("chaos/faults/packets")

LIMIT_S = 30.0
LEAVE = """
import sys
from pathlib import Path
from chaos.healing.ledger import *
from chaos.undo import Step
folder = Path(sys.argv[1])
folder.mkdir(parents=True)
step = Step("toxic.remove", {"api": sys.argv[2], "proxy": sys.argv[3], "toxic": "slow"})
Ledger(folder).open(UndoEntry("f1_latency", "latency", "redis", (step,), 4e9))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chaos", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def leave(folder: Path, server: Toxiproxy, proxy: str = "redis") -> None:
    arguments = [str(folder), f"127.0.0.1:{server.port}", proxy]
    subprocess.run([sys.executable, "-W", "ignore", "-c", LEAVE, *arguments], cwd=ROOT, check=True, timeout=LIMIT_S)


def test_what_a_run_left_is_told_put_back_and_then_no_more(server: Toxiproxy, tmp_path: Path) -> None:
    proxy = Proxy("127.0.0.1", server.port, "redis")
    proxy.add("slow", Latency(0.1, "upstream"))
    leave(tmp_path / "1-run", server)
    line = f"1-run: f1_latency (latency on redis): toxic.remove(api=127.0.0.1:{server.port}, proxy=redis, toxic=slow)\n"
    for look in (("residue",), ("heal", "--check")):
        told = run(*look, "--runs", str(tmp_path))
        assert (told.returncode, told.stdout) == (1, line)
        assert not proxy.state().whole
    healed = run("heal", "--runs", str(tmp_path))
    assert (healed.returncode, healed.stdout) == (0, f"put back {line}")
    assert proxy.state().whole
    again = run("heal", "--runs", str(tmp_path))
    assert (again.returncode, again.stdout) == (0, "nothing to put back\n")
    nothing = run("residue", "--runs", str(tmp_path))
    assert (nothing.returncode, nothing.stdout) == (0, "nothing is left broken\n")


def test_what_resists_is_told_and_fails(
    server: Toxiproxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "INSIST_S", 0.2)
    leave(tmp_path / "1-run", server, "nobody")
    assert command.main(["heal", "--runs", str(tmp_path)]) == 2
    assert "could not undo: 1-run: f1_latency (latency on redis): nobody:" in capsys.readouterr().err
    assert command.main(["residue", "--runs", str(tmp_path)]) == 1


def test_a_ledger_that_cannot_be_read_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "1-run").mkdir()
    (tmp_path / "1-run" / "undo.jsonl").write_text("5\n")
    for verb in ("residue", "heal"):
        assert command.main([verb, "--runs", str(tmp_path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_table_that_no_run_here_knows_is_told_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if reason := firewall.unavailable(None):
        pytest.skip(reason)
    table = firewall.Table(firewall.table_name(str(tmp_path), "lost"))
    table.create("elsewhere", 9, [firewall.Drop("upstream")])
    try:
        assert command.main(["heal", "--runs", str(tmp_path)]) == 0
        assert f"table inet {table.name} (run elsewhere)" in capsys.readouterr().err
        assert table.exists()
        # One that stands in a ledger is that run's.
        entry = UndoEntry("f1_partition", "partition", "redis", (table.step(),), 4e9)
        (tmp_path / "1-run").mkdir()
        with contextlib.closing(Ledger(tmp_path / "1-run")) as ledger:
            ledger.open(entry)
            assert command.main(["residue", "--runs", str(tmp_path)]) == 0
            assert table.name not in capsys.readouterr().err
            ledger.shut(entry.name)
    finally:
        table.delete()
