"""The table of actions: everything that can be put back, by the name under which it stands in the undo ledger."""

from __future__ import annotations

from chaos.actions.connections import CloseConnections
from chaos.actions.containers import Restore, StartContainer, Unpause
from chaos.actions.files import RemoveFile
from chaos.actions.firewall import DeleteTable
from chaos.actions.links import EnableProxy, RemoveToxic
from chaos.actions.networks import ConnectNetwork
from chaos.actions.processes import ResumeProcess, StartByRunner
from chaos.actions.qdisc import DeleteQdisc
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
