"""One worker's part in a load: what runs inside a dask worker's task, for as long as the load lasts.

The task plays its share with an engine of its own and sends a digest every
tick; it starts at the given time, by the clock that all workers share, and ends on request.
"""

from __future__ import annotations

import os
import pickle
import socket
import time
from dataclasses import dataclass, field

from distributed import Event, Queue, Variable

from harness.errors import LoadError, explain
from harness.load.clients.clients import Clients
from harness.load.digest.digest import Digest
from harness.load.engine.engine import Engine
from harness.load.plan import LoadPlan

# How long a worker waits for the time to start: until the slowest of them is ready.
_BEGIN_LIMIT_S = 60.0
# Reports that were not taken: with more, or for longer, the runner is gone, and the load must not go on without it.
REPORTS_EACH = 8
_NOBODY_S = 15.0
# By now a load's pools and caches are filled.
_WARM_TICKS = 30


@dataclass(frozen=True, slots=True)
class Task:
    """A worker's order: its share of a plan, and the names of its channels.

    `epoch_unix_s` is the run's epoch by the worker's own clock, in seconds since the Unix epoch.
    """

    plan: LoadPlan
    shard: int
    of: int
    epoch_unix_s: float
    tick_s: float
    drain_s: float
    channel: str

    @property
    def name(self) -> str:
        """How series and messages call the worker."""
        return f"worker.{self.shard}"


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's report: that it is there (`began`), what it did since, and at last how it ended.

    `process` identifies its process, `failure` is empty where all is well.
    """

    shard: int
    process: str
    began: bool = False
    digest: Digest = field(default_factory=Digest)
    in_flight: int = 0
    ended: bool = False
    drained: bool = False
    failure: str = ""

    def pack(self) -> bytes:
        """Return the report as it goes over the wire."""
        return pickle.dumps(self, protocol=5)


def play(task: Task) -> None:
    """Play one share until the stop event, or until its reports are not taken any more."""
    queue, stop = Queue(f"{task.channel}-reports", maxsize=REPORTS_EACH * task.of), Event(f"{task.channel}-stop")
    process = f"{socket.gethostname()}:{os.getpid()}"
    epoch_s = time.perf_counter() - (time.time() - task.epoch_unix_s)
    engine: Engine[Clients] | None = None

    def send(report: Report) -> None:
        queue.put(report.pack(), timeout=_NOBODY_S)

    try:
        part = task.plan.part(task.shard, task.of)
        send(Report(task.shard, process, began=True))
        start_s = float(Variable(f"{task.channel}-start").get(timeout=_BEGIN_LIMIT_S))
        engine = Engine(part, epoch_s=epoch_s, start_s=start_s)
        engine.start()
        ticks = 0
        while not stop.wait(task.tick_s) and not engine.failure:
            send(Report(task.shard, process, digest=_take(engine, task), in_flight=engine.in_flight))
            ticks += 1
            if ticks == _WARM_TICKS:
                engine.warm()
        drained = engine.stop(drain_s=task.drain_s)
        failure = explain(engine.failure) if engine.failure else ""
        last = Report(task.shard, process, False, _take(engine, task), engine.in_flight, True, drained, failure)
    except Exception as error:  # noqa: BLE001 - the run must get any error, as text that can be pickled
        last = Report(task.shard, process, ended=True, failure=f"{type(error).__name__}: {explain(error)}")
    finally:
        # However the task ended, no load goes on without it.
        if engine is not None:
            engine.stop(drain_s=task.drain_s)
    send(last)
    if last.failure:
        raise LoadError(f"{task.name} ({process}): {last.failure}")


def _take(engine: Engine[Clients], task: Task) -> Digest:
    return engine.take().of_generator(task.name)
