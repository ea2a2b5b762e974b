"""Takes containers out of their networks and puts them back by the same names: only those labelled with the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaos.canary.canary import Canary
from chaos.observed import Observed
from chaos.run_container import Place
from chaos.undo import Step
from harness.errors import ChaosError, InjectionFailed, Unsupported
from harness.records import ContainerRef

if TYPE_CHECKING:
    from docker.models.containers import Container

# How an engine says that it chooses the addresses of a network by itself.
_CHOOSES_ITSELF = "user specified IP address is supported only"


@dataclass(frozen=True, slots=True)
class Membership:
    """A container in a network, by the network's id, and the names and the address that it has there."""

    place: Place
    network: str
    aliases: tuple[str, ...]
    address: str

    @staticmethod
    def of(args: Mapping[str, object]) -> Membership:
        """Return what a step's arguments describe."""
        aliases = args["aliases"]
        if not isinstance(aliases, Sequence) or isinstance(aliases, str):
            raise ChaosError(f"network.connect: aliases = {aliases!r}: must be a list")
        return Membership(Place.of(args), str(args["network"]), tuple(map(str, aliases)), str(args["address"]))

    def args(self) -> dict[str, object]:
        """Return it as a step's arguments."""
        there = {"network": self.network, "aliases": list(self.aliases), "address": self.address}
        return {**self.place.args(), **there}

    def restore(self) -> None:
        """Have the container in its network, by its names; harmless when it is there, or is no more.

        It gets its former address where the engine lets one be asked for. Elsewhere the engine hands out the lowest
        that is free, which is the same again unless others have left too. Raises Refused, ChaosError.
        """
        if self.remaining() is None:
            return
        with self.place.opened() as container:
            if container is not None:
                self._connect(container)

    def remaining(self) -> str | None:
        """Return what is missing from its place, or None; of a container that is no more, nothing.

        Raises Refused, ChaosError.
        """
        with self.place.opened() as container:
            if container is None:
                return None
            there, running = self._found(container), bool(container.attrs["State"]["Running"])
        if there is None:
            return f"the container of {self.place.service} is not in its network"
        if lost := set(self.aliases) - set(there.get("Aliases") or ()):
            return f"the container of {self.place.service} has lost its names {', '.join(sorted(lost))}"
        if running and not there["IPAddress"]:
            return f"the container of {self.place.service} has no address in its network"
        return None

    def end(self) -> None:
        """Take the container out. Raises Refused, ChaosError."""
        with self.place.opened() as container:
            if container is None:
                raise ChaosError(f"the container of {self.place.service} is gone")
            _client(container).networks.get(self.network).disconnect(container)

    def lasts(self) -> bool:
        """Whether the container is in the network. Raises Refused, ChaosError."""
        with self.place.opened() as container:
            return container is not None and self._found(container) is not None

    def _connect(self, container: Container) -> None:
        from docker.errors import APIError  # noqa: PLC0415 - slow to import, and needed by few

        network = _client(container).networks.get(self.network)
        if self._found(container) is not None:
            # It is there, but not by its names.
            network.disconnect(container)
        try:
            network.connect(container, aliases=list(self.aliases), ipv4_address=self.address or None)
        except APIError as error:
            if _CHOOSES_ITSELF not in str(error):
                raise
            network.connect(container, aliases=list(self.aliases))

    def _found(self, container: Container) -> Mapping[str, Any] | None:
        networks = container.attrs["NetworkSettings"]["Networks"].values()
        return next((network for network in networks if network["NetworkID"] == self.network), None)


class ContainerMember:
    """A service's container in the one network it is in; satisfies `chaos.targets.Member`.

    `canary` asks the service past the proxies. Asks the engine: raises Refused for a container of another run,
    Unsupported for one in no network or in several, ChaosError.
    """

    def __init__(self, ref: ContainerRef, *, run: str, canary: Canary) -> None:
        place = Place(ref.service, ref.engine, ref.container_id, run)
        with place.opened() as container:
            networks = container.attrs["NetworkSettings"]["Networks"] if container else {}
        if len(networks) != 1:
            raise Unsupported(f"{ref.service}: its container is in {len(networks)} networks, not in one")
        (found,) = networks.values()
        aliases = tuple(found.get("Aliases") or ())
        self._membership = Membership(place, found["NetworkID"], aliases, found["IPAddress"])
        self._canary = canary

    def cut(self) -> None:
        """Take it out, and see that it is out. Raises InjectionFailed."""
        try:
            self._membership.end()
            inside = self._membership.lasts()
        except ChaosError as error:
            raise InjectionFailed(f"not disconnected: {error}") from error
        if inside:
            raise InjectionFailed(f"{self._membership.place.service} was disconnected, yet it is in its network")

    def joined(self) -> bool:
        """Whether the engine has it in its network. Raises ChaosError."""
        return self._membership.lasts()

    def observe(self) -> Observed:
        """Send a canary to it, past the proxies."""
        return self._canary.observe()

    def join_step(self) -> Step:
        """Return what has it in its network again."""
        return Step("network.connect", self._membership.args())


def _client(container: Container) -> Any:
    return container.client


class ConnectNetwork:
    """`network.connect`: a container by `service`, `engine`, `container`, `run`; `network`, `aliases`, `address`."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Have the container in its network. Raises ChaosError."""
        Membership.of(args).restore()

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return what is missing from its place in its network. Raises ChaosError."""
        return Membership.of(args).remaining()
