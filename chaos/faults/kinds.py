"""Every fault by its kind: what a profile can name, and a recorded timeline can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos.faults.fault import Noop
from chaos.faults.links.cutting import BlackholeFault, HalfOpenFault, RstLiveFault
from chaos.faults.links.down import DownFault
from chaos.faults.links.endings import LimitDataFault, SlowCloseFault
from chaos.faults.links.jitter import JitterFault
from chaos.faults.links.latency import LatencyFault
from chaos.faults.links.shaping import BandwidthFault, SlicerFault
from chaos.faults.packets.loss import PacketLossFault, SynDropFault
from chaos.faults.packets.mangling import CorruptionFault, ReorderFault
from chaos.faults.packets.partition import PartitionFault
from chaos.faults.services.lifecycle import KillFault, PauseFault, RestartFault, TerminateFault
from chaos.faults.services.squeeze import SqueezeFault
from chaos.faults.stores.connections import ExhaustConnectionsFault
from chaos.faults.stores.disk import FillDiskFault
from chaos.faults.stores.flush import FlushCacheFault

_SHAPES = (LatencyFault, JitterFault, BandwidthFault, SlowCloseFault, SlicerFault, LimitDataFault)
_CUTS = (DownFault, RstLiveFault, BlackholeFault, HalfOpenFault)
_PACKETS = (PartitionFault, SynDropFault, PacketLossFault, ReorderFault, CorruptionFault)
_SERVICES = (KillFault, TerminateFault, PauseFault, RestartFault, SqueezeFault)
_STORES = (FlushCacheFault, FillDiskFault, ExhaustConnectionsFault)
_ALL = (Noop, *_SHAPES, *_CUTS, *_PACKETS, *_SERVICES, *_STORES)
# A kind is a class whose instances are Faults, and whose fields are `target` and its parameters.
KINDS: Mapping[str, type[Any]] = {kind.kind: kind for kind in _ALL}
