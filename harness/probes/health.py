"""Is a service able to do its work? Each check goes past the TCP accept.

A proxy accepts whether or not anything stands behind it, and PostgreSQL
accepts before it can answer, so only a full answer of the service's own
protocol counts. Every check returns None when all is well and otherwise what
it saw, in words; none of them retries, and each is bounded by `timeout_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import asyncpg
import httpx
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_S = 2.0


def http_health(url: str, *, timeout_s: float = TIMEOUT_S) -> str | None:
    """Check that GET `url` answers 200."""
    try:
        reply = httpx.get(url, timeout=timeout_s, trust_env=False)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return None if reply.status_code == httpx.codes.OK else f"status {reply.status_code}: {reply.text[:200]}"


def ask_postgres(dsn: str, question: str, *, timeout_s: float = TIMEOUT_S) -> object:
    """Return the one value that `question` yields. Raises OSError, asyncpg.PostgresError or InterfaceError."""

    async def ask() -> object:
        async with asyncio.timeout(timeout_s):
            connection = await asyncpg.connect(dsn, timeout=timeout_s)
            try:
                return await connection.fetchval(question)
            finally:
                # At once: a polite goodbye would need an answer that may not come.
                connection.terminate()

    return asyncio.run(ask())


def postgres_health(dsn: str, *, timeout_s: float = TIMEOUT_S) -> str | None:
    """Check that the database at `dsn` runs a query."""
    try:
        ask_postgres(dsn, "SELECT 1", timeout_s=timeout_s)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def redis_health(
    host: str, port: int, *, username: str | None = None, password: str | None = None, timeout_s: float = TIMEOUT_S
) -> str | None:
    """Check that the Redis at `host`:`port` answers PING."""
    with contextlib.closing(
        redis.Redis(
            host,
            port,
            username=username,
            password=password,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
    ) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            return f"{type(error).__name__}: {error}"
    return None


def toxiproxy_health(url: str, expected: Iterable[str] = (), *, timeout_s: float = TIMEOUT_S) -> str | None:
    """Check that the Toxiproxy API at `url` lists the proxies `expected`, and all it has enabled, with no toxic.

    `GET /proxies` is the check because `/version` still answers when the server is wedged,
    and the list is compared because errors in its `-config` file are only logged.
    """
    try:
        reply = httpx.get(f"{url}/proxies", timeout=timeout_s, trust_env=False)
        reply.raise_for_status()
        proxies = reply.json()
    except (httpx.HTTPError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    if missing := sorted(set(expected) - set(proxies)):
        return f"proxies not created: {', '.join(missing)}"
    off = sorted(name for name, proxy in proxies.items() if not proxy["enabled"])
    toxic = sorted(name for name, proxy in proxies.items() if proxy["toxics"])
    if off or toxic:
        return f"disabled: {off}, toxics on: {toxic}"
    return None
