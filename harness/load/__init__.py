"""Offers the load: schedules, engine, clients and digests, in one process or many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.lazy import lazily
from harness.load.clients.clients import AUTH, POSTGRES, REDIS, Addresses
from harness.load.clients.jsonrpc import JsonRpc
from harness.load.clients.preparation import log_in
from harness.load.digest.digest import Clock, Digest
from harness.load.digest.histograms import HistogramLog
from harness.load.engine.engine import Engine
from harness.load.engine.users import Users
from harness.load.load_table import LoadTable, override
from harness.load.operations.declared import DeclaredOperations
from harness.load.operations.registry import Operations
from harness.load.plan import LoadPlan
from harness.load.schedule.arrivals import Ramp, Sine, Spike, Stage, constant
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.load.websocket.sockets import Sockets

if TYPE_CHECKING:
    from harness.load.cluster.cluster import ClusterLoad

__all__ = [
    "AUTH",
    "POSTGRES",
    "REDIS",
    "Addresses",
    "Clock",
    "ClusterLoad",
    "DeclaredOperations",
    "Digest",
    "Engine",
    "HistogramLog",
    "JsonRpc",
    "LoadPlan",
    "LoadSettings",
    "LoadTable",
    "Mix",
    "Operations",
    "Ramp",
    "Sine",
    "Sockets",
    "Spike",
    "Stage",
    "Users",
    "constant",
    "log_in",
    "override",
]

# Its library is an extra, which only `--workers` needs.
__getattr__ = lazily(__name__, {"harness.load.cluster.cluster": "ClusterLoad"})
