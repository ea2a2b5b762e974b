"""What there is to break: tiny protocols, one for each way of being broken, which a stack's providers satisfy.

What is not there is missing from its table, and `lacking` has the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from chaos.direction import Stream
from harness.errors import Unsupported
from harness.records import ContainerRef

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.canary.canary import Canary
    from chaos.observed import Observed
    from chaos.undo import Step


class Toxic(Protocol):
    """One toxic: its kind, its direction, its attributes in SI units, and the share of connections it falls on."""

    @property
    def kind(self) -> str:
        """The toxic's name in Toxiproxy."""

    @property
    def stream(self) -> Stream:
        """`downstream` is towards the caller, `upstream` towards the callee."""

    @property
    def attributes(self) -> Mapping[str, float]:
        """The attributes, keys with units in SI."""

    @property
    def toxicity(self) -> float:
        """From 0 to 1; rolled by the server for each connection."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """A link as read back: whether it listens, and its toxics by name as (kind, stream, attributes in SI units)."""

    enabled: bool
    toxics: Mapping[str, tuple[str, str, Mapping[str, float]]]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.enabled and not self.toxics


@dataclass(frozen=True, slots=True)
class Store:
    """A PostgreSQL or Redis past its proxies; `url` is its DSN or URL, and never shown: a password may be in it."""

    name: str
    url: str = field(repr=False)


class Link(Protocol):
    """A hop that can be broken at its proxy; every call is bounded and raises ChaosError when it cannot be made."""

    @property
    def name(self) -> str:
        """The hop's name."""

    @property
    def address(self) -> str:
        """HOST:PORT of the proxy server's API."""

    @property
    def place(self) -> Mapping[str, object]:
        """What a step needs to find the link again, and to create it again; JSON-safe."""

    @property
    def canary(self) -> Canary:
        """Who asks through the link more than a look does."""

    def add(self, name: str, toxic: Toxic) -> None:
        """Add a toxic to the link."""

    def update(self, name: str, toxic: Toxic) -> None:
        """Change a toxic that is on the link; kind and direction stay."""

    def remove(self, name: str) -> None:
        """Remove a toxic; harmless when it is not there."""

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the one thing it sets
        """Open or close the listener, and with it all connections."""

    def state(self) -> LinkState:
        """Read the link's state back from the server."""

    def observe(self) -> Observed:
        """Send a canary through the link."""


class Service(Protocol):
    """A process or container that can be ended, paused and started; calls are bounded and raise ChaosError.

    It follows the service from one process to the next: each call is about the one that is its now.
    """

    @property
    def name(self) -> str:
        """The service's name."""

    def kill(self) -> None:
        """End it at once, without a word of warning."""

    def terminate(self, grace_s: float) -> None:
        """Ask it to stop in its own way, and end it once `grace_s` seconds have not been enough."""

    def pause(self) -> None:
        """Stop it where it stands, with all that belongs to it."""

    def start(self) -> None:
        """Start it again, and wait for nothing; harmless when it runs."""

    def observe(self) -> Observed:
        """See whether it runs and answers, is stopped or gone; `amount` is when it started, Unix seconds."""

    def resume_step(self) -> Step:
        """Return the step that resumes it after a pause."""

    def start_step(self) -> Step:
        """Return what has it run and answer again after an end."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much of its machine a container may use; 0 where nothing limits it. Swap counts with the memory it is for."""

    cpu_cores: float = 0.0
    memory_bytes: int = 0
    memory_and_swap_bytes: int = 0


class Squeezable(Protocol):
    """A container whose share of the machine can be made smaller; calls are bounded and raise ChaosError."""

    @property
    def name(self) -> str:
        """The service's name."""

    def machine(self) -> Allowance:
        """Return what there is in all, of which nothing is left to squeeze if it is given."""

    def allowance(self) -> Allowance:
        """Read what it may use back from its engine."""

    def squeeze(self, *, cpu_cores: float | None, memory_bytes: int | None) -> None:
        """Let it use no more than so much; None leaves that part alone."""

    def observe(self) -> Observed:
        """See whether it runs and answers, as `Service` does."""

    def restore_step(self, former: Allowance, *, cpu: bool, memory: bool) -> Step:
        """Return what gives it back what it was allowed."""

    def start_step(self) -> Step:
        """Return what has it run again, should it have died of want."""


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Wire:
    """Where a hop's packets can be met: at the port its proxy listens on, in its container or else on our loopback.

    `run` is the id of the run, which marks what is left there; `canary` crosses the hop.
    """

    port: int
    run: str
    canary: Canary
    container: ContainerRef | None = None


class Member(Protocol):
    """A service's container in its network; calls are bounded and raise ChaosError."""

    def cut(self) -> None:
        """Take it out of the network."""

    def joined(self) -> bool:
        """Whether it is in the network, as the engine has it."""

    def observe(self) -> Observed:
        """Send a canary to the service, past the proxies."""

    def join_step(self) -> Step:
        """Return what has it in the network again, by the names and the address that it had."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Everything of one run that can be broken, by name.

    `lacking` says, by a fault's kind, why this stack or machine cannot do it, and `spared`, by a service's name, why
    that one is left alone.
    """

    links: Mapping[str, Link] = field(default_factory=dict)
    services: Mapping[str, Service] = field(default_factory=dict)
    containers: Mapping[str, Squeezable] = field(default_factory=dict)
    spared: Mapping[str, str] = field(default_factory=dict)
    wires: Mapping[str, Wire] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    stores: Mapping[str, Store] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)

    def link(self, kind: str, hop: str) -> Link:
        """Return the link of a hop. Raises Unsupported."""
        return self._find(self.links, kind, hop, "hop")

    def service(self, kind: str, name: str) -> Service:
        """Return a service that can be broken in itself. Raises Unsupported."""
        self._refuse_spared(kind, name)
        return self._find(self.services, kind, name, "service")

    def container(self, kind: str, name: str) -> Squeezable:
        """Return a service whose share of the machine can be limited. Raises Unsupported."""
        self._refuse_spared(kind, name)
        return self._find(self.containers, kind, name, "container")

    def _refuse_spared(self, kind: str, name: str) -> None:
        if reason := self.spared.get(name):
            raise Unsupported(f"{kind} on {name}: {reason}")

    def wire(self, kind: str, hop: str) -> Wire:
        """Return the wire of a hop. Raises Unsupported."""
        return self._find(self.wires, kind, hop, "hop")

    def member(self, kind: str, service: str) -> Member:
        """Return a service's container in its network. Raises Unsupported."""
        self._refuse_spared(kind, service)
        return self._find(self.members, kind, service, "hop, or service in a container's network,")

    def store(self, kind: str, name: str) -> Store:
        """Return a data store that can be asked directly. Raises Unsupported."""
        return self._find(self.stores, kind, name, "store")

    def folder(self, kind: str, name: str) -> Path:
        """Return a folder on whose disk something of the run lies. Raises Unsupported."""
        return self._find(self.folders, kind, name, "folder")

    def _find(self, table: Mapping[str, _T], kind: str, name: str, what: str) -> _T:
        if reason := self.lacking.get(kind):
            raise Unsupported(f"{kind} on {name}: {reason}")
        if name not in table:
            raise Unsupported(f"{kind} on {name}: no such {what} here; there are: {', '.join(table) or 'none'}")
        return table[name]
