"""Where anything may be broken: on this machine's loopback, on hosts that the target allows, in this run's containers.

A container's address counts only because its engine says that the container has
it and carries the label of this run; no range of addresses is trusted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from chaos.run_container import Place
from chaos.targets import Targets
from harness.errors import Refused
from harness.records import ContainerRef


def check_address(what: str, host: str, *, allow: Collection[str], own: Collection[str] = ()) -> None:
    """Raise Refused unless `host` is a loopback one, one of `allow`, or one of `own`, our containers' addresses."""
    if _is_loopback(host) or host in allow or host in own:
        return
    rule = "may be broken only on this machine's loopback, on a host in allow.hosts of the target, or in its containers"
    raise Refused(f"{what} is at {host or 'no address'}: it {rule}")


def check_addresses(
    addresses: Mapping[str, str], containers: Iterable[ContainerRef], *, run_id: str, allow: Collection[str]
) -> None:
    """Raise Refused unless all may be broken: what is at each address (what to host), and each container itself.

    Raises ChaosError when the engine does not say whose a container is.
    """
    own = {address for ref in containers for address in addresses_of(ref, run_id)}
    for what, host in addresses.items():
        check_address(what, host, allow=allow, own=own)


def addresses_of(ref: ContainerRef, run_id: str) -> frozenset[str]:
    """Return the addresses that a container has; none once it is gone. Raises Refused when it is not of the run."""
    with Place(ref.service, ref.engine, ref.container_id, run_id).opened() as container:
        networks = container.attrs["NetworkSettings"]["Networks"] if container else {}
        return frozenset(network["IPAddress"] for network in networks.values() if network["IPAddress"])


def addresses_in(targets: Targets) -> dict[str, str]:
    """Return the host of everything in the tables of targets that has one, by what it is.

    Containers are known by their ids and labels, processes by their ids and births.
    """
    found = {f"the proxy server of {name}": link.address.rpartition(":")[0] for name, link in targets.links.items()}
    found |= {f"hop {name}": wire.canary.host for name, wire in targets.wires.items()}
    return found | {name: urlsplit(store.url).hostname or "" for name, store in targets.stores.items()}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
