"""JSON-RPC 2.0: which calls are well formed, what each method does, and which error each mistake earns.

Over HTTP a body that is no JSON (-32700) or no request (-32600) is a 400,
like bad input everywhere here; every well-formed call is a 200 whose reply
holds its own result or error, and notifications alone are a 204.
Specification: jsonrpc.org/specification.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .defects import Planted
from .replies import Json, parse_json, read_body

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
# The first of the codes that the specification leaves to servers.
FAILED = -32000

BATCH_MOST = 1000
SLOW_MOST_S = 5.0
# A sum beyond a double's range has no JSON number that every reader can hold.
_SUM_MOST = 1e308

Reply = dict[str, Any]


class RpcError(Exception):
    """An error object to be."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


async def _echo(params: Any) -> Any:
    return params


async def _sum(params: Any) -> float:
    if not isinstance(params, list) or not all(type(number) in {int, float} for number in params):
        raise RpcError(INVALID_PARAMS, "sum takes an array of numbers")
    try:
        total = sum(params)
        fine = math.isfinite(total) and abs(total) <= _SUM_MOST
    except OverflowError:
        fine = False
    if not fine:
        raise RpcError(INVALID_PARAMS, "the sum is beyond a double")
    return total


async def _fail(params: Any) -> Any:
    raise RpcError(FAILED, "failed as asked", params)


async def _slow(params: Any) -> dict[str, float]:
    match params:
        case {"seconds": int() | float() as duration_s} | [int() | float() as duration_s] if (
            len(params) == 1 and not isinstance(duration_s, bool) and 0 <= duration_s <= SLOW_MOST_S
        ):
            await asyncio.sleep(duration_s)
            return {"seconds": duration_s}
        case _:
            raise RpcError(INVALID_PARAMS, f"slow takes seconds from 0 to {SLOW_MOST_S:g}")


async def _unknown(_params: Any) -> Any:
    raise RpcError(METHOD_NOT_FOUND, "Method not found")


METHODS: Mapping[str, Callable[[Any], Awaitable[Any]]] = {"echo": _echo, "sum": _sum, "fail": _fail, "slow": _slow}


async def answer(text: bytes) -> tuple[int, Any]:
    """Return the HTTP status and the reply (None: no content) to one JSON-RPC message."""
    try:
        message = parse_json(text)
    except ValueError:
        return 400, _error(None, RpcError(PARSE_ERROR, "Parse error"))
    if not isinstance(message, list):
        reply = await _call(message)
        if reply is None:
            return 204, None
        refused = "error" in reply and reply["error"]["code"] == INVALID_REQUEST
        return (400 if refused else 200), reply
    if not 1 <= len(message) <= BATCH_MOST:
        return 400, _error(None, RpcError(INVALID_REQUEST, "Invalid Request", f"a batch holds 1 to {BATCH_MOST} calls"))
    replies = [reply for reply in await asyncio.gather(*map(_call, message)) if reply is not None]
    return (200, replies) if replies else (204, None)


async def _call(message: Any) -> Reply | None:
    """Return the reply to one call; None for a notification, which is never answered, not even with an error."""
    if not _is_request(message):
        return _error(None, RpcError(INVALID_REQUEST, "Invalid Request"))
    is_notification = "id" not in message
    identity = message.get("id")
    try:
        result = await METHODS.get(message["method"], _unknown)(message.get("params", []))
    except RpcError as error:
        return None if is_notification else _error(identity, error)
    return None if is_notification else {"jsonrpc": "2.0", "result": result, "id": identity}


def _is_request(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and message.get("jsonrpc") == "2.0"
        and isinstance(message.get("method"), str)
        and isinstance(message.get("params", []), list | dict)
        and isinstance(message.get("id"), str | int | float | None)
        and not isinstance(message.get("id"), bool)
    )


def _error(identity: Any, error: RpcError) -> Reply:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return {"jsonrpc": "2.0", "error": body, "id": identity}


def routes(planted: Planted) -> list[Route]:
    """Return where calls come in."""

    async def post(request: Request) -> Response:
        status, reply = await answer(await read_body(request))
        if isinstance(reply, list) and planted.strikes("double_reply"):
            reply = [*reply, reply[0]]
        return Response(status_code=status) if reply is None else Json(reply, status)

    return [Route("/rpc", post, methods=["POST"])]
