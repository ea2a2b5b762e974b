"""Forty-eight hours at 500 requests a second, compressed by a clock that is turned by hand.

The real schedule, digests, recorder, journal and histogram log; only the
sockets are left out, whose calls end as a seeded draw says.

`python -m benchmarks.endurance --hours H` prints {hours, requests, rss_growth_bytes, hlog_bytes, journal_bytes}.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.clock import ManualClock
from harness.history.history import History
from harness.journal import Journal
from harness.live.recorder import Recorder
from harness.load.call import Call
from harness.load.clients.clients import Addresses
from harness.load.digest.digest import GENERATOR, Digest, Health
from harness.load.digest.histograms import HISTOGRAMS_NAME, HistogramLog
from harness.load.plan import LoadPlan
from harness.load.schedule.arrivals import constant
from harness.load.schedule.mix import Mix
from harness.load.schedule.pacer import Arrival
from harness.load.settings import LoadSettings
from harness.probes.processes.process import own_figures
from harness.probes.sampler import Sampler
from harness.records import Outcome

RATE_PER_S = 500.0
# The first hour fills caches and tables; growth counts from its end.
_WARM_S = 3600.0
_MIX = Mix({"rpc_batch": 2, "rpc_stream": 1, "rpc_slow": 0.5, "cache_put": 3, "rpc_small": 6})
_BAD = 0.001


class CompressedLoad:
    """Ends, at each look, the calls that have come due since the last one by the manual clock."""

    in_flight = 0

    def __init__(self, arrivals: Iterator[Arrival], clock: ManualClock) -> None:
        self._arrivals = arrivals
        self._next = next(arrivals)
        self._clock = clock
        self._rng = np.random.default_rng(7331)
        self.requests = 0

    def take(self) -> Digest:
        """Return what ended."""
        calls = []
        now_s = self._clock.now_s()
        took_ns = iter((self._rng.lognormal(-5.3, 0.5, size=int(4 * RATE_PER_S)) * 1e9).astype(int).tolist())
        bad = iter((self._rng.random(int(4 * RATE_PER_S)) < _BAD).tolist())
        while self._next.due_s <= now_s:
            arrival = self._next
            call = Call(arrival.operation, arrival.number, intended_ns=int(arrival.due_s * 1e9))
            call.sent_ns = call.intended_ns + 80_000
            call.done_ns = call.sent_ns + next(took_ns)
            call.outcome = call.fail(Outcome.RESET, "lost") if next(bad) else Outcome.OK
            calls.append(call)
            self._next = next(self._arrivals)
        self.requests += len(calls)
        own = own_figures()
        health = {GENERATOR: Health(own["cpu_s"], own["rss_bytes"], 0, 0.0)}
        return Digest.of(calls, offered=len(calls), health=health)


def endure(folder: Path, hours: float) -> dict[str, float]:
    """Record so many hours into a run folder and return what it took."""
    plan = LoadPlan(
        LoadSettings(RATE_PER_S, _MIX), (constant(RATE_PER_S, (hours + 1) * 3600),), Addresses(api="x"), "bench", 7331
    )
    clock = ManualClock()
    load = CompressedLoad(plan.arrivals(), clock)
    warm_rss = 0.0
    with Journal(folder) as journal:
        histograms = HistogramLog(folder)
        recorder = Recorder(
            journal, histograms, Sampler([]), load,
            history=History(), clock=clock, epoch_s=0.0, tick_s=1.0, on_tick=lambda _t_s, _values: None,
        )  # fmt: skip
        for second in itertools.count(1):
            clock.sleep_s(1.0)
            recorder.tick()
            if second == min(_WARM_S, hours * 3600 / 2):
                gc.collect()
                warm_rss = own_figures()["rss_bytes"]
            if second >= hours * 3600:
                break
        gc.collect()
        grown = own_figures()["rss_bytes"] - warm_rss
        histograms.close(clock.now_s())
    return {
        "hours": hours,
        "requests": load.requests,
        "rss_growth_bytes": grown,
        "hlog_bytes": (folder / HISTOGRAMS_NAME).stat().st_size,
        "journal_bytes": sum(path.stat().st_size for path in folder.glob("journal.db*")),
        "real_s": time.perf_counter(),
    }


def main() -> int:
    """Endure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=48.0)
    began_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        figures = endure(Path(folder), parser.parse_args().hours)
    print(json.dumps({**figures, "real_s": time.perf_counter() - began_s}))  # noqa: T201 - who starts it reads it there
    return 0


if __name__ == "__main__":
    sys.exit(main())
