"""A WebSocket server that knows just enough to be subscribed to; prints its port, ends when standard input does."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from websockets.asyncio.server import ServerConnection, serve


async def _session(websocket: ServerConnection) -> None:
    async for text in websocket:
        asked = json.loads(text)
        kind = {"ping": "pong", "subscribe": "subscribed"}.get(asked["type"], "error")
        reply = {"type": kind, "id": asked.get("id"), "channel": asked.get("channel"), "sequence": 0}
        await websocket.send(json.dumps(reply))


async def main() -> None:
    """Serve until told to end."""
    over = asyncio.Event()
    async with serve(_session, "127.0.0.1", 0, compression=None, backlog=4096, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)  # noqa: T201 - who starts it reads it there
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, lambda: None if os.read(sys.stdin.fileno(), 1024) else over.set())
        await over.wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
