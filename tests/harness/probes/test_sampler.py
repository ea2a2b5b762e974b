"""The sampling loop: its pace, who is late and who is not, restarts, and an end whoever hangs."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.identity import ProcessId
from harness.probes import sampler as sampler_module
from harness.probes.attendance import BACK_AFTER
from harness.probes.files import DiskProbe
from harness.probes.sampler import INTERVAL_S, Sampler, interval_for
from harness.records import Event, LogRef, MetricsRef, ProcessRef, ServiceRef
from harness.wait import wait_until
from tests.harness.probes.slow import Ready, Told
from tests.harness.servers import serving

LIMIT_S = 20.0
Child = subprocess.Popen[bytes]


def start() -> Child:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


@pytest.fixture
def child() -> Iterator[Child]:
    with start() as running:
        yield running
        running.kill()


@pytest.fixture
def after() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a pass wait for all that it asked, however busy the machine is: for tests in which everybody answers."""
    monkeypatch.setattr(sampler_module, "GRACE_S", LIMIT_S)


Make = Callable[..., Sampler]


@pytest.fixture
def make(after: contextlib.ExitStack) -> Make:
    """Return what makes samplers, which end with the test."""

    def make_one(refs: object = (), **options: object) -> Sampler:
        sampler = Sampler(refs, **{"interval_s": 1.0, **options})  # type: ignore[arg-type] # as the test says
        after.callback(sampler.close)
        return sampler

    return make_one


def ref(service: str, pid: int) -> ProcessRef:
    return ProcessRef(service, ProcessId.of(psutil.Process(pid)))


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def sampled(sampler: Sampler, until: Callable[[dict[str, float], list[Event]], bool]) -> list[Event]:
    """Sample, pass after pass, until it is as wanted; return all events."""
    events: list[Event] = []
    passes = iter(range(100, 100_000))

    def seen() -> str | None:
        values, news = sampler.sample(float(next(passes)))
        events.extend(news)
        return None if until(values, events) else str(kinds(events))

    wait_until("the events", seen, limit_s=LIMIT_S)
    return events


@pytest.mark.usefixtures("patient")
def test_a_pass_names_every_figure_by_its_service(child: Child, make: Make, tmp_path: Path) -> None:
    (tmp_path / "api.log").write_text("12345")
    with serving() as server:
        refs: list[ServiceRef] = [
            ref("api", child.pid), MetricsRef("api", f"{server.url}/metrics"), LogRef("api", tmp_path / "api.log"),
        ]  # fmt: skip
        sampler = make(refs, witnesses=[Ready("witness.redis"), DiskProbe(tmp_path)])
        values, events = sampler.sample(1.0)
        assert server.requests == [("GET", "/metrics")]
    assert events == []
    quick = ("rss_bytes", "vms_bytes", "cpu_s", "fds", "threads", "children")
    dear = ("uss_bytes", "sockets_established", "sockets_close_wait", "sockets_other")
    assert set(values) == {
        *(f"process.api.{figure}" for figure in (*quick, *dear)),
        *(f"log.api.{figure}" for figure in ("bytes", "files", "written_bytes")),
        *(f"harness.runner.{figure}" for figure in ("rss_bytes", "cpu_s", "threads", "fds")),
        *("witness.redis.figure", "disk.run.free_bytes", "sampler.all.pass_s", "sampler.all.missing"),
    }
    assert values["sampler.all.missing"] == 0


def test_without_services_the_harness_tells_of_itself(make: Make) -> None:
    values, events = make().sample(0.0)
    assert events == []
    assert values["harness.runner.rss_bytes"] > 0


def looks(interval_s: float, ticks: list[float]) -> list[float]:
    """Return when a sampler looked, of the ticks it was called at."""
    sampler = Sampler((), interval_s=interval_s)
    return [t_s for t_s in ticks if "sampler.all.pass_s" in sampler.sample(t_s)[0]]


def test_it_looks_at_its_interval_and_not_with_every_tick() -> None:
    jitter = [0.0004, 0.0, 0.001, 0.0002]
    ticks = [n + jitter[n % 4] for n in range(61)]
    assert [round(t_s) for t_s in looks(10.0, ticks)] == [0, 10, 20, 30, 40, 50, 60]
    assert looks(1.0, ticks) == ticks
    assert len(looks(0.001, ticks)) == len(ticks)


