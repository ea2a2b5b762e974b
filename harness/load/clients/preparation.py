"""Work before a load, such as logging its users in: at a limited rate, few at once, with retries after Retry-After.

Here, and never in the measured path, a request is retried: with growing,
jittered backoff, or after as long as the server's Retry-After asks for. A
system that is pressed too hard while it is prepared would be judged for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import httpx
import stamina
from aiolimiter import AsyncLimiter

from harness.errors import NotReady
from harness.load.clients.http import SHED_STATUSES

T = TypeVar("T")
Job = Callable[[httpx.AsyncClient], Awaitable[T]]

# What asks for longer than this is not being prepared, but down.
_RETRY_AFTER_MOST_S = 30.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard a system may be pressed: so many requests a second, so many at once, each within `deadline_s`.

    A request that fails is made again, `attempts` times in all and for at most `patience_s` seconds.
    """

    rate_per_s: float = 50.0
    at_once: int = 8
    deadline_s: float = 5.0
    attempts: int = 6
    patience_s: float = 60.0


def prepare(what: str, base_url: str, jobs: Sequence[Job[T]], pace: Pace | None = None) -> list[T]:
    """Do every job with one shared client, and return what they returned, in order.

    A job raises httpx.HTTPError for what may be tried again; a status that will not change (a 4xx other than 429)
    ends it at once. Raises NotReady, naming `what`, for the first that could not be done.
    """
    return asyncio.run(_prepare(what, base_url, jobs, pace or Pace()))


async def _prepare(what: str, base_url: str, jobs: Sequence[Job[T]], pace: Pace) -> list[T]:
    loop = asyncio.get_running_loop()
    # A bucket that holds one: the rate is kept from the first request on, without a burst.
    rate, places, began_s = AsyncLimiter(1, 1 / pace.rate_per_s), asyncio.Semaphore(pace.at_once), loop.time()
    limits = httpx.Limits(max_connections=pace.at_once)
    async with httpx.AsyncClient(base_url=base_url, timeout=pace.deadline_s, limits=limits, trust_env=False) as client:

        async def do(job: Job[T]) -> T:
            attempts = stamina.retry_context(on=_again, attempts=pace.attempts, timeout=pace.patience_s)
            async with places:
                async for attempt in attempts:
                    with attempt:
                        async with rate:
                            return await job(client)
            raise AssertionError("stamina ends with a value or an error")  # pragma: no cover

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(do(job)) for job in jobs]
        except* httpx.HTTPError as errors:
            first = errors.exceptions[0]
            raise NotReady(what, loop.time() - began_s, f"{type(first).__name__}: {first}") from first
        return [task.result() for task in tasks]


def _again(error: Exception) -> bool | float:
    """Return whether to try again, or in how many seconds where the server names them."""
    if not isinstance(error, httpx.HTTPError):
        return False
    if not isinstance(error, httpx.HTTPStatusError):
        return True
    status = error.response.status_code
    after = error.response.headers.get("Retry-After", "")
    if status in SHED_STATUSES and after.isdecimal():
        return min(float(after), _RETRY_AFTER_MOST_S)
    return status >= 500 or status in SHED_STATUSES


class LogIn(NamedTuple):
    """One user's token, and for how many seconds it is good."""

    token: str
    lasts_s: float


def log_in(auth_url: str, users: int, pace: Pace | None = None) -> list[LogIn]:
    """Log in as many users. Raises NotReady."""

    def job(number: int) -> Job[LogIn]:
        async def ask(client: httpx.AsyncClient) -> LogIn:
            user = f"heavyweather-{number}"
            reply = await client.post("/login", json={"user": user, "password": f"password-of-{user}"})
            reply.raise_for_status()
            try:
                document = reply.json()
                return LogIn(str(document["token"]), float(document["expires_s"]))
            except (ValueError, KeyError, TypeError) as error:
                raise httpx.DecodingError(f"no token in the reply: {error}") from error

        return ask

    return prepare(f"log-in of {users} users at {auth_url}", auth_url, [job(n) for n in range(users)], pace)
