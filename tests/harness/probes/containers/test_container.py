"""Real containers, where an engine answers: both ways of reading them, restarts, pauses, and want of memory."""

from collections.abc import Callable, Iterator

import pytest
from docker.models.containers import Container

from harness.probes.containers import container
from harness.probes.containers.container import GroupedContainer, open_container
from harness.probes.containers.container_stream import StreamedContainer
from harness.probes.reading import Gone, Reading, Unreadable
from harness.probes.sampler import Sampler
from harness.records import ContainerRef, Event
from harness.wait import wait_until
from tests.harness.probes.engine import LIMIT_S, Maker, making, until_status

pytestmark = pytest.mark.needs_docker

KINDS = {"groups": GroupedContainer, "stream": StreamedContainer}


@pytest.fixture(scope="module")
def maker() -> Iterator[Maker]:
    with making() as made:
        yield made


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have containers read the one way or the other."""
    if request.param == "stream":
        monkeypatch.setattr(container, "_seen_from_here", lambda *_: None)
    return str(request.param)


def ref_of(running: Container) -> ContainerRef:
    assert running.id is not None
    return ContainerRef("api", running.id)


@pytest.fixture
def opened(kind: str) -> Iterator[Callable[[Container], GroupedContainer | StreamedContainer]]:
    probes = []

    def open_it(running: Container) -> GroupedContainer | StreamedContainer:
        probe = open_container(ref_of(running))
        assert isinstance(probe, KINDS[kind])
        probes.append(probe)
        return probe

    yield open_it
    for probe in probes:
        probe.close()


def first(probe: GroupedContainer | StreamedContainer) -> Reading:
    """Return the first reading; the engine's stream takes a second to begin."""

    def seen() -> str | None:
        try:
            probe.read()
        except Unreadable as error:
            return str(error)
        return None

    wait_until("figures", seen, limit_s=LIMIT_S)
    return probe.read()


Opened = Callable[[Container], GroupedContainer | StreamedContainer]


def test_a_container_has_its_figures(maker: Maker, opened: Opened) -> None:
    values, missing = first(opened(maker.run()))
    assert missing == ()
    assert 0 < values["container.api.memory_bytes"] < 100e6
    assert values["container.api.pids"] == 1
    assert values["container.api.cpu_s"] > 0
    assert {"container.api.block_read_bytes", "container.api.block_written_bytes"} <= set(values)
    assert values.get("container.api.net_received_bytes", 0) == 0


def test_both_ways_tell_the_same(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    running = maker.run("dd if=/dev/zero of=/dev/shm/held bs=1M count=32 2>/dev/null; exec sleep 600", shm_size="64m")
    here = open_container(ref_of(running))
    monkeypatch.setattr(container, "_seen_from_here", lambda *_: None)
    streamed = open_container(ref_of(running))

    def seen() -> str | None:
        ours, engines = here.read().values, first(streamed).values
        held = [values["container.api.memory_bytes"] for values in (ours, engines)]
        return None if min(held) > 32 * 2**20 and abs(held[0] - held[1]) < 2**20 else str(held)

    wait_until("the same memory", seen, limit_s=LIMIT_S)
    ours, engines = here.read().values, streamed.read().values
    assert set(engines) <= set(ours)
    assert ours["container.api.cpu_s"] == pytest.approx(engines["container.api.cpu_s"], rel=0.2, abs=0.05)
    streamed.close()


def test_a_paused_container_is_alive(maker: Maker, opened: Opened) -> None:
    running = maker.run()
    probe = opened(running)
    first(probe)
    running.pause()
    assert probe.read().values["container.api.pids"] == 1
    running.unpause()


def test_a_container_that_stops_is_gone(maker: Maker, opened: Opened) -> None:
    running = maker.run()
    probe = opened(running)
    first(probe)
    running.kill()

    def seen() -> str | None:
        try:
            probe.read()
        except Gone:
            return None
        return "there"

    wait_until("its end", seen, limit_s=LIMIT_S)
    until_status(running, "exited")
    with pytest.raises(Gone):
        opened(running)


def test_a_container_that_was_never_there_is_gone(maker: Maker) -> None:
    del maker  # an engine answers
    with pytest.raises(Gone):
        open_container(ContainerRef("api", "0" * 64))


def sampled(sampler: Sampler, until: Callable[[dict[str, float], list[Event]], bool]) -> list[Event]:
    """Sample, pass after pass, until it is as wanted; return the events of containers.

    The passes follow one another faster than an engine answers, so that some probe is always late.
    """
    events: list[Event] = []

    def seen() -> str | None:
        values, news = sampler.sample(float(next(passes)))
        events.extend(event for event in news if not event.kind.startswith("probe_"))
        return None if until(values, events) else str([event.kind for event in events])

    passes = iter(range(10_000))
    wait_until("the events", seen, limit_s=LIMIT_S)
    return events


def test_a_restarted_container_is_told_and_measured_again(maker: Maker, kind: str) -> None:
    running = maker.run()
    sampler = Sampler([ref_of(running)], interval_s=0.5)
    sampled(sampler, lambda values, _: "container.api.memory_bytes" in values)
    running.restart(timeout=0)
    events = sampled(sampler, lambda values, _: values.get("container.api.restarts") == 1)
    assert [event.kind for event in events] == ["service_gone", "service_restarted"]
    assert events[1].detail["service"] == "api"
    assert events[1].detail["before"] != events[1].detail["after"]
    sampler.close()
    assert kind


def test_another_container_of_the_service_takes_its_place(maker: Maker) -> None:
    containers = [maker.run()]
    sampler = Sampler(lambda: [ref_of(containers[-1])], interval_s=0.5)
    sampled(sampler, lambda values, _: "container.api.memory_bytes" in values)
    containers[0].kill()
    containers.append(maker.run())
    events = sampled(sampler, lambda _, events: any(event.kind == "service_restarted" for event in events))
    (restarted,) = (event for event in events if event.kind == "service_restarted")
    assert str(containers[1].id)[:12] in str(restarted.detail["after"])
    sampler.close()


def test_a_kill_for_want_of_memory_is_told_also_of_a_process_that_is_not_the_first(maker: Maker) -> None:
    greedy = "while ! [ -e /go ]; do sleep 0.1; done; (exec head -c 200m /dev/zero | tail >/dev/null); exec sleep 600"
    running = maker.run(greedy, mem_limit="24m", memswap_limit="24m")
    sampler = Sampler([ref_of(running)], interval_s=0.5)
    sampled(sampler, lambda values, _: values.get("container.api.oom_kills") == 0)
    running.exec_run(["touch", "/go"])
    events = sampled(sampler, lambda values, _: values.get("container.api.oom_kills", 0) > 0)
    assert [event.kind for event in events] == ["oom_killed"]
    assert events[0].detail["service"] == "api"
    sampler.close()


def test_a_container_that_is_killed_for_want_of_memory_says_so(maker: Maker) -> None:
    greedy = "while ! [ -e /go ]; do sleep 0.1; done; exec tail /dev/zero"
    running = maker.run(greedy, mem_limit="24m", memswap_limit="24m")
    sampler = Sampler([ref_of(running)], interval_s=0.5)
    sampled(sampler, lambda values, _: "container.api.memory_bytes" in values)
    running.exec_run(["touch", "/go"])
    events = sampled(sampler, lambda _, events: {event.kind for event in events} >= {"service_gone", "oom_killed"})
    assert sorted(event.kind for event in events) == ["oom_killed", "service_gone"]
    sampler.close()
