"""One load from many processes or machines: the plan in shares over dask.distributed workers, played as one.

Every worker begins at the same moment, sends its digests here, and is watched:
one that dies, stops reporting or is restarted by the scheduler fails the load,
for a share that is missing or sent twice would be judged as if it were whole.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
import uuid
from typing import Any

import dask
from distributed import Client, Event, LocalCluster, Queue, Variable

from harness.errors import LoadError, NotReady
from harness.load.cluster.worker import REPORTS_EACH, Report, Task, play
from harness.load.digest.digest import GENERATOR, Clock, Digest, Health
from harness.load.plan import LoadPlan
from harness.probes.processes.process import own_figures
from harness.wait import comes_true, wait_until

_READY_LIMIT_S = 60.0
# From the last worker's readiness to the common start: a message to each, and what a busy machine adds.
_HEAD_START_S = 1.0
# A worker reports every tick; one that sends nothing for so long counts as dead.
_SILENCE_S = 15.0
_CLOCK_READINGS = 5
_RPC_LIMIT_S = 10.0
_DEAF = "from harness.signals import ignore\ndef dask_setup(worker):\n    ignore('SIGINT', 'SIGHUP')\n"


class ClusterLoad:
    """Plays one plan on `workers` workers of a cluster: its own, on this machine, or the one at `scheduler`.

    `epoch_s` is the `perf_counter` reading that all stamps count from, as for an Engine, whose place it can take.
    """

    def __init__(
        self, plan: LoadPlan, *, epoch_s: float, workers: int, tick_s: float, drain_s: float, scheduler: str = ""
    ) -> None:
        self._plan = plan
        self._workers = workers
        self._tick_s = tick_s
        self._drain_s = drain_s
        self._scheduler = scheduler
        self._epoch_s = epoch_s
        self._epoch_unix_s = time.time() - (time.perf_counter() - epoch_s)
        self._channel = f"heavyweather-{uuid.uuid4().hex}"
        self._opened = contextlib.ExitStack()
        self._client: Any = None
        self._futures: list[Any] = []
        self._lock = threading.Lock()
        self._pending: list[Digest] = []
        self._latest: dict[int, Report] = {}
        self._heard_s: dict[int, float] = {}
        self._listener = threading.Thread(target=self._listen, name="cluster", daemon=True)
        self._closing = threading.Event()
        self._begun = False
        self._failure: BaseException | None = None
        self.offered = 0
        self.clocks: list[Clock] = []

    @property
    def in_flight(self) -> int:
        """How many calls waited for their replies when the workers last reported."""
        return sum(report.in_flight for report in list(self._latest.values()))

    @property
    def failure(self) -> BaseException | None:
        """What ended the load, or a worker of it, that never should have."""
        return self._failure or self._silent()

    def start(self) -> None:
        """Bring the workers up, give each its share, and begin on all of them at once.

        Raises NotReady when they do not come, LoadError when one cannot play its share.
        """
        try:
            self._connect()
            self._submit()
            self._begin()
        except BaseException:
            self._close()
            raise

    def warm(self) -> None:
        """Do nothing: each worker does so by itself when its load has gone on for a while."""

    def take(self) -> Digest:
        """Return what ended on all workers and was reported since the last call."""
        with self._lock:
            digests, self._pending = self._pending, []
        own = own_figures()
        health = {GENERATOR: Health(own["cpu_s"], own["rss_bytes"], 0, 0.0)}
        digest = Digest.sum([*digests, Digest(health=health)])
        self.offered += digest.offered
        return digest

    def stop(self, *, drain_s: float) -> bool:
        """End the load on all workers, let what is in flight end, and return whether all of it did."""
        if self._client is None:
            return True
        self._signal_stop()
        comes_true(self._all_ended, limit_s=drain_s + _SILENCE_S)
        reports = self._reports()
        self._close()
        return len(reports) == self._workers and all(report.drained for report in reports)

    def _all_ended(self) -> bool:
        return self._failure is not None or all(report.ended for report in self._reports())

    def _signal_stop(self) -> None:
        with contextlib.suppress(Exception):  # a scheduler that is gone has no workers to stop either
            Event(f"{self._channel}-stop", client=self._client).set()

    def _reports(self) -> list[Report]:
        return list(self._latest.values())

    def _connect(self) -> None:
        # Otherwise a job whose worker died is run again from its beginning, and succeeds.
        self._opened.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
        address: Any = self._scheduler
        if not address:
            address = self._opened.enter_context(
                LocalCluster(
                    n_workers=self._workers,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    memory_limit=0,
                    silence_logs=50,
                    # A Ctrl-C or a hangup reaches every process of a terminal: only the run's own process stops them.
                    preload=[_DEAF],
                )
            )
        try:
            self._client = self._opened.enter_context(Client(address, timeout=_RPC_LIMIT_S, set_as_default=False))
            self._client.wait_for_workers(self._workers, timeout=_READY_LIMIT_S)
        except (OSError, TimeoutError) as error:
            what = f"{self._workers} workers at {self._scheduler or 'this machine'}"
            raise NotReady(what, _READY_LIMIT_S, str(error)) from error

    def _submit(self) -> None:
        addresses = sorted(self._client.scheduler_info(n_workers=-1)["workers"])[: self._workers]
        self.clocks = [self._read_clock(address) for address in addresses]
        self._queue = Queue(f"{self._channel}-reports", client=self._client, maxsize=REPORTS_EACH * self._workers)
        self._listener.start()
        for shard, (address, clock) in enumerate(zip(addresses, self.clocks, strict=True)):
            task = Task(
                plan=self._plan,
                shard=shard,
                of=self._workers,
                epoch_unix_s=self._epoch_unix_s + clock.offset_s,
                tick_s=self._tick_s,
                drain_s=self._drain_s,
                channel=self._channel,
            )
            # Not pinned hard: a pinned job whose worker is gone waits for ever instead of failing.
            self._futures.append(
                self._client.submit(
                    play, task, workers=[address], allow_other_workers=True, pure=False, key=f"{self._channel}-{shard}"
                )
            )

    def _read_clock(self, address: str) -> Clock:
        """Return a worker's clock offset, from the quickest of some readings; within its uncertainty, 0."""
        readings = []
        for _ in range(_CLOCK_READINGS):
            asked_s = time.time()
            (there_s,) = self._client.run(time.time, workers=[address]).values()
            answered_s = time.time()
            readings.append(((answered_s - asked_s) / 2, there_s - (asked_s + answered_s) / 2))
        uncertain_s, offset_s = min(readings)
        return Clock(address, offset_s if abs(offset_s) > uncertain_s else 0.0, uncertain_s)

    def _begin(self) -> None:
        def missing() -> str | None:
            if self._failure is not None:
                raise self._failure
            return f"{len(self._latest)} are ready" if len(self._latest) < self._workers else None

        wait_until(f"{self._workers} workers", missing, limit_s=_READY_LIMIT_S, poll_s=0.02)
        start_s = time.perf_counter() - self._epoch_s + _HEAD_START_S
        # From now on each must report.
        self._heard_s = dict.fromkeys(range(self._workers), time.monotonic() + _HEAD_START_S)
        self._begun = True
        Variable(f"{self._channel}-start", client=self._client).set(start_s)
        while (left_s := start_s - (time.perf_counter() - self._epoch_s)) > 0:
            self._closing.wait(left_s)

    def _listen(self) -> None:
        """Take in the workers' reports, and watch the workers, until closed."""
        while not self._closing.is_set():
            try:
                # The first by itself: a batch does not wait for anything.
                with contextlib.suppress(TimeoutError):
                    for packed in [self._queue.get(timeout=self._tick_s), *self._queue.get(batch=True)]:
                        self._hear(pickle.loads(packed))  # noqa: S301 - from our own workers
                self._check_futures()
            except Exception as error:  # noqa: BLE001 - a scheduler that is gone takes every worker with it
                if not self._closing.is_set():
                    text = f"no more reports can be read from the workers: {type(error).__name__}: {error}"
                    self._failure = self._failure or LoadError(text)
                return

    def _hear(self, report: Report) -> None:
        earlier = self._latest.get(report.shard)
        if earlier is not None and earlier.process != report.process:
            text = f"worker {report.shard} was restarted: first {earlier.process}, then {report.process}"
            self._failure = self._failure or LoadError(text)
        self._heard_s[report.shard] = time.monotonic()
        self._latest[report.shard] = report
        if report.failure:
            self._failure = self._failure or LoadError(f"worker {report.shard}: {report.failure}")
        with self._lock:
            self._pending.append(report.digest)

    def _check_futures(self) -> None:
        for shard, future in enumerate(self._futures):
            ended = shard in self._latest and self._latest[shard].ended
            if future.status in {"error", "lost", "cancelled"} and not ended:
                error = future.exception() if future.status == "error" else future.status
                self._failure = self._failure or LoadError(f"worker {shard} is gone: {error}")

    def _silent(self) -> LoadError | None:
        now_s = time.monotonic()
        for shard, report in list(self._latest.items()) if self._begun else ():
            quiet_s = now_s - self._heard_s[shard]
            if quiet_s > _SILENCE_S + self._tick_s and not report.ended:
                return LoadError(f"worker {shard} ({report.process}) has not reported for {quiet_s:.0f} s")
        return None

    def _close(self) -> None:
        """Release the workers; those of a cluster of our own end with it."""
        self._closing.set()
        if self._listener.ident is not None:
            self._listener.join(_RPC_LIMIT_S)
        if self._client is not None:
            self._signal_stop()
            with contextlib.suppress(Exception):  # a broken cluster may raise anything, and is closed all the same
                self._client.cancel(self._futures, force=True)
        client, self._client = self._client, None
        if client is not None or not self._scheduler:
            self._opened.close()
