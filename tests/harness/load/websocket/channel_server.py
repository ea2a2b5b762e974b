"""A WebSocket server that numbers messages as the reference service does, and misbehaves as a test wishes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.harness.servers import Connections, Handler

CHANNEL = "news"


def reset(transport: Any) -> None:
    """End a connection with a RST."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class ChannelServer:
    """One channel. `answers` overrides replies by the question's type: None is silence, and a text is sent as it is."""

    def __init__(self) -> None:
        self.url = ""
        self.sequence = 0
        self.status: HTTPStatus | None = None
        self.answers: dict[str, object] = {}
        self.wires: list[ServerConnection] = []
        self.subscribed: list[ServerConnection] = []
        self.asked: list[dict[str, Any]] = []
        self.opened = 0
        self.closes: list[int | None] = []
        self.on_change: Callable[[], None] = lambda: None
        # By how much a new subscription is behind the others.
        self.behind = 0

    async def tell(self, data: object = None, *, number: int | None = None) -> None:
        """Send the next message, or the one of that number, to all who are subscribed."""
        if number is None:
            self.sequence += 1
        await self.say({"type": "message", "channel": CHANNEL, "sequence": number or self.sequence, "data": data})

    async def say(self, message: object) -> None:
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        for wire in list(self.subscribed):
            # One that says goodbye at this moment hears no more.
            with contextlib.suppress(ConnectionClosed):
                await wire.send(text)

    def check(self, wire: ServerConnection, _request: Request) -> Response | None:
        return None if self.status is None else wire.respond(self.status, "no\n")

    async def handle(self, wire: ServerConnection) -> None:
        self.wires.append(wire)
        self.opened += 1
        self.on_change()
        try:
            while True:
                question = json.loads(await wire.recv())
                self.asked.append(question)
                self.on_change()
                reply = await self._reply(question)
                if reply is not None:
                    await wire.send(reply if isinstance(reply, str) else json.dumps(reply))
                    if isinstance(reply, dict) and reply["type"] == "subscribed" and reply["sequence"] is not None:
                        await self._begin(wire, reply["sequence"])
        except ConnectionClosed:
            self.closes.append(wire.close_code)
        finally:
            self.wires.remove(wire)
            if wire in self.subscribed:
                self.subscribed.remove(wire)
            self.on_change()

    async def _begin(self, wire: ServerConnection, reached: int) -> None:
        """Send what a subscriber who is behind still has to hear, and then what all hear."""
        for number in range(reached + 1, self.sequence + 1):
            await wire.send(json.dumps({"type": "message", "channel": CHANNEL, "sequence": number, "data": None}))
        self.subscribed.append(wire)
        self.on_change()

    async def _reply(self, question: dict[str, Any]) -> object:
        kind = question["type"]
        if kind in self.answers:
            answer = self.answers[kind]
            return {**answer, "id": question["id"]} if isinstance(answer, dict) else answer
        if kind == "subscribe":
            return {
                "type": "subscribed",
                "channel": CHANNEL,
                "sequence": self.sequence - self.behind,
                "id": question["id"],
            }
        if kind == "publish":
            await self.tell(question["data"])
            return {"type": "published", "channel": CHANNEL, "sequence": self.sequence, "id": question["id"]}
        return {"type": "pong", "id": question["id"]}


@asynccontextmanager
async def channel_server(port: int = 0, server: ChannelServer | None = None) -> AsyncIterator[ChannelServer]:
    server = server or ChannelServer()
    async with serve(
        server.handle, "127.0.0.1", port, compression=None, process_request=server.check, ping_interval=None
    ) as serving:
        server.url = f"ws://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
        yield server
        for wire in list(server.wires):
            wire.transport.abort()


@asynccontextmanager
async def raw_server(handler: Handler) -> AsyncIterator[str]:
    """Serve plain TCP; yield the url under which a WebSocket would be looked for."""
    connections = Connections(handler)
    serving = await asyncio.start_server(connections.serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
    finally:
        serving.close()
        await connections.end()
