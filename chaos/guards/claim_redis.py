"""A run's claim in Redis: one key, which expires with the claim's lease."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthorizationError
from redis.retry import Retry

from chaos.guards.claim import LIMIT_S, Claim, GivesWay
from harness.errors import NotReady, Refused

KEY = "heavyweather:claim"

# The key changed between the look and the write, so often that this is no coincidence.
_ROUNDS = 5
_NO_EXPIRY = -1

T = TypeVar("T")


class RedisStore:
    """The database at a Redis URL; satisfies `chaos.guards.claim.ClaimedStore`."""

    lasting = False

    def __init__(self, url: str, *, limit_s: float = LIMIT_S) -> None:
        self._url = url
        self._limit_s = limit_s

    def lay(self, claim: Claim, gives_way: GivesWay) -> Claim | None:
        """Write the claim, or return the one that stands in its way."""
        value = json.dumps({"nonce": claim.nonce, "run_id": claim.run_id, "runner": claim.runner})

        def write(pipe: Any, held: Claim | None) -> Claim | None:
            if held and held.nonce != claim.nonce and not gives_way(held):
                return held
            pipe.multi()
            pipe.set(KEY, value, ex=math.ceil(claim.left_s))
            pipe.execute()
            return None

        return self._change(write)

    def read(self) -> Claim | None:
        """Return the claim, None where there is none."""
        with connected(self._url, self._limit_s, text=False) as client:
            return _held(client)

    def renew(self, claim: Claim) -> None:
        """Lengthen the claim's life."""

        def renew(pipe: Any, held: Claim | None) -> None:
            if held and held.nonce == claim.nonce:
                pipe.multi()
                pipe.expire(KEY, math.ceil(claim.left_s))
                pipe.execute()

        self._change(renew)

    def lift(self, claim: Claim) -> None:
        """Remove the claim."""

        def remove(pipe: Any, held: Claim | None) -> None:
            if held and held.nonce == claim.nonce:
                pipe.multi()
                pipe.delete(KEY)
                pipe.execute()

        self._change(remove)

    def server(self) -> str:
        """Return the id that a Redis gives itself at each start; "" where this account may not ask."""
        with connected(self._url, self._limit_s) as client:
            try:
                return str(client.info("server").get("run_id", ""))
            except redis.ResponseError:
                return ""

    def _change(self, change: Callable[[Any, Claim | None], T]) -> T:
        """Make a change to the claim that was seen, and to no other."""
        with connected(self._url, self._limit_s, text=False) as client:
            for _ in range(_ROUNDS):
                with client.pipeline() as pipe, contextlib.suppress(redis.WatchError):
                    pipe.watch(KEY)
                    return change(pipe, _held(pipe))
        raise NotReady("redis", self._limit_s, f"{KEY} changed whenever it was looked at")


@contextlib.contextmanager
def connected(url: str, limit_s: float, *, text: bool = True) -> Iterator[Any]:
    """Lend a client that retries nothing, and answers in text or in bytes, which is what keys and values may be.

    Raises NotReady and Refused, as `chaos.guards.claim.ClaimedStore` says.
    """
    client = redis.Redis.from_url(
        url,
        socket_timeout=limit_s,
        socket_connect_timeout=limit_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=text,
    )
    with contextlib.closing(client):
        try:
            yield client
        except (redis.AuthenticationError, AuthorizationError, redis.ResponseError) as error:
            raise Refused(f"redis answers as none of this run would: {type(error).__name__}: {error}") from error
        except (redis.RedisError, OSError) as error:
            raise NotReady("redis", limit_s, f"{type(error).__name__}: {error}") from error


def _held(client: Any) -> Claim | None:
    """Return what stands under the key; what no run would have written there is no claim, and stays."""
    value = client.get(KEY)
    if value is None:
        return None
    ttl_s = client.ttl(KEY)
    left_s = math.inf if ttl_s == _NO_EXPIRY else float(ttl_s)
    try:
        told = json.loads(value)
        return Claim(str(told["nonce"]), str(told["run_id"]), str(told["runner"]), left_s)
    except (ValueError, KeyError, TypeError):
        return Claim("", "unknown", "", left_s)
