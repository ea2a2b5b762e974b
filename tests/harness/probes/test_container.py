"""The container probe: what it makes of the engine's messages, and real containers where an engine answers."""

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.errors import DockerException
from docker.models.containers import Container

from harness.probes.container import ContainerGone, ContainerProbe, _figures
from harness.probes.sampler import Sampler
from harness.records import ContainerRef
from infra.ready import wait_until

LIMIT_S = 20.0
# Any image will do that has `sleep`; these are ours and the usual ones.
IMAGES = ("heavyweather/base:offline", "heavyweather/python:offline", "alpine:latest", "busybox:latest")

VERSION_1: dict[str, Any] = {
    "memory_stats": {
        "usage": 30_000_000,
        "stats": {"cache": 9_000_000, "total_inactive_file": 8_000_000, "inactive_file": 1},
    },
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
    "pids_stats": {"current": 12},
    "networks": {"eth0": {"rx_bytes": 100, "tx_bytes": 20}, "eth1": {"rx_bytes": 3, "tx_bytes": 4}},
}
VERSION_2: dict[str, Any] = {
    "memory_stats": {"usage": 30_000_000, "stats": {"file": 9_000_000, "inactive_file": 7_000_000}},
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
    "pids_stats": {"current": 12},
}


def test_a_message_of_cgroup_version_1() -> None:
    assert _figures(VERSION_1) == {"memory_bytes": 22_000_000, "cpu_s": 2.5, "pids": 12, "network_bytes": 127}


def test_a_message_of_cgroup_version_2_without_a_network() -> None:
    assert _figures(VERSION_2) == {"memory_bytes": 23_000_000, "cpu_s": 2.5, "pids": 12, "network_bytes": 0}


def test_a_page_cache_beyond_the_usage_makes_no_negative_memory() -> None:
    message = {"memory_stats": {"usage": 5, "stats": {"inactive_file": 9}}}
    assert _figures(message) == {"memory_bytes": 0, "cpu_s": 0, "pids": 0, "network_bytes": 0}


@pytest.mark.parametrize("message", [{}, {"memory_stats": {}, "cpu_stats": {}, "pids_stats": {}}])
def test_the_message_of_a_stopped_container_says_nothing(message: dict[str, Any]) -> None:
    assert _figures(message) == {}


def listening() -> bool:
    """Whether anybody listens where the engine should; asked in vain, docker's client leaves its socket open."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not address.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(address.removeprefix("unix://")) == 0


@pytest.fixture
def container() -> Iterator[Container]:
    """Run a container that does nothing, of an image that is there already."""
    if not listening():
        pytest.skip("no Docker engine listens")
    with contextlib.ExitStack() as after:
        try:
            client = docker.from_env()
            after.callback(client.close)
            here = {tag for image in client.images.list() for tag in image.tags}
        except DockerException as error:
            pytest.skip(f"no Docker engine answers: {error}")
        image = next((name for name in IMAGES if name in here), None)
        if image is None:
            pytest.skip(f"none of the images {', '.join(IMAGES)} is here")
        running = client.containers.run(image, ["sleep", "600"], detach=True, network_mode="none")
        after.callback(running.remove, force=True)
        yield running


def followed(running: Container) -> ContainerProbe:
    """Return a probe that has its first figures."""
    assert running.id is not None
    probe = ContainerProbe(ContainerRef("api", running.id))
    wait_until("figures", lambda: None if probe.sample() else "none", limit_s=LIMIT_S)
    return probe


def until_ended(probe: ContainerProbe) -> None:
    wait_until("the end of the stream", lambda: "going on" if probe._thread.is_alive() else None, limit_s=LIMIT_S)


@pytest.mark.needs_docker
def test_a_real_container_has_figures(container: Container) -> None:
    probe = followed(container)
    figures = probe.sample()
    assert 0 < figures["memory_bytes"] < 100e6
    assert figures["pids"] == 1
    assert figures["network_bytes"] == 0
    probe.close()
    until_ended(probe)


@pytest.mark.needs_docker
def test_a_real_container_that_stops_is_gone_and_told_once(container: Container) -> None:
    sampler = Sampler([])
    probe = followed(container)
    sampler._probes["container.api"] = probe
    container.kill()
    until_ended(probe)
    with pytest.raises(ContainerGone):
        probe.sample()
    assert [event.kind for event in sampler.sample(1.0)[1]] == ["service_gone"]
    assert sampler.sample(2.0)[1] == []
    probe.close()


@pytest.mark.needs_docker
def test_a_paused_container_is_alive(container: Container) -> None:
    probe = followed(container)
    container.pause()
    probe._latest = {}
    wait_until("figures of a paused container", lambda: None if probe.sample() else "none", limit_s=LIMIT_S)
    container.unpause()
    probe.close()
    until_ended(probe)
