"""The faults of links, played by the conductor on real proxies: injected, proved, changed, healed; nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chaos.conductor import Conductor
from chaos.faults.fault import Prepared
from chaos.faults.kinds import KINDS
from chaos.faults.links.cutting import HalfOpenFault, RstLiveFault
from chaos.faults.links.down import DownFault
from chaos.faults.links.endings import LimitDataFault, SlowCloseFault
from chaos.faults.links.hop import ON_HOP
from chaos.faults.links.jitter import JitterFault
from chaos.faults.links.toxiproxy import ToxiproxyLink
from chaos.healing.actions import ACTIONS
from chaos.healing.ledger import FILE_NAME, Ledger, read_ledger
from chaos.profile.timeline import At, Planned, expand
from chaos.targets import Targets
from chaos.undo import undo
from harness.clock import RealClock
from harness.records import FaultWindow

# Every kind that is made at a proxy, one after another on one hop; beside them some at once on others. What must be
# prepared changes how all connections of its hop end, so it is on another.
AT_PROXIES = [kind for kind in KINDS.values() if kind.needs == ON_HOP and not issubclass(kind, Prepared)]
BUSY = [
    *(At(0.7 * n, 0.6, kind("redis", **kind.example)) for n, kind in enumerate(AT_PROXIES)),
    At(0.0, 0.6, SlowCloseFault("http", 0.1, "both")),
    At(0.1, 1.2, JitterFault("http", 0.1, 0.05)),
    At(0.7, 0.4, LimitDataFault("http", 1000)),
    At(0.0, 0.6, DownFault("postgres")),
    At(0.7, 0.4, RstLiveFault("postgres")),
    At(1.3, 0.4, HalfOpenFault("postgres", 0.2)),
]

Play = Callable[[Sequence[Planned]], list[FaultWindow]]


@pytest.fixture
def notes() -> list[Mapping[str, object]]:
    return []


@pytest.fixture
def play(hops: Mapping[str, ToxiproxyLink], tmp_path: Path, notes: list[Mapping[str, object]]) -> Play:
    """Play a schedule as a run would, and return its windows in the order of injection."""

    def played(schedule: Sequence[Planned]) -> list[FaultWindow]:
        clock = RealClock()
        epoch_s = clock.now_s()
        ledger = Ledger(tmp_path)
        with ThreadPoolExecutor(8) as lookers:
            conductor = Conductor(
                Targets(links=hops),
                ledger=ledger,
                actions=ACTIONS,
                lookers=lookers,
                clock=clock,
                now_s=lambda: clock.now_s() - epoch_s,
                note=lambda kind, **detail: notes.append({"kind": kind, **detail}),
                alive=lambda: None,
            )
            conductor.play(schedule, start_s=0.0)
        ledger.close()
        return list(conductor.windows.values())

    return played


def test_every_one_is_proved_and_healed_beside_the_others(
    play: Play, notes: list[Mapping[str, object]], hops: Mapping[str, ToxiproxyLink], tmp_path: Path
) -> None:
    preparation = RstLiveFault("postgres").prepare(Targets(links=hops))
    preparation.arm()
    windows = play(expand(BUSY, seed=1))
    undo(preparation.undo(), ACTIONS)
    assert [window.note for window in windows] == [""] * len(BUSY)
    assert all(window.proved_s is not None and window.healed_s is not None for window in windows)
    assert len([note for note in notes if note["kind"] == "fault_change"]) == 3
    assert all(link.state().whole for link in hops.values())
    assert read_ledger(tmp_path / FILE_NAME).open == ()