def test_what_a_stall_swallowed_is_not_made_up_for() -> None:
    assert looks(1.0, [0.0, 1.0, 30.0, 30.2, 30.4, 31.0, 32.0]) == [0.0, 1.0, 30.0, 31.0, 32.0]


@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=40), st.sampled_from([0.5, 1.0, 10.0]))
def test_the_interval_holds_over_ticks_of_any_pace(gaps: list[float], interval_s: float) -> None:
    ticks = [sum(gaps[:n]) for n in range(len(gaps))]
    looked = looks(interval_s, ticks)
    assert looked[0] == 0.0
    assert len(looked) <= 1 + ticks[-1] / (interval_s * 0.9)
    for begin, end in zip(looked, [*looked[1:], ticks[-1] + interval_s], strict=True):
        # Between two looks no tick was due.
        assert not [t_s for t_s in ticks if begin + interval_s <= t_s < end]


@pytest.mark.parametrize(
    ("run_s", "interval_s"), [(40.0, 0.1), (400.0, 1.0), (2000.0, 5.0), (4000.0, INTERVAL_S), (172800.0, INTERVAL_S)]
)
def test_a_short_run_is_looked_at_more_often(run_s: float, interval_s: float) -> None:
    assert interval_for(run_s) == interval_s


def test_a_slow_probe_is_late_alone_and_says_so_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, other = Told("runtime.api"), Ready("witness.redis")
    sampler = make(witnesses=[slow, other])
    sampler.sample(0.0)
    # From now on only the other one is waited for.
    monkeypatch.setattr(sampler_module, "GRACE_S", LIMIT_S)
    wait_until(
        "the other",
        lambda: "not yet" if sampler._background.waits_for(other.name) and not sampler.sample(0.1)[0] else None,
        limit_s=LIMIT_S,
    )
    told = []
    for t_s in range(1, 5):
        values, events = sampler.sample(float(t_s))
        assert values["witness.redis.figure"] == t_s + 1
        assert values["sampler.all.missing"] == t_s
        told += events
    assert told == [Event(1.0, "probe_late", {"probe": "runtime.api", "reason": "no answer by the next pass"})]
    assert slow.most_at_once == slow.asked == 1
    slow.tell(7.0)
    wait_until(
        "its answer", lambda: None if "runtime.api.figure" in sampler.sample(4.1)[0] else "none", limit_s=LIMIT_S
    )


def test_an_answer_that_comes_late_stands_in_the_tick_it_comes_in(make: Make) -> None:
    slow = Told("runtime.api")
    sampler = make(witnesses=[slow])
    assert "runtime.api.figure" not in sampler.sample(0.0)[0]
    slow.wait_asked()
    slow.tell(7.0)
    seen: dict[str, float] = {}

    def answered() -> str | None:
        values, events = sampler.sample(0.2)
        assert events == []
        seen.update(values)
        return None if values else "no answer"

    wait_until("its answer", answered, limit_s=LIMIT_S)
    assert seen == {"runtime.api.figure": 7.0}
    assert sampler.sample(1.0)[0]["sampler.all.missing"] == 0


@pytest.mark.usefixtures("patient")
def test_a_witness_that_is_down_is_missing_until_it_is_back(make: Make) -> None:
    witness = Ready("witness.postgres")
    witness.error = ConnectionRefusedError("postgresql://user:secret@host")
    sampler = make(witnesses=[witness])
    assert sampler.sample(0.0)[1] == [
        Event(0.0, "probe_late", {"probe": "witness.postgres", "reason": "ConnectionRefusedError"})
    ]
    assert sampler.sample(1.0)[1] == []
    witness.error = None
    events = [event for n in range(BACK_AFTER) for event in sampler.sample(2.0 + n)[1]]
    assert events == [Event(1.0 + BACK_AFTER, "probe_back", {"probe": "witness.postgres"})]
    values, _ = sampler.sample(9.0)
    assert values["sampler.all.missing"] == 2


def test_a_quick_probe_that_fails_stops_no_other(make: Make, tmp_path: Path) -> None:
    sampler = make(witnesses=[DiskProbe(tmp_path / "gone")])
    values, events = sampler.sample(0.0)
    assert [(event.kind, event.detail["probe"]) for event in events] == [("probe_late", "disk.run")]
    assert "harness.runner.rss_bytes" in values


