"""Server-sent events: a stream of a known length whose ids show whether anything is missing.

After its last number comes one `end`, which says that the stream is whole: a
reader that saw the connection close cannot tell that from a stream broken off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .defects import Planted
from .replies import Refusal

EVENTS_MOST = 10_000
INTERVAL_MOST_S = 1.0


def routes(planted: Planted) -> list[Route]:
    """Return where streams begin."""

    async def get(request: Request) -> Response:
        count = int(_number(request, "events", "10", 1, EVENTS_MOST))
        interval_s = _number(request, "interval_s", "0", 0, INTERVAL_MOST_S)
        ends = 2 if planted.strikes("double_reply") else 1
        return StreamingResponse(
            _events(count, interval_s, ends), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    return [Route("/stream", get, methods=["GET"])]


async def _events(count: int, interval_s: float, ends: int) -> AsyncIterator[str]:
    for number in range(1, count + 1):
        yield f'id: {number}\nevent: tick\ndata: {{"number":{number},"of":{count}}}\n\n'
        if number < count:
            await asyncio.sleep(interval_s)
    for _ in range(ends):
        yield f'event: end\ndata: {{"of":{count}}}\n\n'


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
