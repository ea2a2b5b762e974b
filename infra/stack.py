"""What a stack is: the services, the hops between them, and what a provider must offer.

There is one list of services and one list of hops; every provider serves both
whole. Each hop has a Toxiproxy proxy of its own, so that a fault on one hop
touches no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.records import ContainerRef, ProcessRef, ServiceRef

# In the order they start; they stop in reverse.
SERVICES = ("postgres", "redis", "toxiproxy", "auth", "api")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to connect to."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The endpoint as a base URL of plain HTTP."""
        return f"http://{self}"


@dataclass(frozen=True, slots=True)
class Hop:
    """A link under test: who calls whom. `port` is where its proxy listens inside a container stack."""

    name: str
    callee: str
    port: int


HOPS = (
    Hop("client_api", "api", 21080),
    Hop("client_auth", "auth", 21081),
    Hop("api_auth", "auth", 21082),
    Hop("api_postgres", "postgres", 21432),
    Hop("api_redis", "redis", 21379),
)


@dataclass(frozen=True, slots=True)
class StackPlan:
    """What to bring up: for which run, where its logs go, and with which planted defects.

    `defects` are texts `NAME` or `NAME:VALUE`. `named` gives services that the
    target names instead of having them started: service to URL, on this machine or on a host in `allow`; `hops` fixes
    ports of proxies, which are otherwise chosen free. With `allocations` the reference services report which lines
    of theirs hold how much memory, at some cost to their speed.
    """

    run_id: str
    run_folder: Path
    defects: tuple[str, ...] = ()
    required: frozenset[str] = frozenset({"api", "postgres", "redis", "toxiproxy"})
    named: Mapping[str, str] = field(default_factory=dict)
    hops: Mapping[str, int] = field(default_factory=dict)
    allocations: bool = False
    allow: frozenset[str] = frozenset()


# Why it is never ended, paused or squeezed.
INSTRUMENT = "it is the instrument that breaks and probes all the others"


@dataclass(frozen=True, slots=True)
class Handle:
    """A service that may be ended or paused, for the stack can start it again.

    `ref` returns its process or container as it is now, `stop` is the signal that asks it to stop; `start_again`
    starts it as it was, at the same address, unless it runs, and waits for nothing; `wait_healthy` waits until it
    answers; `health` asks it once, past the proxies, and returns the error, or None. They raise StackError, and
    NotReady after a limit.
    """

    ref: Callable[[], ProcessRef | ContainerRef]
    stop: str
    start_again: Callable[[], None]
    wait_healthy: Callable[[], None]
    health: Callable[[], str | None]


class Stack(Protocol):
    """A provider's running stack. All endpoints are reachable from the harness's own machine."""

    provider: str

    def up(self) -> None:
        """Start everything, make the proxies, wait until each service proves healthy.

        Raises StackError, NotReady or EnvironmentMissing and leaves nothing behind
        when a required service fails; an optional one that fails is in `absent`.
        """

    def down(self) -> None:
        """Stop everything that `up` started; calling it again is harmless."""

    def endpoint(self, service: str) -> Endpoint:
        """Return a service's own address, past the proxies: for health, metrics and final reads."""

    def proxy_endpoint(self, hop: str) -> Endpoint:
        """Return where the harness can connect to a hop's proxy."""

    def postgres_dsn(self) -> str:
        """Return the DSN of the stack's database, past the proxies."""

    def redis_url(self) -> str:
        """Return the URL of the stack's Redis, past the proxies."""

    def services(self) -> tuple[ServiceRef, ...]:
        """Return what to measure: each service's process or container."""

    def handles(self) -> Mapping[str, Handle]:
        """Return the services that may be ended and paused, by name."""

    def spared(self) -> Mapping[str, str]:
        """Return the services that must not be, each with its reason."""

    def folders(self) -> Mapping[str, Path]:
        """Return the folders of services' data that this machine can reach, by service."""

    def absent(self) -> Mapping[str, str]:
        """Return the optional services that are missing, each with its reason."""

    def versions(self) -> Mapping[str, str]:
        """Return service to version, for the record of the run."""
