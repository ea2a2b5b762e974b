"""What a container costs: memory, CPU, process ids, network, from the Docker API's stream of figures.

One reader thread a container keeps the newest figures at hand, because asking
for them takes over a second: far too long for the sampling path, which only
reads what is there.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any

import docker
from docker.errors import DockerException

from harness.records import ContainerRef


class ContainerGone(Exception):
    """The container stopped."""


class ContainerProbe:
    """Reads one container's figures."""

    def __init__(self, ref: ContainerRef) -> None:
        self.service = ref.service
        self._client = docker.DockerClient(base_url=ref.engine) if ref.engine else docker.from_env()
        self._container = self._client.containers.get(ref.container_id)
        self._stream = self._container.stats(stream=True, decode=True)
        self._latest: Mapping[str, float] = {}
        self._gone = False
        self._closed = False
        self._thread = threading.Thread(target=self._follow, name=f"figures-{ref.service}", daemon=True)
        self._thread.start()

    def sample(self) -> Mapping[str, float]:
        """Return the newest figures, sizes in bytes and CPU in seconds; none before the first or after a broken stream.

        Raises ContainerGone once the container has stopped.
        """
        if self._gone:
            raise ContainerGone(self.service)
        return self._latest

    def close(self) -> None:
        """Let go of the stream; its thread ends with the next message."""
        self._closed = True
        with contextlib.suppress(DockerException, OSError):
            self._client.close()

    def _follow(self) -> None:
        # A stream that breaks says nothing about the container: its figures are missing from then on, and no more.
        with contextlib.suppress(Exception):
            for message in self._stream:
                if self._closed:
                    break
                if latest := _figures(message):
                    self._latest = latest
                elif not self._runs():
                    self._gone = True
                    break
        self._latest = {}

    def _runs(self) -> bool:
        # The stream of a stopped container goes on with empty messages, as it does when the engine misread once.
        self._container.reload()
        return self._container.status in {"running", "paused"}


def _figures(stats: Any) -> Mapping[str, float]:
    """Return what one message of the stream says; nothing of a stopped container, whose message is empty."""
    memory, cpu = stats.get("memory_stats", {}), stats.get("cpu_stats", {})
    if "usage" not in memory:
        return {}
    # Page cache that the kernel would give back is not the service's: v1 and v2 name it differently.
    detail = memory.get("stats", {})
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    networks = stats.get("networks", {}).values()
    return {
        "memory_bytes": max(0, memory["usage"] - cache),
        "cpu_s": cpu.get("cpu_usage", {}).get("total_usage", 0) / 1e9,
        "pids": stats.get("pids_stats", {}).get("current", 0),
        "network_bytes": sum(network["rx_bytes"] + network["tx_bytes"] for network in networks),
    }
