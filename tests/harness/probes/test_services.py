"""What becomes of services: gone, started anew, killed for want of memory; each told once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.identity import ProcessId
from harness.probes import services
from harness.probes.processes.tree import ProcessTree
from harness.probes.reading import Gone, Reading
from harness.probes.services import Found, Lookup, Service
from harness.records import ContainerRef, Event, LogRef, MetricsRef, ProcessRef, ServiceRef
from tests.processes import stranger_to


class Scripted:
    """A probe that reads what it is given next, or raises it."""

    def __init__(self, identity: str, *looks: object, kind: str = "container", restarts: int = 0) -> None:
        self.service = "api"
        self.name = f"{kind}.api"
        self.identity = identity
        self.restarts = restarts
        self.closed = False
        self._looks: Iterator[object] = iter(looks)

    def read(self) -> Reading:
        look = next(self._looks)
        if isinstance(look, Exception):
            raise look
        assert isinstance(look, dict)
        return Reading({f"{self.name}.{figure}": value for figure, value in look.items()})

    def close(self) -> None:
        self.closed = True


def looked(service: Service, times: int) -> tuple[list[dict[str, float]], list[tuple[str, float]]]:
    """Return what so many looks read (nothing: an empty one), and the events' kinds and times."""
    events: list[Event] = []
    seen = []
    for t_s in range(times):
        reading = service.read(float(t_s), events)
        seen.append({} if reading is None else dict(reading.values))
    return seen, [(event.kind, event.t_s) for event in events]


def test_one_that_ends_is_gone_once_and_let_go() -> None:
    probe = Scripted("one", {"rss_bytes": 1.0}, Gone(), kind="process")
    seen, events = looked(Service("api", "process", Found(probe)), 4)
    assert seen == [{"process.api.rss_bytes": 1.0}, {}, {}, {}]
    assert events == [("service_gone", 1.0)]
    assert probe.closed


def test_one_that_was_gone_from_the_start_is_told_at_the_first_look() -> None:
    assert looked(Service("api", "process", Found(gone=True)), 3)[1] == [("service_gone", 0.0)]


def test_one_that_cannot_be_looked_at_is_not_gone() -> None:
    service = Service("api", "container", Found(reason="DockerException"))
    assert looked(service, 2) == ([{}, {}], [])
    assert service.reason == "DockerException"
    events: list[Event] = []
    assert service.meet(Found(Scripted("one", {})), 2.0, events)
    assert events == []


def test_another_process_of_the_service_is_measured_from_then_on() -> None:
    service = Service("api", "process", Found(Scripted("one", Gone(), kind="process")))
    looked(service, 1)
    events: list[Event] = []
    assert service.meet(Found(Scripted("two", {"rss_bytes": 2.0}, Gone(), kind="process")), 5.0, events)
    assert events == [Event(5.0, "service_restarted", {"service": "api", "before": "one", "after": "two"})]
    assert looked(service, 2) == ([{"process.api.rss_bytes": 2.0}, {}], [("service_gone", 1.0)])


def test_the_same_one_found_again_is_no_restart() -> None:
    service = Service("api", "container", Found(Scripted("one", Gone())))
    looked(service, 1)
    again = Scripted("one")
    events: list[Event] = []
    assert not service.meet(Found(again), 5.0, events)
    assert (again.closed, events, service.probe) == (True, [], None)


def test_what_is_found_of_one_that_is_measured_is_let_go() -> None:
    service, other = Service("api", "container", Found(Scripted("one", {}))), Scripted("two")
    events: list[Event] = []
    assert not service.meet(Found(other), 5.0, events)
    assert (other.closed, events) == (True, [])


def test_restarts_are_counted_also_those_between_two_looks() -> None:
    service = Service("api", "container", Found(Scripted("one", {}, Gone(), restarts=4)))
    assert looked(service, 2)[0][0]["container.api.restarts"] == 0
    service.meet(Found(Scripted("two", {}, Gone(), restarts=7)), 1.0, [])
    assert looked(service, 2)[0][0]["container.api.restarts"] == 3
    service.meet(Found(Scripted("three", {}, restarts=0)), 1.0, [])
    assert looked(service, 1)[0][0]["container.api.restarts"] == 4


