"""The table of actions: everything that can be put back, by the name under which it stands in the undo ledger."""

from __future__ import annotations

from chaos.faults.links.rescue import EnableProxy, RemoveToxic
from chaos.faults.packets.netem import DeleteQdisc
from chaos.faults.packets.networks import ConnectNetwork
from chaos.faults.packets.nftables import DeleteTable
from chaos.faults.services.containers import Restore, StartContainer, Unpause
from chaos.faults.services.processes import ResumeProcess, StartByRunner
from chaos.faults.stores.ballast import RemoveFile
from chaos.faults.stores.held import CloseConnections
from chaos.undo import Actions

ACTIONS: Actions = {
    "toxic.remove": RemoveToxic(),
    "proxy.enable": EnableProxy(),
    "process.resume": ResumeProcess(),
    "service.start": StartByRunner(),
    "container.unpause": Unpause(),
    "container.start": StartContainer(),
    "container.restore": Restore(),
    "nft.delete": DeleteTable(),
    "qdisc.delete": DeleteQdisc(),
    "network.connect": ConnectNetwork(),
    "file.remove": RemoveFile(),
    "connections.close": CloseConnections(),
}