@pytest.mark.usefixtures("patient")
def test_figures_that_are_missing_are_counted_and_told_once(make: Make) -> None:
    sampler = make(witnesses=[Ready("runtime.api", missing=("runtime.api.cars",))])
    _, events = sampler.sample(0.0)
    assert kinds(events) == ["figures_missing"]
    values, events = sampler.sample(1.0)
    assert (events, values["sampler.all.missing"]) == ([], 2)


@pytest.mark.usefixtures("patient")
def test_a_service_that_ended_is_told_once_and_stops_no_other(child: Child, make: Make) -> None:
    sampler = make([ref("api", child.pid), ref("ourselves", os.getpid())])
    child.kill()
    child.wait()
    values, events = sampler.sample(3.0)
    assert events == [Event(3.0, "service_gone", {"service": "api"})]
    assert "process.api.rss_bytes" not in values
    assert values["process.ourselves.rss_bytes"] > 0
    for t_s in range(4, 8):
        values, events = sampler.sample(float(t_s))
        assert events == []
    assert values["sampler.all.missing"] == 5


@pytest.mark.usefixtures("patient")
def test_a_service_that_is_started_anew_is_told_and_measured_again(
    child: Child, make: Make, after: contextlib.ExitStack
) -> None:
    now, asked = [ref("api", child.pid)], []

    def refs() -> list[ProcessRef]:
        asked.append(len(now))
        return now

    sampler = make(refs)
    for t_s in range(3):
        sampler.sample(float(t_s))
    assert len(asked) == 1  # nothing was gone
    child.kill()
    child.wait()
    assert kinds(sampler.sample(3.0)[1]) == ["service_gone"]
    second = after.enter_context(start())
    after.callback(second.kill)
    now = [ref("api", second.pid)]
    events = sampled(sampler, lambda values, _: "process.api.rss_bytes" in values)
    (told,) = events
    assert (told.kind, told.detail["service"]) == ("service_restarted", "api")
    assert str(child.pid) in str(told.detail["before"])
    assert str(second.pid) in str(told.detail["after"])
    count = len(asked)
    sampler.sample(1e6)
    assert len(asked) == count


@pytest.mark.usefixtures("patient")
def test_a_service_started_anew_at_another_address_is_scraped_there(
    child: Child, make: Make, after: contextlib.ExitStack
) -> None:
    first, second = after.enter_context(serving()), after.enter_context(serving())
    now: list[ServiceRef] = [ref("api", child.pid), MetricsRef("api", f"{first.url}/metrics")]
    sampler = make(lambda: now)
    sampler.sample(0.0)
    child.kill()
    child.wait()
    sampler.sample(1.0)
    other = after.enter_context(start())
    after.callback(other.kill)
    now = [ref("api", other.pid), MetricsRef("api", f"{second.url}/metrics")]
    sampled(sampler, lambda _values, _events: bool(second.requests))
    seen = len(first.requests)
    sampler.sample(1e6)
    assert len(first.requests) == seen


@pytest.mark.usefixtures("patient")
def test_refs_that_cannot_be_asked_are_late_like_any_probe(child: Child, make: Make) -> None:
    now, broken = [ref("api", child.pid)], False

    def refs() -> list[ProcessRef]:
        if broken:
            raise ConnectionRefusedError
        return now

    sampler = make(refs)
    child.kill()
    child.wait()
    broken = True
    events = sampled(sampler, lambda _, events: "probe_late" in kinds(events))
    assert sorted(kinds(events)) == ["probe_late", "service_gone"]


@pytest.mark.usefixtures("patient")
def test_a_paused_service_keeps_nobody_waiting(child: Child, make: Make) -> None:
    sampler = make([ref("api", child.pid)])
    psutil.Process(child.pid).suspend()
    began_s = time.perf_counter()
    values, events = sampler.sample(0.0)
    assert events == []
    assert values["process.api.rss_bytes"] > 0
    assert time.perf_counter() - began_s < 2.0


def test_an_end_waits_for_nobody(child: Child, after: contextlib.ExitStack) -> None:
    server = after.enter_context(serving())
    server.stall()
    slow = Told("witness.redis")
    sampler = Sampler([ref("api", child.pid), MetricsRef("api", f"{server.url}/metrics")], witnesses=[slow])
    sampler.sample(0.0)
    began_s = time.perf_counter()
    sampler.close()
    assert time.perf_counter() - began_s < 3.0
    assert slow.closed.is_set()
    sampler.close()
    server.go_on()


def test_closing_what_never_looked_is_harmless() -> None:
    Sampler([]).close()
