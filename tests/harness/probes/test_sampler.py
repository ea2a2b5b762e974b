import subprocess
import sys
from collections.abc import Iterator, Mapping

import psutil
import pytest

from harness.probes.sampler import Sampler
from harness.records import Event, ProcessRef


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        yield running
        running.kill()


def ref(service: str, child: subprocess.Popen[bytes]) -> ProcessRef:
    return ProcessRef(service, child.pid, psutil.Process(child.pid).create_time())


def test_a_pass_names_every_figure_by_its_service(child: subprocess.Popen[bytes]) -> None:
    values, events = Sampler([ref("api", child)]).sample(1.0)
    assert events == []
    assert set(values) == {
        *(f"process.api.{figure}" for figure in ("rss_bytes", "cpu_s", "fds", "threads", "children")),
    }


def test_a_service_that_ended_is_told_once_and_stops_no_other(child: subprocess.Popen[bytes]) -> None:
    own = ProcessRef("ourselves", psutil.Process().pid, psutil.Process().create_time())
    sampler = Sampler([ref("api", child), own])
    child.kill()
    child.wait()
    values, events = sampler.sample(3.5)
    assert events == [Event(3.5, "service_gone", {"service": "api"})]
    assert "process.api.rss_bytes" not in values
    assert values["process.ourselves.rss_bytes"] > 0
    assert sampler.sample(4.5)[1] == []


def test_a_probe_that_fails_is_told_each_time_and_tried_again() -> None:
    class Moody:
        service = "api"
        denied = True

        def sample(self) -> Mapping[str, float]:
            if self.denied:
                raise psutil.AccessDenied(1, "api")
            return {"rss_bytes": 7.0}

    sampler, moody = Sampler([]), Moody()
    sampler._probes["process.api"] = moody
    values, (event,) = sampler.sample(1.0)
    assert (event.kind, event.detail["service"]) == ("probe_failed", "api")
    assert "process.api.rss_bytes" not in values
    moody.denied = False
    values, events = sampler.sample(2.0)
    assert events == []
    assert values["process.api.rss_bytes"] == 7.0


def test_without_services_there_is_nothing_to_say() -> None:
    values, events = Sampler([]).sample(0.0)
    assert values == {}
    assert events == []


def test_closing_is_harmless_without_containers(child: subprocess.Popen[bytes]) -> None:
    Sampler([ref("api", child)]).close()
