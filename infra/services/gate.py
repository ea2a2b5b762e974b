"""Who is calling? api asks auth for every request, and survives a short absence of auth.

While auth cannot answer, a token that it confirmed within the last
`GRACE_S` seconds is still let in; others get a 503, never a yes. The price is
stated: a token revoked during an outage works for at most that long.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

import httpx
from starlette.requests import Request

from .breaker import Breaker, BreakerOpen
from .replies import Unavailable, read_bearer, unauthorized

DEADLINE_S = 1.0
GRACE_S = 30.0
_CACHE_MOST = 10_000
# About what one takes: its text, the moment, and its place.
_CACHED_BYTES = 500
_CONNECTIONS_MOST = 50
# Below auth's own keep-alive, so that auth never closes a connection that we are about to use.
_KEEPALIVE_S = 60.0


class AuthFailed(Exception):
    """Auth answered, but not with a yes or a no."""


_FAILURES = (httpx.HTTPError, OSError, TimeoutError, AuthFailed)


class Gate:
    """Checks the bearer token of requests with auth. `now_s` is a monotonic clock."""

    def __init__(self, auth_url: str, *, stuck_open: bool, now_s: Callable[[], float] = time.monotonic) -> None:
        self.breaker = Breaker("auth", failures=_FAILURES, stuck_open=stuck_open)
        self._check_url = httpx.URL(f"{auth_url}/check")
        self._health_url = httpx.URL(f"{auth_url}/health")
        # The bare transport: no redirects, cookies or proxies are wanted, and they double a call's CPU.
        self._transport = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_connections=_CONNECTIONS_MOST, keepalive_expiry=_KEEPALIVE_S)
        )
        self._now_s = now_s
        self._confirmed: OrderedDict[str, float] = OrderedDict()

    @property
    def cache_bytes(self) -> int:
        """About how much the confirmed tokens take."""
        return len(self._confirmed) * _CACHED_BYTES

    async def admit(self, request: Request) -> None:
        """Let the request through or raise Refusal: 401 for a bad token, 503 when nobody can tell."""
        token = read_bearer(request)
        try:
            with self.breaker.guard():
                good = await self._ask(token)
        except (BreakerOpen, *_FAILURES) as error:
            if not self._lately_confirmed(token):
                raise Unavailable("auth", "cannot check the token now") from error
            return
        if not good:
            self._confirmed.pop(token, None)
            raise unauthorized("the token is not valid")
        self._remember(token)

    async def check(self) -> None:
        """Ask auth whether it is alive. Raises Unavailable."""
        try:
            status = await self._send("GET", self._health_url, {})
        except _FAILURES as error:
            raise Unavailable("auth", type(error).__name__) from error
        if status != httpx.codes.OK:
            raise Unavailable("auth", f"status {status}")

    async def close(self) -> None:
        """Close the connections to auth."""
        await self._transport.aclose()

    async def _ask(self, token: str) -> bool:
        status = await self._send("POST", self._check_url, {"Authorization": f"Bearer {token}"})
        if status not in {httpx.codes.OK, httpx.codes.UNAUTHORIZED}:
            raise AuthFailed(f"status {status}")
        return status == httpx.codes.OK

    async def _send(self, method: str, url: httpx.URL, headers: dict[str, str]) -> int:
        async with asyncio.timeout(DEADLINE_S):
            reply = await self._transport.handle_async_request(
                httpx.Request(method, url, headers={"Host": url.netloc.decode("ascii"), **headers})
            )
            try:
                await reply.aread()
            finally:
                await reply.aclose()
        return reply.status_code

    def _remember(self, token: str) -> None:
        self._confirmed[token] = self._now_s()
        self._confirmed.move_to_end(token)
        if len(self._confirmed) > _CACHE_MOST:
            self._confirmed.popitem(last=False)

    def _lately_confirmed(self, token: str) -> bool:
        confirmed_s = self._confirmed.get(token)
        return confirmed_s is not None and self._now_s() - confirmed_s <= GRACE_S
