"""Requests in, replies out: JSON both ways, and every refusal a clear status with a reason.

Whatever a caller sends is parsed here, with limits, so that bad input is
always a 4xx; whatever a dependency does ends as a 503 that says when to come
back. An endpoint raises a Refusal and never builds an error reply itself.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

BODY_LIMIT_BYTES = 32 * 2**20
# An oversized body is read to here and thrown away: a caller still sending would otherwise see a reset, not a 413.
_DRAIN_LIMIT_BYTES = 2 * BODY_LIMIT_BYTES
RETRY_AFTER_S = 1
# RFC 6750's token, bounded. What no header may carry on to auth must not look there like a failure of auth.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}")


class Refusal(Exception):
    """A reply other than success: `status`, one line of `reason`, and headers."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = dict(headers or {})


class Unavailable(Refusal):
    """A dependency cannot serve this now: 503 and when to come back."""

    def __init__(self, dependency: str, reason: str) -> None:
        super().__init__(503, f"{dependency}: {reason}", {"Retry-After": str(RETRY_AFTER_S)})
        self.dependency = dependency


class Json(Response):
    """A JSON reply; escapes non-ASCII, so that a lone surrogate that came in can go out again."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return `content` as JSON bytes. Raises ValueError for NaN and infinity, which JSON has not."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


def parse_json(text: str | bytes) -> Any:
    """Return the value of strict JSON text (no NaN, no infinity, no overflow). Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is beyond a double")
    return number


async def read_body(request: Request) -> bytes:
    """Return the whole body. Raises Refusal 413 beyond BODY_LIMIT_BYTES."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > _DRAIN_LIMIT_BYTES:
        raise Refusal(413, f"body larger than {BODY_LIMIT_BYTES} bytes", {"Connection": "close"})
    chunks: list[bytes] = []
    size_bytes = 0
    async for chunk in request.stream():
        size_bytes += len(chunk)
        if size_bytes <= BODY_LIMIT_BYTES:
            chunks.append(chunk)
        elif size_bytes > _DRAIN_LIMIT_BYTES:
            break
    if size_bytes > BODY_LIMIT_BYTES:
        raise Refusal(413, f"body larger than {BODY_LIMIT_BYTES} bytes", {"Connection": "close"})
    return b"".join(chunks)


async def read_record(request: Request, **fields: type) -> dict[str, Any]:
    """Return the body as a JSON object of exactly these fields, each of its type (`object`: of any).

    Raises Refusal 400 or 413.
    """
    try:
        body = parse_json(await read_body(request))
    except ValueError as error:
        raise Refusal(400, f"body is not JSON: {str(error)[:200]}") from None
    if not isinstance(body, dict) or body.keys() != fields.keys():
        raise Refusal(400, f"body must be a JSON object with exactly {', '.join(fields)}")
    for name, kind in fields.items():
        # bool is an int to isinstance, and true is no amount.
        if kind is not object and type(body[name]) is not kind:
            raise Refusal(400, f"{name} must be of type {kind.__name__}")
    return body


def check_text(name: str, text: str, limit: int) -> str:
    """Return `text` if it is 1 to `limit` characters that PostgreSQL and UTF-8 can hold. Raises Refusal 400."""
    if not 1 <= len(text) <= limit:
        raise Refusal(400, f"{name} must be 1 to {limit} characters")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise Refusal(400, f"{name} must not hold NUL or lone surrogates")
    return text


def unauthorized(reason: str) -> Refusal:
    """Return the 401 to raise."""
    return Refusal(401, reason, {"WWW-Authenticate": "Bearer"})


def read_bearer(request: Request) -> str:
    """Return the bearer token. Raises Refusal 401 when there is none, or none that could be one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not _TOKEN.fullmatch(token):
        raise unauthorized("a bearer token is required")
    return token


def _refuse(_request: Request, error: Exception) -> Response:
    """Turn what an endpoint raised into its reply."""
    match error:
        case Refusal():
            return Json({"error": error.reason}, error.status, error.headers)
        case HTTPException():
            return Json({"error": error.detail}, error.status_code, dict(error.headers or {}))
        case ClientDisconnect():
            # Nobody is left to read it.
            return Json({"error": "the client went away"}, 400)
        case _:
            return Json({"error": "internal error"}, 500)


# What an application hands to Starlette, so that every error is JSON.
REFUSALS = dict.fromkeys((Refusal, HTTPException, ClientDisconnect, Exception), _refuse)
