"""The dear figures: every service in its turn, and nothing of one that has ended."""

import asyncio
import os
import subprocess
import sys

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.identity import ProcessId
from harness.probes.processes.detail import EVERY, DetailProbe
from harness.probes.processes.process import ProcessProbe
from harness.probes.processes.tree import ProcessTree
from harness.probes.reading import Reading
from harness.records import ProcessRef


def probe_of(pid: int, service: str = "api") -> ProcessProbe:
    probe = ProcessProbe(ProcessRef(service, ProcessId.of(psutil.Process(pid))), ProcessTree())
    probe.read()
    return probe


def look(detail: DetailProbe) -> Reading:
    return asyncio.run(detail.read())


def test_sockets_come_with_the_first_look_and_at_their_pace() -> None:
    detail = DetailProbe(lambda: [probe_of(os.getpid())])
    seen = ["process.api.sockets_established" in look(detail).values for _ in range(2 * EVERY)]
    assert seen == [True, *[False] * (EVERY - 1)] * 2


# Holds 32 MiB, and a child of its own does too.
HOLD = """
import os, sys
held = bytearray(b"x" * 32 * 2**20)
to_me, to_parent = os.pipe()
if not os.fork():
    os.close(to_parent)
    own = bytearray(b"y" * 32 * 2**20)
    print("ready", flush=True)
    os.read(to_me, 1)
    os._exit(0)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no fork")
def test_uss_is_what_a_tree_has_to_itself() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        values = look(DetailProbe(lambda: [probe_of(child.pid)])).values
        family = [psutil.Process(child.pid), *psutil.Process(child.pid).children()]
        rss_bytes = [process.memory_info().rss for process in family]
    assert len(rss_bytes) == 2
    own_bytes = 32 * 2**20
    # What was forked is both's and nobody's own: each has it in its RSS.
    assert own_bytes < values["process.api.uss_bytes"] < sum(rss_bytes) - own_bytes


@pytest.mark.parametrize("count", [1, 5, 12, 13, 40])
def test_each_service_has_its_turn_in_time_and_no_look_is_much_dearer(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.probes.processes.detail._uss_bytes", lambda _: 1.0)
    probes = [probe_of(os.getpid(), f"s{n}") for n in range(count)]
    detail = DetailProbe(lambda: probes)
    looks = [[name for name in look(detail).values if name.endswith(".uss_bytes")] for _ in range(EVERY)]
    assert {name for names in looks for name in names} == {f"process.s{n}.uss_bytes" for n in range(count)}
    assert max(map(len, looks)) <= -(-count // EVERY)


@given(st.lists(st.sets(st.integers(0, 9)), min_size=1, max_size=12))
def test_whoever_comes_or_goes_keeps_nobody_from_their_turn(present: list[set[int]]) -> None:
    detail = DetailProbe(list)
    known = {n: probe_of(os.getpid(), f"s{n}") for n in range(3)}
    last: dict[str, int] = {}
    for n, services in enumerate([*present, *[{0, 1, 2}] * EVERY]):
        for probe in detail._due([known[each] for each in services if each in known]):
            last[probe.service] = n
    assert {service for service, n in last.items() if n >= len(present)} == {"s0", "s1", "s2"}


def test_one_that_has_ended_has_no_figures_and_no_zero() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        ended, other = probe_of(child.pid), probe_of(os.getpid(), "other")
        child.communicate()
    values = look(DetailProbe(lambda: [ended, other])).values
    assert not [name for name in values if name.startswith("process.api.")]
    assert "process.other.sockets_other" in values


def test_what_the_system_refuses_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: psutil.Process) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    values, missing = look(DetailProbe(lambda: [probe_of(os.getpid())]))
    assert missing == ("process.api.uss_bytes",)
    assert "process.api.sockets_other" in values
