"""One trial of the engine in a process of its own: `python -m benchmarks.trial NAME ...` prints its figures as JSON.

A process of its own, so that memory and CPU are the trial's and nobody else's.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import uvloop

from benchmarks.contestants.task import DOCUMENT
from harness.load.call import Call
from harness.load.clients.http import HttpClient
from harness.load.digest.digest import Digest
from harness.load.engine.engine import Engine, Part
from harness.load.engine.users import Users
from harness.load.schedule.arrivals import Spike, Stage, constant, schedule
from harness.load.schedule.mix import Mix
from harness.load.schedule.pacer import Arrival
from harness.load.websocket.opening import Address
from harness.load.websocket.subscriber import Subscriber
from harness.load.websocket.subscription import Subscription
from harness.probes.processes.process import own_figures
from harness.records import Outcome

_LIMIT_S = 120.0
_QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}

Figures = Mapping[str, float]


def _engine(url: str, *stages: Stage, users: Users | None = None, in_flight_max: int = 20_000) -> Engine[HttpClient]:
    parts = urlsplit(url)

    async def post(http: HttpClient, call: Call) -> Outcome:
        return (await http.send(call, "POST", parts.path or "/", document=DOCUMENT)).outcome

    arrivals = (Arrival(n, due_s, "post") for n, due_s in enumerate(schedule(*stages)))
    part = Part(
        arrivals=arrivals,
        operations={"post": post},
        connect=lambda: HttpClient(f"{parts.scheme}://{parts.netloc}"),
        in_flight_max=in_flight_max,
        deadline_s=_LIMIT_S,
        sessions=list(users.sessions(7331, shard=0, of=1)) if users else (),
    )
    return Engine(part, epoch_s=time.perf_counter())


def _play(load: Engine[HttpClient], for_s: float) -> Digest:
    """Play a load to its end, looking at it once a second as a run does, and return what it did."""
    end_s = time.perf_counter() + for_s
    digests = []
    while not load.over and (left_s := end_s - time.perf_counter()) > 0:
        load._thread.join(min(1.0, left_s))  # noqa: SLF001 - a benchmark may look inside
        digests.append(load.take())
    if not load.stop(drain_s=_LIMIT_S):
        raise TimeoutError("calls in flight did not end")
    digests.append(load.take())
    if load.failure is not None:
        raise load.failure
    return Digest.sum(digests)


def _quantiles(kind: str, digest: Digest) -> Figures:
    quantile_s = digest.lag_s if kind == "lag" else digest.response().quantile_s
    return {f"{kind}_s_{name}": quantile_s(quantile) for name, quantile in _QUANTILES.items()}


def _bad(digest: Digest) -> float:
    return float(sum(n for (_, outcome), n in digest.counts.items() if outcome is not Outcome.OK))


def paced(options: argparse.Namespace) -> Figures:
    """Constant arrivals: how late each left, and how long it took."""
    load = _engine(options.url, constant(options.rate_per_s, options.for_s))
    load.start()
    load.warm()
    digest = _play(load, options.for_s + _LIMIT_S)
    return {"requests": digest.counts.total(), "bad": _bad(digest), **_quantiles("lag", digest),
            **_quantiles("response", digest)}  # fmt: skip


def closed(options: argparse.Namespace) -> Figures:
    """As many requests from users who wait for their answers: what a closed model makes of the same server."""
    users = Users(options.users, Mix({"post": 1.0}), think_s=options.users / options.rate_per_s)
    load = _engine(options.url, users=users)
    load.start()
    digest = _play(load, options.for_s)
    return {"requests": digest.counts.total(), "bad": _bad(digest), **_quantiles("response", digest)}


def herd(options: argparse.Namespace) -> Figures:
    """Everybody at once, each on a connection of their own: what the engine spends on it."""
    load = _engine(options.url, constant(1, 1), Spike(options.users))
    load.start()
    time.sleep(0.5)  # the one request that warms everything up is over, the crowd has not come
    load.take()
    before_s = time.process_time()
    digest = _play(load, _LIMIT_S)
    cpu_s = time.process_time() - before_s
    return {"requests": digest.counts.total(), "bad": _bad(digest), "cpu_s": cpu_s, **_quantiles("lag", digest)}


class _Desk:
    """Just enough of an engine for subscribers, so that nothing else is measured."""

    clients = None

    def __init__(self, count: int) -> None:
        self._over = asyncio.Event()
        self._numbers = itertools.count()
        self._missing = count
        self.all_in = asyncio.Event()
        self.bad = 0

    @property
    def stopping(self) -> bool:
        return self._over.is_set()

    def stop(self) -> None:
        self._over.set()

    def now_ns(self) -> int:
        return time.perf_counter_ns()

    async def perform(self, operation: str, *, user: int, due_ns: int) -> Outcome:
        raise NotImplementedError(f"{operation} of {user} at {due_ns}")

    def begin(self, operation: str, *, user: int) -> Call:
        return Call(operation, next(self._numbers), user=user, intended_ns=time.perf_counter_ns())

    def end(self, call: Call, outcome: Outcome) -> None:
        self.bad += outcome is not Outcome.OK
        self._missing -= call.operation == "ws_subscribe"
        if self.bad or not self._missing:
            self.all_in.set()

    async def pause(self, duration_s: float) -> bool:
        try:
            async with asyncio.timeout(duration_s):
                await self._over.wait()
        except TimeoutError:
            return True
        return False


async def _sockets(url: str, count: int) -> Figures:
    desk, began_rss = _Desk(count), own_figures()["rss_bytes"]
    subscription = Subscription(address=Address(url=url, connect_s=_LIMIT_S), deadline_s=_LIMIT_S)
    subscribers = [Subscriber(subscription, f"c{user}", user=user) for user in range(count)]
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    async with asyncio.timeout(_LIMIT_S), asyncio.TaskGroup() as group:
        for subscriber in subscribers:
            group.create_task(subscriber(desk))
        await desk.all_in.wait()
        opened = {
            "open_s": time.perf_counter() - began_s,
            "cpu_s": time.process_time() - began_cpu_s,
            "rss_bytes_each": (own_figures()["rss_bytes"] - began_rss) / count,
            "bad": float(desk.bad),
        }
        desk.stop()
    return opened


def sockets(options: argparse.Namespace) -> Figures:
    """As many WebSockets, opened at once and subscribed."""
    return uvloop.run(_sockets(options.url, options.users))


TRIALS: Mapping[str, Callable[[argparse.Namespace], Figures]] = {
    "paced": paced,
    "closed": closed,
    "herd": herd,
    "sockets": sockets,
}


def main() -> int:
    """Do one trial and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=TRIALS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate-per-s", type=float, default=1000.0)
    parser.add_argument("--for-s", type=float, default=10.0)
    parser.add_argument("--users", type=int, default=500)
    options = parser.parse_args()
    print(json.dumps(dict(TRIALS[options.name](options))))  # noqa: T201 - who starts it reads the figures there
    return 0


if __name__ == "__main__":
    sys.exit(main())
