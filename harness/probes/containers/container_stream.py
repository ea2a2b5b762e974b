"""A container's figures from the Docker API's stream, for engines whose control groups cannot be read from here.

One reader thread a container keeps the newest message at hand, because asking
for one takes over a second: the sampling path only reads what is there.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import docker
from docker.errors import DockerException
from docker.models.containers import Container

from harness.probes.reading import Gone, Reading, Unreadable

# The engine sends one a second; after so many it sends none any more.
_STALE_S = 5.0
# With so many messages the engine is asked whether it is still the same life that they tell of.
_ASK_EVERY = 5


class StreamedContainer:
    """Reads one container's figures; it owns the client. `restarts` is how often the engine has restarted it."""

    def __init__(
        self, service: str, identity: str, restarts: int, client: docker.DockerClient, container: Container
    ) -> None:
        self.service = service
        self.name = f"container.{service}"
        self.identity = identity
        self.restarts = restarts
        self._client = client
        self._container = container
        self._life = _life(container)
        self._messages = 0
        self._latest: tuple[float, Mapping[str, float]] | None = None
        self._gone: Gone | None = None
        self._closed = False
        self._thread = self._started()

    def read(self) -> Reading:
        """Return the newest figures, sizes in bytes and CPU in seconds.

        Raises Gone once the container has stopped or was started anew, and Unreadable without a message of late. A
        stream that broke is asked for anew, once a look.
        """
        if self._gone:
            raise self._gone
        if not self._thread.is_alive() and not self._closed:
            self._thread = self._started()
        latest = self._latest
        if latest is None or time.monotonic() - latest[0] > _STALE_S:
            raise Unreadable("no data on the engine's stats stream")
        return Reading({f"{self.name}.{figure}": value for figure, value in latest[1].items()})

    def close(self) -> None:
        """Let go of the stream; its thread ends with the next message."""
        self._closed = True
        with contextlib.suppress(DockerException, OSError):
            self._client.close()

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._follow, name=f"figures-{self.service}", daemon=True)
        thread.start()
        return thread

    def _follow(self) -> None:
        # A stream that breaks says nothing about the container: its figures are missing, and no more.
        with contextlib.suppress(Exception):
            stream: Iterable[Any] = self._container.stats(stream=True, decode=True)
            for message in stream:
                if self._closed:
                    break
                self._gone = self._take(figures_of(message))
                if self._gone:
                    break

    def _take(self, figures: Mapping[str, float]) -> Gone | None:
        """Keep a message's figures; return that the container is gone, or lives another life, where it does."""
        before = self._latest[1]["cpu_s"] if self._latest else 0.0
        self._messages += 1
        # The stream of a stopped container goes on with empty messages, as it does when the engine misread once, and
        # it goes on over a restart, where not even what has begun anew need be less than it was.
        suspect = not figures or figures["cpu_s"] < before or self._messages % _ASK_EVERY == 0
        if suspect:
            self._container.reload()
            state = self._container.attrs["State"]
            if not lives(state) or _life(self._container) != self._life:
                return Gone(oom_killed=bool(state.get("OOMKilled")))
        if figures:
            self._latest = (time.monotonic(), figures)
        return None


def _life(container: Container) -> tuple[object, object]:
    state = container.attrs["State"]
    return state.get("Pid"), state.get("StartedAt")


def lives(state: Mapping[str, Any]) -> bool:
    """Return whether a container has a process, by the engine's word on it: one between two lives is said to run."""
    return bool(state.get("Running") and state.get("Pid") and not state.get("Restarting"))


def figures_of(stats: Mapping[str, Any]) -> dict[str, float]:
    """Return what one message of the stream says; nothing of a stopped container, whose message is empty."""
    memory, cpu = stats.get("memory_stats") or {}, stats.get("cpu_stats") or {}
    if "usage" not in memory:
        return {}
    # Page cache that the kernel would give back is not the service's: v1 and v2 name it differently.
    detail = memory.get("stats") or {}
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    figures = {
        "memory_bytes": float(max(0, memory["usage"] - cache)),
        "cpu_s": (cpu.get("cpu_usage") or {}).get("total_usage", 0) / 1e9,
        "pids": float((stats.get("pids_stats") or {}).get("current", 0)),
        "block_read_bytes": _transferred(stats, "read"),
        "block_written_bytes": _transferred(stats, "write"),
    }
    # A container without a network of its own has no word on it.
    if networks := stats.get("networks"):
        figures["net_received_bytes"] = float(sum(network["rx_bytes"] for network in networks.values()))
        figures["net_sent_bytes"] = float(sum(network["tx_bytes"] for network in networks.values()))
    return figures


def _transferred(stats: Mapping[str, Any], operation: str) -> float:
    """Return what all devices read or wrote; version 1 begins the word with a capital."""
    entries = (stats.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return float(sum(entry["value"] for entry in entries if str(entry["op"]).lower() == operation))