def test_kills_for_want_of_memory_count_over_restarts_and_not_from_before_the_run() -> None:
    before = [{"oom_kills": float(n)} for n in (5, 5, 7)]
    service = Service("api", "container", Found(Scripted("one", *before, Gone())))
    seen, events = looked(service, 4)
    assert [look.get("container.api.oom_kills") for look in seen] == [0, 0, 2, None]
    assert events == [("oom_killed", 2.0), ("service_gone", 3.0)]
    service.meet(Found(Scripted("two", {"oom_kills": 1.0})), 4.0, [])
    seen, events = looked(service, 1)
    assert (seen[0]["container.api.oom_kills"], events) == (3, [("oom_killed", 0.0)])


def test_a_container_that_was_killed_for_want_of_memory_says_so_once() -> None:
    service = Service("api", "container", Found(Scripted("one", Gone())))
    events: list[Event] = []
    service.read(1.0, events)
    for t_s in (2.0, 3.0):
        assert not service.meet(Found(gone=True, oom_killed=True), t_s, events)
    assert [(event.kind, event.t_s) for event in events] == [("service_gone", 1.0), ("oom_killed", 2.0)]


def test_a_kill_that_was_counted_before_the_end_is_told_once() -> None:
    probe = Scripted("one", {"oom_kills": 0.0}, {"oom_kills": 1.0}, Gone(oom_killed=True))
    _, events = looked(Service("api", "container", Found(probe)), 3)
    assert events == [("oom_killed", 1.0), ("service_gone", 2.0)]
    earlier = Scripted("one", {"oom_kills": 0.0}, {"oom_kills": 1.0}, {"oom_kills": 1.0}, Gone(oom_killed=True))
    _, events = looked(Service("api", "container", Found(earlier)), 4)
    assert events == [("oom_killed", 1.0), ("oom_killed", 3.0), ("service_gone", 3.0)]


lives = st.lists(st.integers(0, 3), min_size=1, max_size=6)


@given(lives)
def test_however_often_it_restarts_each_end_and_each_beginning_is_told(looks: list[int]) -> None:
    events: list[Event] = []
    probes = [Scripted(f"life {n}", *[{}] * count, Gone()) for n, count in enumerate(looks)]
    service = Service("api", "container", Found(probes[0]))
    for n, count in enumerate(looks):
        if n:
            assert service.meet(Found(probes[n]), float(n), events)
        assert [service.read(float(n), events) is not None for _ in range(count + 2)] == [*[True] * count, False, False]
    told = [event.kind for event in events]
    assert told == ["service_gone", *["service_restarted", "service_gone"] * (len(looks) - 1)]
    assert all(probe.closed for probe in probes)


def test_a_lookup_opens_what_is_wanted_and_hands_on_every_ref() -> None:
    own = ProcessRef("ourselves", ProcessId.own())
    stranger = ProcessRef("stranger", stranger_to(own.process))
    refs: list[ServiceRef] = [own, stranger, MetricsRef("api", "http://127.0.0.1:1"), LogRef("api", Path("x"))]
    lookup = Lookup(lambda: refs, ProcessTree())
    found, named = lookup.look(lambda name: name != "process.other")
    assert named == tuple(refs)
    assert found["process.ourselves"].probe is not None
    assert found["process.stranger"] == Found(gone=True)
    assert lookup.look(lambda _: False)[0] == {}


def test_a_lookup_that_fails_for_one_service_finds_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(ref: ContainerRef) -> None:
        raise ConnectionRefusedError(f"tcp://user:secret@{ref.engine}")

    monkeypatch.setattr(services, "open_container", refuse)
    refs: list[ServiceRef] = [ContainerRef("redis", "id"), ProcessRef("api", ProcessId.own())]
    found, _ = Lookup(lambda: refs, ProcessTree()).look(lambda _: True)
    assert found["container.redis"] == Found(reason="ConnectionRefusedError")
    assert found["process.api"].probe is not None
