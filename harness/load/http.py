"""The measured HTTP client: one request, one outcome, and no retry anywhere.

pyreqwest because its cost for each request is a fraction of its peers'; one
client is shared by all requests of a load, as building one is dear. Its stack
sends a request again only when the server had closed the connection before a
byte of it left, so no work is done twice behind the measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import pyreqwest.exceptions as failure
from pyreqwest.client import Client, ClientBuilder

from harness.records import Outcome

# A server that says so is protecting itself; any other bad status is a failure.
SHED_STATUSES = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back: `status` is 0 and `document` None where no whole reply did."""

    outcome: Outcome
    status: int = 0
    document: Any = None

    def get(self, key: str) -> Any:
        """Return the document's value under `key`; None where the document is no object or has no such key."""
        return self.document.get(key) if isinstance(self.document, dict) else None


class HttpClient:
    """Requests against one base URL, each with the same deadline (seconds, connecting included)."""

    def __init__(self, base_url: str, *, deadline_s: float, headers: Mapping[str, str] | None = None) -> None:
        self._client: Client = (
            ClientBuilder()
            .base_url(base_url)
            .timeout(timedelta(seconds=deadline_s))
            .default_headers(dict(headers or {}))
            .user_agent("heavyweather-load")
            .follow_redirects(False)
            .no_proxy()
            .build()
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._client.close()

    async def send(
        self, method: str, path: str, *, document: object = None, headers: Mapping[str, str] | None = None
    ) -> HttpReply:
        """Send one request with an optional JSON document and return how it ended, whatever the server did."""
        request = self._client.request(method, path)
        if document is not None:
            request = request.body_json(document)
        if headers:
            request = request.headers(dict(headers))
        try:
            response = await request.build().send()
            body = await response.json()
        except failure.JSONDecodeError:
            return HttpReply(_status_outcome(response.status, readable=False), response.status)
        except failure.RequestError as error:
            return HttpReply(outcome_of(error))
        return HttpReply(_status_outcome(response.status, readable=True), response.status, body)


def _status_outcome(status: int, *, readable: bool) -> Outcome:
    if status in SHED_STATUSES:
        return Outcome.SHED
    if 200 <= status < 300:
        return Outcome.OK if readable else Outcome.WRONG_REPLY
    return Outcome.BAD_STATUS


def outcome_of(error: failure.RequestError) -> Outcome:
    """Return the outcome that an error of the client's own tree stands for.

    `ConnectError` covers every failure of a connection, old or new, so the
    causes tell the two apart: only in the Connect phase is it certain that
    nothing of the request left.
    """
    if isinstance(error, failure.RequestTimeoutError):
        return Outcome.TIMED_OUT
    causes = [cause["message"] for cause in error.details["causes"] or []]
    if isinstance(error, failure.ConnectError) and any("(Connect)" in cause for cause in causes):
        return Outcome.REFUSED
    if isinstance(error, failure.NetworkError | failure.BodyDecodeError):
        return Outcome.RESET
    return Outcome.WRONG_REPLY
