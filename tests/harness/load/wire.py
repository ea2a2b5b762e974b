"""Real servers for the HTTP client's tests: connections handled as a test wishes, one way of ending each."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import uvloop

from harness.load.call import Call
from harness.load.clients.http import HttpClient, HttpReply
from tests.harness.servers import Connections, Handler, read_request, reply

T = TypeVar("T")
LIMIT_S = 15.0


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST in place of FIN."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run on the loop that loads run on, within a limit."""

    async def bounded() -> T:
        async with asyncio.timeout(LIMIT_S):
            return await work()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve connections on a port of its own; yields the base URL."""
    connections = Connections(handler)
    async with await asyncio.start_server(connections.serve, "127.0.0.1", 0) as server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            await connections.end()


def ask(handler: Handler, *, times: int = 1, method: str = "POST", fresh: bool = False) -> list[tuple[HttpReply, Call]]:
    """Send some requests, one after another, and return how each ended."""

    async def work() -> list[tuple[HttpReply, Call]]:
        ended = []
        async with serving(handler) as url, HttpClient(url, fresh=fresh) as client:
            for n in range(times):
                call = Call("ask", n)
                document = {"n": n} if method == "POST" else None
                ended.append((await client.send(call, method, f"/{n}", document=document), call))
        return ended

    return run(work)


def answering(*pieces: bytes) -> Handler:
    """Return a handler that reads the request, sends the pieces, each by itself, and closes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.close()

    return handler


async def reset_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def reset_after_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    reset(writer)


async def close_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass
    writer.close()


async def begin_and_stop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(reply(200, b"{", length=100))
    await say_nothing(reader, writer)
