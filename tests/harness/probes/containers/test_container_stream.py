"""The engine's stream of a container's figures: its messages in both versions, and the ends it can come to."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from harness.probes.containers.container_stream import StreamedContainer, figures_of, lives
from harness.probes.reading import Gone, Unreadable
from harness.wait import wait_until

VERSION_1: dict[str, Any] = {
    "memory_stats": {
        "usage": 30_000_000,
        "stats": {"cache": 9_000_000, "total_inactive_file": 8_000_000, "inactive_file": 1},
    },
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
    "pids_stats": {"current": 12},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "Read", "value": 5},
            {"major": 8, "minor": 0, "op": "Write", "value": 8},
            {"major": 8, "minor": 0, "op": "Total", "value": 13},
        ]
    },
    "networks": {"eth0": {"rx_bytes": 100, "tx_bytes": 20}, "eth1": {"rx_bytes": 3, "tx_bytes": 4}},
}
VERSION_2: dict[str, Any] = {
    "memory_stats": {"usage": 30_000_000, "stats": {"file": 9_000_000, "inactive_file": 7_000_000}},
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
    "pids_stats": {"current": 12},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "read", "value": 5},
            {"major": 8, "minor": 0, "op": "write", "value": 8},
        ]
    },
}


def test_a_message_of_cgroup_version_1() -> None:
    assert figures_of(VERSION_1) == {
        "memory_bytes": 22_000_000,
        "cpu_s": 2.5,
        "pids": 12,
        "net_received_bytes": 103,
        "net_sent_bytes": 24,
        "block_read_bytes": 5,
        "block_written_bytes": 8,
    }


def test_a_message_of_cgroup_version_2_without_a_network() -> None:
    assert figures_of(VERSION_2) == {
        "memory_bytes": 23_000_000,
        "cpu_s": 2.5,
        "pids": 12,
        "block_read_bytes": 5,
        "block_written_bytes": 8,
    }


def test_a_page_cache_beyond_the_usage_makes_no_negative_memory() -> None:
    message = {"memory_stats": {"usage": 5, "stats": {"inactive_file": 9}}}
    assert figures_of(message)["memory_bytes"] == 0


@pytest.mark.parametrize("message", [{}, {"memory_stats": {}, "cpu_stats": {}, "pids_stats": {}}])
def test_the_message_of_a_stopped_container_says_nothing(message: dict[str, Any]) -> None:
    assert figures_of(message) == {}


@pytest.mark.parametrize("blkio", [None, {}, {"io_service_bytes_recursive": None}])
def test_a_container_without_block_devices_moved_nothing(blkio: object) -> None:
    assert figures_of({**VERSION_2, "blkio_stats": blkio})["block_read_bytes"] == 0


@pytest.mark.parametrize(
    ("state", "it_lives"),
    [
        ({"Running": True, "Pid": 7, "Restarting": False}, True),
        ({"Running": True, "Pid": 7, "Paused": True}, True),
        ({"Running": True, "Pid": 0, "Restarting": True}, False),
        ({"Running": False, "Pid": 0}, False),
        ({}, False),
    ],
)
def test_a_container_between_two_lives_does_not_live(state: Mapping[str, object], *, it_lives: bool) -> None:
    assert lives(state) == it_lives


class Engine:
    """Stands for an engine's stream: its messages one by one, then an end or a silence."""

    id = "4f1c"
    container: Container

    def __init__(self, *messages: Mapping[str, Any], then: Mapping[str, Any] | None = None) -> None:
        self.attrs: dict[str, Any] = {"State": {"Running": True, "Pid": 7, "StartedAt": "noon"}}
        self._then = then
        self.asked = 0
        self.streams = 0
        self.told = threading.Event()
        self.ending = threading.Event()
        self._messages = messages

    def stats(self, *, stream: bool, decode: bool) -> Iterator[Mapping[str, Any]]:
        assert stream
        assert decode
        self.streams += 1
        yield from self._messages
        self.told.set()
        self.ending.wait(10)
        raise ConnectionResetError

    def reload(self) -> None:
        """Be as a test has it from then on."""
        self.asked += 1
        if self._then is not None:
            self.container.attrs["State"] = self._then


