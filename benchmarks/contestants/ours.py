"""The engine of this repository as a run has it: open model, deadlines, a digest a second, histograms on."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.contestants.task import DOCUMENT, Task, read_task
from harness.load.call import Call
from harness.load.clients.clients import Addresses
from harness.load.clients.http import HttpClient
from harness.load.digest.histograms import HistogramLog
from harness.load.engine.engine import Engine, Part
from harness.load.engine.users import Users
from harness.load.plan import LoadPlan
from harness.load.schedule.arrivals import constant
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.records import Outcome

_TICK_S = 1.0
_FLUSH_EVERY = 10
_DRAIN_S = 10.0
_OPERATION = "post"


def make_part(task: Task) -> Part[HttpClient]:
    """Return the task as a part of a load: arrivals at its rate, or, flat out, users who never think."""
    parts = urlsplit(task.url)

    async def post(http: HttpClient, call: Call) -> Outcome:
        return (await http.send(call, "POST", parts.path, document=DOCUMENT)).outcome

    mix = Mix({_OPERATION: 1.0})
    users = Users(task.connections, mix, think_s=0.0) if task.flat_out else None
    stages = () if task.flat_out else (constant(task.rate_per_s, task.for_s),)
    plan = LoadPlan(LoadSettings(task.rate_per_s, mix), stages, Addresses(api=task.url), "bench", 7331)
    return Part(
        arrivals=plan.arrivals(),
        operations={_OPERATION: post},
        connect=lambda: HttpClient(f"{parts.scheme}://{parts.netloc}"),
        in_flight_max=task.connections,
        sessions=list(users.sessions(7331, shard=0, of=1)) if users else (),
    )


def drive(task: Task) -> bool:
    """Do the task with the engine and return whether every request was answered well, none dropped for want of room.

    Arrivals dropped are counted by the server's silence, not here: a contestant that could not keep up is told so.
    """
    over = threading.Event()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        histograms = HistogramLog(Path(folder))
        load = Engine(make_part(task), epoch_s=time.perf_counter())
        load.start()
        load.warm()
        began_s, ticks = time.perf_counter(), 0
        while not load.over and not (task.flat_out and time.perf_counter() - began_s >= task.for_s):
            left_s = began_s + task.for_s - time.perf_counter()
            over.wait(min(_TICK_S, left_s) if left_s > 0 else 0.01)
            digest = load.take()
            histograms.record(digest.times)
            good = good and {outcome for _, outcome in digest.counts} <= {Outcome.OK, Outcome.DROPPED}
            ticks += 1
            if ticks % _FLUSH_EVERY == 0:
                histograms.flush(time.perf_counter() - began_s)
        good = load.stop(drain_s=_DRAIN_S) and good
        histograms.record(load.take().times)
        histograms.close(time.perf_counter() - began_s)
    return good and load.failure is None


def main() -> int:
    """Do the task; return 0 where all went well."""
    return 0 if drive(read_task()) else 1


if __name__ == "__main__":
    sys.exit(main())
