"""The kinds of faults: what each breaks, how it is proved, and what undoes it; kinds register themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.lazy import lazily

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

# What undoes faults lies below, and starts with the guardian within tenths of a second.
__getattr__ = lazily(
    __name__,
    {
        "chaos.faults.fault": "Aimed Fault Prepared",
        "chaos.faults.kinds": "KINDS",
        "chaos.faults.links.down": "DownFault",
        "chaos.faults.links.latency": "LatencyFault",
        "chaos.faults.links.server": "ContainerRestart ProcessRestart Restart",
        "chaos.faults.links.toxiproxy": "ToxiproxyLink",
        "chaos.faults.noop": "Noop",
        "chaos.faults.packets.networks": "ContainerMember",
        "chaos.faults.services.containers": "ContainerService StartContainer service_of",
        "chaos.faults.services.processes": "StartAgain",
        "chaos.faults.stores.disk": "DISK_OF_RUN",
    },
)
