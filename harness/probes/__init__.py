"""Looks at the system under test from outside: health, processes, containers."""

from harness.probes.allocations import Grower, Snapshot, grown, take_snapshot
from harness.probes.files import DiskProbe
from harness.probes.health import ask_postgres, http_health, postgres_health, redis_health, toxiproxy_health
from harness.probes.machine import MachineProbe
from harness.probes.postgres import PostgresWitness
from harness.probes.reading import Probe
from harness.probes.redis import RedisWitness
from harness.probes.sampler import Sampler, interval_for

__all__ = [
    "DiskProbe",
    "Grower",
    "MachineProbe",
    "PostgresWitness",
    "Probe",
    "RedisWitness",
    "Sampler",
    "Snapshot",
    "ask_postgres",
    "grown",
    "http_health",
    "interval_for",
    "postgres_health",
    "redis_health",
    "take_snapshot",
    "toxiproxy_health",
]
