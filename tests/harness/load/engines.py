"""Engines for tests: a load of GETs on a real server that can stall."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from harness.load.call import Call, Operation
from harness.load.clients.http import HttpClient
from harness.load.engine.engine import Engine, Part
from harness.load.engine.session import Session
from harness.load.schedule.arrivals import Stage, constant, schedule
from harness.load.schedule.pacer import Arrival
from harness.records import Outcome, Sample
from harness.wait import wait_until
from tests.harness.servers import Server

RATE_PER_S = 200.0
LIMIT_S = 15.0


async def get(client: HttpClient, call: Call) -> Outcome:
    call.key = str(call.number)
    ended = await client.send(call, "GET", f"/{call.number}")
    call.answer = str(ended.get("path"))
    return ended.outcome


def due(*stages: Stage) -> Iterator[Arrival]:
    return (Arrival(n, t_s, "get") for n, t_s in enumerate(schedule(*stages)))


def engine(
    server: Server,
    *,
    for_s: float = 60.0,
    operations: Mapping[str, Operation[HttpClient]] | None = None,
    in_flight_max: int = 500,
    arrivals: Iterator[Arrival] | None = None,
    deadline_s: float = LIMIT_S,
    deadlines_s: Mapping[str, float] | None = None,
    cancel_s: Callable[[int], float | None] | None = None,
    sessions: Sequence[tuple[float, Session[HttpClient]]] = (),
) -> Engine[HttpClient]:
    part = Part(
        arrivals=due(constant(RATE_PER_S, for_s)) if arrivals is None else arrivals,
        operations=operations or {"get": get},
        connect=lambda: HttpClient(server.url),
        in_flight_max=in_flight_max,
        deadline_s=deadline_s,
        deadlines_s=deadlines_s or {},
        cancel_s=cancel_s,
        sessions=sessions,
    )
    return Engine(part, epoch_s=time.perf_counter())


def samples_of(load: Engine[Any]) -> list[Sample]:
    return load.take().samples


def until_offered(load: Engine[Any], count: int) -> None:
    wait_until(f"{count} arrivals", lambda: None if load.offered >= count else f"{load.offered}", limit_s=LIMIT_S)


def until_over(load: Engine[Any]) -> None:
    wait_until("the end of the load", lambda: "running" if not load.over else None, limit_s=LIMIT_S)