def streamed(engine: Engine) -> StreamedContainer:
    client = docker.DockerClient(base_url="tcp://127.0.0.1:1", version="1.41")
    container = engine.container = Container()
    for name in ("stats", "reload", "attrs"):
        setattr(container, name, getattr(engine, name))
    return StreamedContainer("api", "one", 0, client, container)


def ended(engine: Engine, probe: StreamedContainer) -> None:
    engine.ending.set()
    probe._thread.join(10)
    probe.close()
    assert not probe._thread.is_alive()


def counting(cpu_s: float) -> Mapping[str, Any]:
    return {**VERSION_2, "cpu_stats": {"cpu_usage": {"total_usage": cpu_s * 1e9}}}


def test_the_newest_message_is_read() -> None:
    engine = Engine(counting(1.0), counting(2.0))
    probe = streamed(engine)
    assert engine.told.wait(10)
    assert probe.read().values["container.api.cpu_s"] == 2.0
    ended(engine, probe)


def test_before_the_first_message_nothing_is_made_up() -> None:
    engine = Engine()
    probe = streamed(engine)
    with pytest.raises(Unreadable):
        probe.read()
    ended(engine, probe)


def test_an_engine_that_fell_silent_is_not_believed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.probes.containers.container_stream._STALE_S", 0.0)
    engine = Engine(counting(1.0))
    probe = streamed(engine)
    assert engine.told.wait(10)
    with pytest.raises(Unreadable):
        probe.read()
    ended(engine, probe)


def gone(probe: StreamedContainer) -> Gone:
    def seen() -> str | None:
        return None if probe._gone else "there"

    wait_until("its end", seen, limit_s=10)
    with pytest.raises(Gone) as raised:
        probe.read()
    return raised.value


@pytest.mark.parametrize("oom_killed", [True, False])
def test_a_container_that_stopped_is_gone_and_the_engine_says_why(*, oom_killed: bool) -> None:
    engine = Engine(counting(1.0), {}, then={"Running": False, "Pid": 0, "OOMKilled": oom_killed})
    probe = streamed(engine)
    assert gone(probe).oom_killed == oom_killed
    ended(engine, probe)


def test_an_engine_that_misread_once_is_no_end() -> None:
    engine = Engine(counting(1.0), {}, counting(1.5))
    probe = streamed(engine)
    assert engine.told.wait(10)
    assert probe.read().values["container.api.cpu_s"] == 1.5
    ended(engine, probe)


def test_a_stream_that_broke_is_asked_for_anew() -> None:
    engine = Engine(counting(1.0))
    probe = streamed(engine)
    engine.ending.set()
    probe._thread.join(10)
    engine.told.clear()
    engine.ending.clear()
    probe.read()
    assert engine.told.wait(10)
    assert engine.streams == 2
    ended(engine, probe)


ANEW = {"Running": True, "Pid": 8, "StartedAt": "one"}


@pytest.mark.parametrize("messages", [(5.0, 0.1), (1.0,) * 5], ids=["counts anew", "counts on"])
def test_one_that_was_started_anew_is_gone(messages: tuple[float, ...]) -> None:
    engine = Engine(*map(counting, messages), then=ANEW)
    probe = streamed(engine)
    assert not gone(probe).oom_killed
    ended(engine, probe)


def test_the_engine_is_asked_now_and_then_and_not_with_every_message() -> None:
    engine = Engine(*[counting(float(n)) for n in range(20)])
    probe = streamed(engine)
    assert engine.told.wait(10)
    assert engine.asked == 4
    assert probe.read().values["container.api.cpu_s"] == 19.0
    ended(engine, probe)
