"""The cache: documents in Redis, each holding the key it belongs to.

Because a document names its own key, a reply that was meant for another
question shows itself: the caller compares the key it asked for with the key
it got.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .defects import Planted
from .redis_link import RedisLink
from .replies import Json, Refusal, check_text, read_record

_KEY_LIMIT = 200
_PREFIX = "cache:"
# Keys whose last documents the planted defect `stale_reply` keeps.
_STALE_MOST = 1000


class Cache:
    """The cache's endpoints."""

    def __init__(self, redis: RedisLink, planted: Planted) -> None:
        self._redis = redis
        self._planted = planted
        # The last document served: what the planted defect `foreign_reply` answers with.
        self._last: tuple[str, bytes] | None = None
        # Of each key the document served before its last one (or none), and the last.
        self._served_before: OrderedDict[str, tuple[bytes | None, bytes]] = OrderedDict()

    def routes(self) -> list[Route]:
        """Return where the endpoints are."""
        return [
            Route("/cache/{key:path}", self._put, methods=["PUT"]),
            Route("/cache/{key:path}", self._get, methods=["GET"]),
        ]

    async def _put(self, request: Request) -> Response:
        key = check_text("key", request.path_params["key"], _KEY_LIMIT)
        document = {"key": key, **await read_record(request, version=int, writer=str, value=str)}
        text = Json(document).body

        async def store(client: Any) -> None:
            await client.set(_PREFIX + key, bytes(text))

        await self._redis.call(store)
        return Json({"key": key, "version": document["version"]})

    async def _get(self, request: Request) -> Response:
        key = check_text("key", request.path_params["key"], _KEY_LIMIT)

        async def load(client: Any) -> bytes | None:
            document: bytes | None = await client.get(_PREFIX + key)
            return document

        document = await self._redis.call(load)
        if document is None:
            raise Refusal(404, "no such key")
        return Response(self._served(key, document), media_type="application/json")

    def _served(self, key: str, document: bytes) -> bytes:
        last = self._last
        if self._planted.has("foreign_reply"):
            if self._planted.strikes("foreign_reply") and last is not None and last[0] != key:
                return last[1]
            self._last = (key, document)
        return self._stale(key, document) if self._planted.has("stale_reply") else document

    def _stale(self, key: str, document: bytes) -> bytes:
        older, newest = self._served_before.pop(key, (None, document))
        if newest != document:
            older = newest
        self._served_before[key] = (older, document)
        if len(self._served_before) > _STALE_MOST:
            self._served_before.popitem(last=False)
        return older if older is not None and self._planted.strikes("stale_reply") else document
