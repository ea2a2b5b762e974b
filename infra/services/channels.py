"""WebSocket sessions: echo, ping, publish and subscribe, with a heartbeat and a bounded queue each.

A session that cannot keep up is closed, never silently skipped: its client
then knows that it must come back. Every send has a deadline, so that a peer
which stopped reading costs a queue and not a task for ever.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from .broker import Broker
from .defects import Planted
from .replies import Json, Refusal, parse_json, read_record

SESSIONS_MOST = 5000
HEARTBEAT_S = 10.0
_SEND_S = 10.0
_QUEUE_MOST = 1000
# A reply may be as large as a message: a client that asks without reading holds no more of them than this.
_REPLIES_MOST = 4
_SUBSCRIPTIONS_MOST = 64
# Redis copies a message to every subscriber: large ones belong in echo.
_PUBLISH_LIMIT_BYTES = 2**20
_CHANNEL = re.compile(r"[A-Za-z0-9_.:-]{1,100}")

_TRY_AGAIN_LATER = 1013


class _Ended(Exception):
    """The session is over; not an error."""


class Channels:
    """All sessions of this process."""

    def __init__(self, broker: Broker, planted: Planted) -> None:
        self._broker = broker
        self._planted = planted
        self._sessions = 0

    @property
    def sessions(self) -> int:
        """How many are open."""
        return self._sessions

    def routes(self) -> list[BaseRoute]:
        """Return where sessions open and messages come in."""
        return [WebSocketRoute("/ws", self._open), Route("/publish/{channel}", self._post, methods=["POST"])]

    async def _open(self, websocket: WebSocket) -> None:
        if self._sessions >= SESSIONS_MOST:
            await websocket.close(_TRY_AGAIN_LATER)
            return
        self._sessions += 1
        session = _Session(websocket, self._broker)
        try:
            await websocket.accept()
            await session.run()
        finally:
            if not self._planted.strikes("orphan_session"):
                self._sessions -= 1
                await session.leave()

    async def _post(self, request: Request) -> Response:
        channel = _channel(request.path_params["channel"])
        body = await read_record(request, data=object)
        sequence = await self._broker.publish(channel, _payload(body["data"]))
        return Json({"channel": channel, "sequence": sequence})


class _Session:
    """One connection: a reader that handles messages in order, and a writer that owns all sending."""

    def __init__(self, websocket: WebSocket, broker: Broker, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._websocket = websocket
        self._broker = broker
        self._heartbeat_s = heartbeat_s
        # What to send, and whether it answers the client: a channel's messages are shared, a reply is this session's.
        self._outgoing: asyncio.Queue[tuple[str, bool]] = asyncio.Queue(_QUEUE_MOST)
        self._unsent_replies = asyncio.Semaphore(_REPLIES_MOST)
        self._overflowed = False
        self._subscribed: set[str] = set()

    async def run(self) -> None:
        """Serve until either side is done; whoever ran it has it leave."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write())
                group.create_task(self._read())
        except* _Ended:
            pass

    async def leave(self) -> None:
        """Be told nothing more."""
        for channel in self._subscribed:
            await self._broker.unsubscribe(channel, self._offer)

    def _offer(self, text: str) -> None:
        """Queue what a channel tells; a full queue ends the session."""
        try:
            self._outgoing.put_nowait((text, False))
        except asyncio.QueueFull:
            self._overflowed = True

    async def _write(self) -> None:
        beats = 0
        next_beat_s = time.monotonic() + self._heartbeat_s
        while not self._overflowed:
            try:
                async with asyncio.timeout(max(0.0, next_beat_s - time.monotonic())):
                    text, is_reply = await self._outgoing.get()
            except TimeoutError:
                beats += 1
                next_beat_s += self._heartbeat_s
                text, is_reply = f'{{"type":"heartbeat","number":{beats}}}', False
            await self._bounded(self._websocket.send_text(text))
            if is_reply:
                self._unsent_replies.release()
        await self._bounded(self._websocket.close(_TRY_AGAIN_LATER, "too slow: messages were dropped"))
        raise _Ended

    async def _bounded(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(_SEND_S):
                await sending
        except (TimeoutError, WebSocketDisconnect, OSError):
            raise _Ended from None

    async def _read(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise _Ended
            await self._unsent_replies.acquire()
            reply = await self._reply_to(message.get("text"))
            await self._outgoing.put((json.dumps(reply, separators=(",", ":")), True))

    async def _reply_to(self, text: str | None) -> Mapping[str, Any]:
        if text is None:
            return _error("send text, not binary")
        try:
            message = parse_json(text)
        except ValueError as error:
            return _error(f"not JSON: {str(error)[:200]}")
        if not isinstance(message, dict):
            return _error("a message is a JSON object")
        try:
            reply = await self._handle(message)
        except Refusal as refusal:
            reply = _error(refusal.reason)
        return {**reply, "id": message["id"]} if "id" in message else reply

    async def _handle(self, message: dict[str, Any]) -> dict[str, Any]:
        match message.get("type"):
            case "echo":
                return message
            case "ping":
                return {"type": "pong"}
            case "publish":
                channel = _channel(message.get("channel"))
                sequence = await self._broker.publish(channel, _payload(message.get("data")))
                return {"type": "published", "channel": channel, "sequence": sequence}
            case "subscribe":
                return await self._subscribe(_channel(message.get("channel")))
            case "unsubscribe":
                channel = _channel(message.get("channel"))
                self._subscribed.discard(channel)
                await self._broker.unsubscribe(channel, self._offer)
                return {"type": "unsubscribed", "channel": channel}
            case _:
                raise Refusal(400, "type must be echo, ping, publish, subscribe or unsubscribe")

    async def _subscribe(self, channel: str) -> dict[str, Any]:
        if channel in self._subscribed:
            raise Refusal(400, "already subscribed")
        if len(self._subscribed) >= _SUBSCRIPTIONS_MOST:
            raise Refusal(400, f"a session holds at most {_SUBSCRIPTIONS_MOST} subscriptions")
        sequence = await self._broker.subscribe(channel, self._offer)
        self._subscribed.add(channel)
        return {"type": "subscribed", "channel": channel, "sequence": sequence}


def _channel(name: object) -> str:
    if not isinstance(name, str) or not _CHANNEL.fullmatch(name):
        raise Refusal(400, "channel must be 1 to 100 of A-Z a-z 0-9 _ . : -")
    return name


def _payload(data: object) -> str:
    text = json.dumps(data, separators=(",", ":"))
    if len(text) > _PUBLISH_LIMIT_BYTES:
        raise Refusal(413, f"data larger than {_PUBLISH_LIMIT_BYTES} bytes")
    return text


def _error(reason: str) -> dict[str, Any]:
    return {"type": "error", "error": reason}
