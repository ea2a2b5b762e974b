"""Tokens: signed, expiring, and revocable, with no store but the list of what was revoked.

A token is `base64url(payload).base64url(HMAC-SHA256 of it)`; the payload names
the user, an expiry and a random id. A revoked id is kept until its token would
have expired, in bounded room: when that is full, revoking is refused, because
forgetting a revocation would let a bad token in.
"""

from __future__ import annotations

import base64
import heapq
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

LIFETIME_S = 3600
_REVOKED_MOST = 100_000
# About what one takes: the id, the moment, and their places in a set and a heap.
_REVOKED_BYTES = 250


class RevocationsFull(Exception):
    """No room to remember another revocation; it must be tried again later."""


@dataclass(frozen=True, slots=True)
class _Payload:
    """What a token says."""

    user: str
    expires_at_s: float
    id: str


class Tokens:
    """Issues and checks the tokens of one secret. `now_s` is seconds since the Unix epoch."""

    def __init__(
        self, secret: bytes, *, revoked_most: int = _REVOKED_MOST, now_s: Callable[[], float] = time.time
    ) -> None:
        self._secret = secret
        self._revoked_most = revoked_most
        self._now_s = now_s
        self._revoked: set[str] = set()
        self._expiries: list[tuple[float, str]] = []

    @property
    def revoked(self) -> int:
        """How many revocations are remembered."""
        return len(self._revoked)

    @property
    def cache_bytes(self) -> int:
        """About how much they take."""
        return len(self._revoked) * _REVOKED_BYTES

    def issue(self, user: str) -> str:
        """Return a new token for `user`."""
        payload = _Payload(user, self._now_s() + LIFETIME_S, secrets.token_hex(12))
        body = _encode(json.dumps(asdict(payload), separators=(",", ":")).encode())
        return f"{body}.{self._sign(body)}"

    def user_of(self, token: str) -> str | None:
        """Return the user of a good token, None for any other text."""
        payload = self._payload(token)
        return None if payload is None else payload.user

    def revoke(self, token: str) -> bool:
        """Make a good token bad; return False if it is not good now. Raises RevocationsFull."""
        payload = self._payload(token)
        if payload is None:
            return False
        self._prune()
        if len(self._revoked) >= self._revoked_most:
            raise RevocationsFull(f"{self._revoked_most} revocations are remembered already")
        self._revoked.add(payload.id)
        heapq.heappush(self._expiries, (payload.expires_at_s, payload.id))
        return True

    def _payload(self, token: str) -> _Payload | None:
        body, dot, signature = token.partition(".")
        # Bytes, because compare_digest refuses text that is not ASCII.
        if not dot or not hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(body).encode()):
            return None
        # Signed by us, so it parses.
        payload = _Payload(**json.loads(_decode(body)))
        if payload.expires_at_s <= self._now_s() or payload.id in self._revoked:
            return None
        return payload

    def _sign(self, body: str) -> str:
        return _encode(hmac.digest(self._secret, body.encode("utf-8", "replace"), "sha256"))

    def _prune(self) -> None:
        now_s = self._now_s()
        while self._expiries and self._expiries[0][0] <= now_s:
            self._revoked.discard(heapq.heappop(self._expiries)[1])


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
