"""The clients that operations are given: one a protocol, opened once for a load, and only those that it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from harness.errors import LoadError
from harness.load.clients.http import HttpClient
from harness.load.clients.postgres import PostgresClient
from harness.load.clients.redis import RedisClient

T = TypeVar("T")

# What an operation may need, by the names of Addresses' fields.
API, AUTH, POSTGRES, REDIS = "api", "auth", "postgres", "redis"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the load goes: URLs (`postgres` a DSN), empty for what there is not.

    `tokens` are the bearer tokens of the users that were logged in before the load began.
    """

    api: str = ""
    auth: str = ""
    postgres: str = field(default="", repr=False)
    redis: str = field(default="", repr=False)
    tokens: tuple[str, ...] = field(default=(), repr=False)

    def token_of(self, user: int) -> str:
        """Return the token that a user, or an arrival of that number, shows; empty where no user was logged in."""
        return self.tokens[user % len(self.tokens)] if self.tokens else ""

    def missing(self, needs: Collection[str]) -> list[str]:
        """Return those of `needs` that have no address."""
        return sorted(need for need in needs if not getattr(self, need))


@dataclass(frozen=True, slots=True)
class Clients:
    """What an operation may ask through; `run` is the run's id, which keeps its keys apart from every other run's.

    Asking for a client that the load did not open is a LoadError.
    """

    run: str
    api_client: HttpClient | None = None
    auth_client: HttpClient | None = None
    postgres_client: PostgresClient | None = None
    redis_client: RedisClient | None = None

    @property
    def api(self) -> HttpClient:
        """The system under test's HTTP surface, with a user's token on every request."""
        return _opened(self.api_client, API)

    @property
    def auth(self) -> HttpClient:
        """The auth service."""
        return _opened(self.auth_client, AUTH)

    @property
    def postgres(self) -> PostgresClient:
        """The database itself."""
        return _opened(self.postgres_client, POSTGRES)

    @property
    def redis(self) -> RedisClient:
        """Redis itself."""
        return _opened(self.redis_client, REDIS)


@asynccontextmanager
async def open_clients(
    addresses: Addresses, needs: Collection[str], *, run: str, fresh: bool = False
) -> AsyncIterator[Clients]:
    """Open what is needed; nothing connects before it is asked for something."""
    async with AsyncExitStack() as opened:
        api = auth = postgres = redis = None
        if API in needs:
            http = HttpClient(addresses.api, tokens=addresses.tokens, fresh=fresh)
            api = await opened.enter_async_context(http)
        if AUTH in needs:
            auth = await opened.enter_async_context(HttpClient(addresses.auth, fresh=fresh))
        if POSTGRES in needs:
            postgres = await opened.enter_async_context(PostgresClient(addresses.postgres))
        if REDIS in needs:
            redis = await opened.enter_async_context(RedisClient(addresses.redis))
        yield Clients(run, api, auth, postgres, redis)


def _opened(client: T | None, need: str) -> T:
    if client is None:
        raise LoadError(f"client {need} missing from needs=")
    return client
