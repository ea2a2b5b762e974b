"""The api service: its parts put together, whatever state its dependencies are in.

It serves from its first moment. Dependencies are connected to in the
background, `/health` says that the process lives, and `/ready` whether each
dependency answers now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import rpc, stream
from .agents import Agents
from .allocations import Allocations
from .backoff import Backoff
from .breaker import Breaker
from .broker import Broker
from .cache import Cache
from .channels import Channels
from .defects import Planted
from .gate import Gate
from .harm import Harm
from .ledger import SCHEMA, Ledger
from .metrics import Metrics
from .pool import Pool
from .redis_link import POOL_MOST, RedisLink
from .relapse import Relapse
from .replies import REFUSALS, Json
from .serve import serve
from .settings import ApiSettings, read_api_settings

_CLOSE_S = 0.5
_READY = "/ready"
# Asked by probes at their own pace, so they are no part of the work that a defect counts.
_OBSERVED = frozenset({"/health", _READY, "/metrics", "/debug/allocations"})
_NOT_YET = Json({"error": "not yet"}, 503)


class Api:
    """The parts of one api process."""

    def __init__(self, settings: ApiSettings) -> None:
        self._planted = Planted(settings.defects)
        stuck_open = self._planted.has("breaker_stuck_open")
        jitter = not self._planted.has("no_jitter")
        self._pool = Pool(
            settings.postgres_dsn,
            least=settings.pool_min,
            most=settings.pool_max,
            schema=SCHEMA,
            backoff=Backoff(jitter=jitter),
        )
        self._redis = RedisLink(settings.redis_url, stuck_open=stuck_open)
        self._gate = Gate(settings.auth_url, stuck_open=stuck_open) if settings.auth_url else None
        self._broker = Broker(settings.redis_url, self._redis, Backoff(jitter=jitter), self._planted)
        self._channels = Channels(self._broker, self._planted)
        self._agents = Agents()
        self._metrics = Metrics()
        self._allocations = Allocations(traced=settings.allocations)
        self._harm = Harm(self._planted)
        self._relapse = Relapse(float(self._planted.number("flapping_recovery")))
        self._watch()

    def app(self) -> ASGIApp:
        """Return the application."""
        return self._observe(Starlette(routes=self._routes(), lifespan=self._lifespan, exception_handlers=REFUSALS))

    def _routes(self) -> list[BaseRoute]:
        return [
            Route("/health", _health, methods=["GET"]),
            Route(_READY, self._ready, methods=["GET"]),
            *self._metrics.routes(),
            *self._allocations.routes(),
            *rpc.routes(self._planted),
            *stream.routes(self._planted),
            *self._channels.routes(),
            *self._agents.routes(),
            *Ledger(self._pool, self._gate, self._planted).routes(),
            *Cache(self._redis, self._planted).routes(),
        ]

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await self._pool.open()
        self._metrics.start()
        self._allocations.start()
        keepers = [asyncio.create_task(self._pool.keep()), asyncio.create_task(self._broker.run())]
        for keeper in keepers:
            keeper.add_done_callback(_tell)
        try:
            yield
        finally:
            for keeper in keepers:
                keeper.cancel()
            self._metrics.stop()
            self._allocations.stop()
            self._pool.close()
            await self._close(asyncio.gather(*keepers, return_exceptions=True))
            await self._close(self._agents.close())
            await self._close(self._broker.close())
            await self._close(self._redis.close())
            if self._gate is not None:
                await self._close(self._gate.close())

    async def _close(self, closing: Awaitable[object]) -> None:
        """Wait for one part to close, but not for long: the process is going anyway."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await closing
        except (OSError, TimeoutError):
            return

    async def _ready(self, _request: Request) -> Response:
        checks: dict[str, Callable[[], Awaitable[None]]] = {"postgres": self._pool.check, "redis": self._redis.check}
        if self._gate is not None:
            checks["auth"] = self._gate.check
        outcomes = await asyncio.gather(*(check() for check in checks.values()), return_exceptions=True)
        failing = {name: str(seen) for name, seen in zip(checks, outcomes, strict=True) if seen is not None}
        self._relapse.hear(ready=not failing)
        return Json({"ready": not failing, "failing": failing}, 503 if failing else 200)

    def _watch(self) -> None:
        self._watch_pool("postgres", self._pool, self._pool.most)
        self._watch_pool("redis", self._redis, POOL_MOST)
        self._watch_breaker(self._redis.breaker)
        if self._gate is not None:
            self._watch_breaker(self._gate.breaker)
        self._metrics.watch("hw_sessions", "Open WebSocket sessions.", lambda: self._channels.sessions)
        self._metrics.watch("hw_tasks", "Agents at work.", lambda: self._agents.running)
        self._metrics.watch("hw_asyncio_tasks", "Tasks on the event loop.", lambda: len(asyncio.all_tasks()))
        self._metrics.watch("hw_cache_bytes", "Bytes in caches of this process.", self._cache_bytes)

    def _watch_pool(self, name: str, pool: Pool | RedisLink, most: int) -> None:
        watch = self._metrics.watch
        watch("hw_pool_size", "Open connections.", lambda: pool.size, pool=name)
        watch("hw_pool_idle", "Open connections not in use.", lambda: pool.idle, pool=name)
        watch("hw_pool_max", "Connections allowed.", lambda: most, pool=name)
        watch("hw_pool_waiting", "Callers waiting for a connection.", lambda: pool.waiting, pool=name)

    def _watch_breaker(self, breaker: Breaker) -> None:
        watch = self._metrics.watch
        watch("hw_breaker_state", "0 closed, 1 half-open, 2 open.", lambda: breaker.state, dependency=breaker.name)
        watch("hw_breaker_opened_total", "Times it opened.", lambda: breaker.opened_total, dependency=breaker.name)

    def _observe(self, app: ASGIApp) -> ASGIApp:
        """Wrap the application: count its replies, and plant what strikes at any request."""

        async def observed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            if scope["path"] not in _OBSERVED:
                self._harm.strike()

            async def counting_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._metrics.count_reply(message["status"])
                await send(message)

            refused = self._relapse.refuses and scope["path"] not in _OBSERVED - {_READY}
            await (_NOT_YET if refused else app)(scope, receive, counting_send)

        return observed

    def _cache_bytes(self) -> int:
        return self._harm.cache_bytes + (0 if self._gate is None else self._gate.cache_bytes)


def _tell(keeper: asyncio.Task[None]) -> None:
    """Say so when a background task ends that should not: it is a bug, and would be a silent one."""
    if not keeper.cancelled():
        logging.getLogger("services.api").critical("a background task ended", exc_info=keeper.exception())


async def _health(_request: Request) -> Response:
    return Json({"alive": True})


def build(settings: ApiSettings) -> ASGIApp:
    """Return the api application."""
    return Api(settings).app()


if __name__ == "__main__":
    serve(read_api_settings, build)
