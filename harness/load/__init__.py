"""Offers the load: schedules, engine, clients and digests, in one process or many."""

from harness.load.clients.clients import AUTH, POSTGRES, REDIS, Addresses
from harness.load.clients.preparation import log_in
from harness.load.cluster.cluster import ClusterLoad
from harness.load.digest.digest import Clock, Digest
from harness.load.digest.histograms import HistogramLog
from harness.load.engine.engine import Engine
from harness.load.engine.users import Users
from harness.load.load_table import override
from harness.load.operations.registry import Operations
from harness.load.plan import LoadPlan
from harness.load.schedule.arrivals import Ramp, Sine, Spike, Stage, constant
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.load.websocket.sockets import Sockets

__all__ = [
    "AUTH",
    "POSTGRES",
    "REDIS",
    "Addresses",
    "Clock",
    "ClusterLoad",
    "Digest",
    "Engine",
    "HistogramLog",
    "LoadPlan",
    "LoadSettings",
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
