"""The process probe on real children that do as they are told, line by line."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from harness.identity import ProcessId
from harness.probes.processes.process import OwnProbe, ProcessProbe, own_figures
from harness.probes.processes.tree import ProcessTree
from harness.probes.reading import Gone
from harness.records import ProcessRef
from harness.wait import wait_until
from tests.processes import stranger_to

MB = 2**20
LIMIT_S = 15.0
# Each command is answered with one line once it is done.
OBEDIENT = """
import subprocess, sys, threading
held, children = [], []
for line in sys.stdin:
    match line.split():
        case ["hold", size]:
            held.append(bytearray(b"x" * int(size)))
        case ["open"]:
            held.append(open(__file__ if "__file__" in globals() else sys.executable, "rb"))
        case ["thread"]:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        case ["burn"]:
            sum(n * n for n in range(2_000_000))
        case ["bear"]:
            code = "print(flush=True); input()"
            child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            child.stdout.readline()
            children.append(child)
        case ["bury"]:
            child = children.pop()
            child.communicate()
    print("done", flush=True)
for child in children:
    child.communicate()
"""


class Child:
    """A process of ours, told what to do."""

    def __init__(self) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", OBEDIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.tell("hello")
        self.ref = ProcessRef("api", ProcessId.of(psutil.Process(self.popen.pid)))

    def tell(self, command: str) -> None:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.write(f"{command}\n")
        self.popen.stdin.flush()
        assert self.popen.stdout.readline() == "done\n"


def probe_of(ref: ProcessRef) -> ProcessProbe:
    return ProcessProbe(ref, ProcessTree())


def figures(probe: ProcessProbe) -> dict[str, float]:
    """Return one look's figures by their own names; none may be missing."""
    values, missing = probe.read()
    assert missing == ()
    assert all(name.startswith("process.api.") for name in values)
    return {name.removeprefix("process.api."): value for name, value in values.items()}


@pytest.fixture
def child() -> Iterator[Child]:
    running = Child()
    with running.popen:
        yield running
        running.popen.kill()


def test_another_process_of_the_same_id_is_not_measured(child: Child) -> None:
    probe = probe_of(child.ref)
    probe._began += 1
    with pytest.raises(Gone):
        probe.read()


def test_growth_of_memory_is_seen(child: Child) -> None:
    probe = probe_of(child.ref)
    before = figures(probe)
    child.tell(f"hold {64 * MB}")
    grown = figures(probe)["rss_bytes"] - before["rss_bytes"]
    assert 60 * MB < grown < 140 * MB


def test_descriptors_threads_and_processor_time_are_seen(child: Child) -> None:
    probe = probe_of(child.ref)
    before = figures(probe)
    for command in ("open", "thread", "burn"):
        child.tell(command)
    after = figures(probe)
    assert after["fds"] - before["fds"] == 1
    assert after["threads"] - before["threads"] == 1
    assert 0.02 < after["cpu_s"] - before["cpu_s"] < LIMIT_S


def test_children_come_and_go_and_are_counted_with_their_memory(child: Child) -> None:
    probe = probe_of(child.ref)
    alone = figures(probe)
    child.tell("bear")
    child.tell("bear")
    three = figures(probe)
    child.tell("bury")
    two = figures(probe)
    assert [figures["children"] for figures in (alone, three, two)] == [0, 2, 1]
    assert three["rss_bytes"] > two["rss_bytes"] > alone["rss_bytes"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is shared")
def test_pages_that_a_tree_shares_count_once(child: Child) -> None:
    child.tell("bear")
    child.tell("bear")
    root = psutil.Process(child.popen.pid)
    memory = [process.memory_info() for process in (root, *root.children())]
    once = sum(m.rss - m.shared for m in memory) + max(m.shared for m in memory)
    # Idle, but for what the interpreters still do after their first word.
    assert figures(probe_of(child.ref))["rss_bytes"] == pytest.approx(once, abs=MB / 4)
    assert once < sum(m.rss for m in memory) - MB


def test_a_single_process_costs_its_rss(child: Child) -> None:
    assert figures(probe_of(child.ref))["rss_bytes"] == psutil.Process(child.popen.pid).memory_info().rss


def test_the_figures_are_these(child: Child) -> None:
    assert set(figures(probe_of(child.ref))) == {"rss_bytes", "vms_bytes", "cpu_s", "fds", "threads", "children"}


def test_grandchildren_count_wherever_they_were_born() -> None:
    shell = ["sh", "-c", f"{sys.executable} -c 'print(flush=True); input()' ; true"]
    born = f"""
import subprocess, sys, threading
made = []
def bear():
    made.append(subprocess.Popen({shell!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
bearing = threading.Thread(target=bear); bearing.start(); bearing.join()
made[0].stdout.readline(); print(flush=True); input(); made[0].communicate()
"""
    command = [sys.executable, "-c", born]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        ref = ProcessRef("api", ProcessId.of(psutil.Process(parent.pid)))
        probe = probe_of(ref)
        assert figures(probe)["children"] == 2
        assert set(probe.pids) == {parent.pid, *(each.pid for each in psutil.Process(parent.pid).children(True))}
        parent.communicate()


def test_a_service_that_ended_is_gone_even_before_its_parent_asks(child: Child) -> None:
    probe = probe_of(child.ref)
    child.popen.kill()
    process = psutil.Process(child.popen.pid)
    wait_until("the end", lambda: None if process.status() == psutil.STATUS_ZOMBIE else "alive", limit_s=LIMIT_S)
    with pytest.raises(Gone):
        probe.read()
    child.popen.wait()
    with pytest.raises(Gone):
        probe.read()
    with pytest.raises(Gone):
        probe_of(child.ref)


def test_another_process_of_the_same_id_is_not_the_service(child: Child) -> None:
    with pytest.raises(Gone):
        probe_of(ProcessRef("api", stranger_to(child.ref.process)))


def test_what_the_system_refuses_is_missing_and_the_rest_is_there(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.probes.processes.cost._linux_fds", lambda _: None)
    monkeypatch.setattr("harness.probes.processes.cost._psutil_fds", lambda _: None)
    values, missing = probe_of(child.ref).read()
    assert missing == ("process.api.fds",)
    assert values["process.api.rss_bytes"] > 0
    assert "process.api.fds" not in values


def test_a_paused_service_is_alive(child: Child) -> None:
    process = psutil.Process(child.popen.pid)
    process.suspend()
    assert figures(probe_of(child.ref))["rss_bytes"] > 0


def test_the_harness_counts_itself_without_its_children(child: Child) -> None:
    before = own_figures()
    child.tell(f"hold {64 * MB}")
    held = bytearray(b"x" * 32 * MB)
    after = own_figures()
    assert len(held) == 32 * MB
    assert 30 * MB < after["rss_bytes"] - before["rss_bytes"] < 60 * MB
    assert after["cpu_s"] >= before["cpu_s"]
    assert os.getpid() != child.popen.pid


def test_the_harness_has_series_of_its_own() -> None:
    values, missing = OwnProbe().read()
    assert missing == ()
    assert set(values) == {f"harness.runner.{figure}" for figure in ("rss_bytes", "cpu_s", "threads", "fds")}
    assert min(values.values()) > 0
