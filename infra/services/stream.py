"""Server-sent events: a stream of a known length whose ids show whether anything is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .replies import Refusal

EVENTS_MOST = 10_000
INTERVAL_MOST_S = 1.0


async def _get(request: Request) -> Response:
    count = int(_number(request, "events", "10", 1, EVENTS_MOST))
    interval_s = _number(request, "interval_s", "0", 0, INTERVAL_MOST_S)
    return StreamingResponse(
        _events(count, interval_s), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _events(count: int, interval_s: float) -> AsyncIterator[str]:
    for number in range(1, count + 1):
        yield f'id: {number}\nevent: tick\ndata: {{"number":{number},"of":{count}}}\n\n'
        if number < count:
            await asyncio.sleep(interval_s)


def _number(request: Request, name: str, default: str, least: float, most: float) -> float:
    text = request.query_params.get(name, default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    # The comparison refuses NaN as well.
    if not least <= number <= most:
        raise Refusal(400, f"{name} must be a number from {least:g} to {most:g}")
    return number


ROUTES = [Route("/stream", _get, methods=["GET"])]
