"""Links between a client and a server that a test can watch, silence and cut."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from enum import Enum
from typing import Any, TypeVar

import uvloop

from harness.load.call import Call
from tests.harness.servers import Connections, Handler

T = TypeVar("T")
LIMIT_S = 10.0
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def play(main: Coroutine[Any, Any, T], loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop) -> T:
    """Run it on a loop of its own, within a limit."""

    async def limited() -> T:
        async with asyncio.timeout(3 * LIMIT_S):
            return await main

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(limited())


class Whim(Enum):
    """What a link does with a piece that comes along: carry it, or cut the connection before or after that."""

    CARRY = "carry"
    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after"


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST in place of FIN."""
    if not writer.is_closing():
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


class Link:
    """Carries bytes to a server. `whim` is asked for each piece; while `silent`, pieces vanish."""

    def __init__(self, server_port: int, whim: Callable[[], Whim]) -> None:
        self._server_port = server_port
        self._whim = whim
        self.port = 0
        self.opened = 0
        self.silent = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._carry(reader, up_writer))
                directions.create_task(self._carry(up_reader, writer))
        except* OSError:
            pass
        finally:
            reset(writer)
            reset(up_writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            if self.silent:
                continue
            whim = self._whim()
            if whim is not Whim.CUT_BEFORE:
                writer.write(piece)
                await writer.drain()
            if whim is not Whim.CARRY:
                break
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def linked(server_port: int, whim: Callable[[], Whim] = lambda: Whim.CARRY) -> AsyncIterator[Link]:
    """Run a link to a local port."""
    link = Link(server_port, whim)
    async with listening(link.handle) as link.port:
        yield link


@contextlib.asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    """Handle connections on a port of its own; yields the port."""
    connections = Connections(handler)
    async with await asyncio.start_server(connections.serve, "127.0.0.1", 0) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await connections.end()


def saying(answer: bytes) -> Handler:
    """Return a handler that answers whatever comes first, and then listens on."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        while await reader.read(65536):
            pass
        writer.close()

    return handler


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read what comes first, and reset the connection."""
    await reader.read(1)
    reset(writer)


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    """Hold a port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextlib.contextmanager
def full_port() -> Iterator[int]:
    """Hold a port whose queue is full: further connects get no answer."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            queued = held.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def a_call(number: int = 0) -> Call:
    """Return a call that is due now, whatever it asks for."""
    return Call("test", number)
