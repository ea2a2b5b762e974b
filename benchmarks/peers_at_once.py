"""What peers spend on a crowd that comes at once: `python -m benchmarks.peers_at_once NAME --url URL --users N`.

Each user has a connection of their own and asks once; sockets open and send
one message. Prints {cpu_s, took_s}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import uvloop

from benchmarks.contestants.task import DOCUMENT

_LIMIT_S = 120.0


async def aiohttp_herd(url: str, users: int) -> None:
    """One shared session without a limit of connections."""
    import aiohttp  # noqa: PLC0415 - a contestant pays for its own imports only

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> None:
            async with session.post(url, json=DOCUMENT) as reply:
                await reply.json()

        await _at_once(ask, users)


async def pyreqwest_herd(url: str, users: int) -> None:
    """One shared client."""
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - as above

    async with ClientBuilder().no_proxy().http1_only().timeout(timedelta(seconds=_LIMIT_S)).build() as client:

        async def ask() -> None:
            await (await client.post(url).body_json(DOCUMENT).build().send()).json()

        await _at_once(ask, users)


async def httpx_herd(url: str, users: int) -> None:
    """Give each user a client, for a shared one takes ten times as long; they share the TLS context."""
    import httpx  # noqa: PLC0415 - as above

    context = ssl.create_default_context()

    async def ask() -> None:
        async with httpx.AsyncClient(verify=context, timeout=_LIMIT_S, trust_env=False) as client:
            (await client.post(url, json=DOCUMENT)).json()

    await _at_once(ask, users)


async def aiohttp_sockets(url: str, users: int) -> None:
    """One shared session, a WebSocket for each user."""
    import aiohttp  # noqa: PLC0415 - as above

    opened: list[Any] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> None:
            socket = await session.ws_connect(url)
            opened.append(socket)
            await socket.send_json({"type": "subscribe", "channel": f"c{len(opened)}", "id": 1})
            await socket.receive_json()

        await _at_once(ask, users)
        for socket in opened:
            await socket.close()


async def _at_once(ask: Callable[[], Awaitable[None]], users: int) -> None:
    """Warm up with one, then let all ask, and print what that took."""
    await ask()
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    async with asyncio.timeout(_LIMIT_S):
        await asyncio.gather(*(ask() for _ in range(users)))
    figures = {"cpu_s": time.process_time() - began_cpu_s, "took_s": time.perf_counter() - began_s}
    print(json.dumps(figures), flush=True)  # noqa: T201 - who starts it reads the figures there


PEERS: Mapping[str, Callable[[str, int], Awaitable[None]]] = {
    "aiohttp": aiohttp_herd,
    "pyreqwest": pyreqwest_herd,
    "httpx": httpx_herd,
    "aiohttp-sockets": aiohttp_sockets,
}


def main() -> int:
    """Do it for one peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--users", type=int, required=True)
    options = parser.parse_args()

    async def work() -> None:
        await PEERS[options.name](options.url, options.users)

    uvloop.run(work())
    return 0


if __name__ == "__main__":
    sys.exit(main())
