"""The kinds of faults: what each breaks, how it is proved, and what undoes it; kinds register themselves."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.faults.fault import Aimed, Fault, Prepared
    from chaos.faults.kinds import KINDS
    from chaos.faults.links.down import DownFault
    from chaos.faults.links.latency import LatencyFault
    from chaos.faults.links.server import ContainerRestart, ProcessRestart, Restart
    from chaos.faults.links.toxiproxy import ToxiproxyLink
    from chaos.faults.noop import Noop
    from chaos.faults.packets.networks import ContainerMember
    from chaos.faults.services.containers import ContainerService, StartContainer, service_of
    from chaos.faults.services.processes import StartAgain
    from chaos.faults.stores.disk import DISK_OF_RUN

# Resolved at their first use: what undoes faults lies below, and starts with the guardian within tenths of a second.
_FROM = {
    "Aimed": "chaos.faults.fault",
    "ContainerMember": "chaos.faults.packets.networks",
    "ContainerRestart": "chaos.faults.links.server",
    "ContainerService": "chaos.faults.services.containers",
    "DISK_OF_RUN": "chaos.faults.stores.disk",
    "DownFault": "chaos.faults.links.down",
    "Fault": "chaos.faults.fault",
    "KINDS": "chaos.faults.kinds",
    "LatencyFault": "chaos.faults.links.latency",
    "Noop": "chaos.faults.noop",
    "Prepared": "chaos.faults.fault",
    "ProcessRestart": "chaos.faults.links.server",
    "Restart": "chaos.faults.links.server",
    "StartAgain": "chaos.faults.services.processes",
    "StartContainer": "chaos.faults.services.containers",
    "ToxiproxyLink": "chaos.faults.links.toxiproxy",
    "service_of": "chaos.faults.services.containers",
}

__all__ = [
    "DISK_OF_RUN",
    "KINDS",
    "Aimed",
    "ContainerMember",
    "ContainerRestart",
    "ContainerService",
    "DownFault",
    "Fault",
    "LatencyFault",
    "Noop",
    "Prepared",
    "ProcessRestart",
    "Restart",
    "StartAgain",
    "StartContainer",
    "ToxiproxyLink",
    "service_of",
]


def __getattr__(name: str) -> object:
    """Return a name of the face. Raises AttributeError for any other."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_FROM[name]), name)
