"""Every fault by its kind: what a profile can name, and a recorded timeline can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos.faults.connections import ExhaustConnectionsFault
from chaos.faults.cutting import BlackholeFault, HalfOpenFault, RstLiveFault
from chaos.faults.disk import FillDiskFault
from chaos.faults.endings import LimitDataFault, SlowCloseFault
from chaos.faults.fault import Noop
from chaos.faults.flush import FlushCacheFault
from chaos.faults.jitter import JitterFault
from chaos.faults.link import DownFault, LatencyFault
from chaos.faults.mangling import CorruptionFault, ReorderFault
from chaos.faults.packets import PacketLossFault, SynDropFault
from chaos.faults.partition import PartitionFault
from chaos.faults.service import KillFault, PauseFault, RestartFault, TerminateFault
from chaos.faults.shaping import BandwidthFault, SlicerFault
from chaos.faults.squeeze import SqueezeFault

_SHAPES = (LatencyFault, JitterFault, BandwidthFault, SlowCloseFault, SlicerFault, LimitDataFault)
_CUTS = (DownFault, RstLiveFault, BlackholeFault, HalfOpenFault)
_PACKETS = (PartitionFault, SynDropFault, PacketLossFault, ReorderFault, CorruptionFault)
_SERVICES = (KillFault, TerminateFault, PauseFault, RestartFault, SqueezeFault)
_STORES = (FlushCacheFault, FillDiskFault, ExhaustConnectionsFault)
_ALL = (Noop, *_SHAPES, *_CUTS, *_PACKETS, *_SERVICES, *_STORES)
# A kind is a class whose instances are Faults, and whose fields are `target` and its parameters.
KINDS: Mapping[str, type[Any]] = {kind.kind: kind for kind in _ALL}
