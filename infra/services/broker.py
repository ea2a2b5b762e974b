"""Channels over Redis: every message numbered, every loss told.

Redis forgets what it publishes while a subscriber is away. So each channel
counts its messages in Redis itself, numbering and publishing in one atomic
script, and after each subscription a mark is published that carries the count
reached: whatever a subscriber finds missing between two numbers becomes a
`gap` notice in its place in the stream, and nothing is lost in silence.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .backoff import Backoff
from .defects import Planted
from .redis_link import DEADLINE_S, ERRORS, RedisLink, connect
from .replies import Unavailable

CHANNELS_MOST = 10_000
# A silent connection is asked for a sign of life this often, and given as long again to answer.
_SILENCE_S = 1.0
# Always subscribed, so that the connection can be listened to before anyone wants a channel.
_CONTROL = b"channel-control"
_PREFIX = b"channel:"
_COUNT = b"channel-count:"
_MESSAGE = b"message"

# KEYS: the channel's count. ARGV: channel, an epoch for a new count, kind, data.
# The epoch tells a count that Redis lost from one that went on.
_SCRIPT = """
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[2])
local sequence
if ARGV[3] == 'message' then
    sequence = redis.call('HINCRBY', KEYS[1], 'sequence', 1)
else
    sequence = tonumber(redis.call('HGET', KEYS[1], 'sequence') or '0')
end
local epoch = redis.call('HGET', KEYS[1], 'epoch')
redis.call('PUBLISH', ARGV[1], ARGV[3] .. ' ' .. epoch .. ' ' .. string.format('%d', sequence) .. ' ' .. ARGV[4])
return sequence
"""

_log = logging.getLogger("services.broker")

Listener = Callable[[str], None]


@dataclass(slots=True)
class _Channel:
    """What this process knows of one channel; `users` also counts those still waiting to be subscribed."""

    name: str
    users: int = 0
    epoch: bytes | None = None
    sequence: int = 0
    known: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: set[Listener] = field(default_factory=set)

    def tell(self, text: str) -> None:
        for listener in list(self.listeners):
            listener(text)


class Broker:
    """One subscription to Redis for all sessions of this process. `run` it as a task."""

    def __init__(self, redis_url: str, link: RedisLink, backoff: Backoff, planted: Planted) -> None:
        self._client = connect(redis_url, most=2)
        self._link = link
        self._backoff = backoff
        self._planted = planted
        self._channels: dict[bytes, _Channel] = {}
        self._pubsub: Any = None

    async def publish(self, channel: str, data: str) -> int:
        """Publish JSON text and return its sequence number. Raises Unavailable."""
        return await self._link.call(lambda client: self._number(client, channel.encode(), "message", data))

    async def subscribe(self, name: str, listener: Listener) -> int:
        """Have `listener` told what follows on the channel; return the number reached so far. Raises Unavailable."""
        key = name.encode()
        channel = self._channels.get(key)
        if channel is None:
            if len(self._channels) >= CHANNELS_MOST:
                raise Unavailable("channels", f"{CHANNELS_MOST} are in use already")
            channel = self._channels[key] = _Channel(name)
            new = True
        else:
            new = False
        channel.users += 1
        try:
            async with asyncio.timeout(DEADLINE_S):
                if new and self._pubsub is not None:
                    await self._pubsub.subscribe(_PREFIX + key)
                await channel.known.wait()
        except BaseException as error:
            await self._leave(key, channel)
            if isinstance(error, ERRORS):
                raise Unavailable("redis", "cannot subscribe now") from error
            raise
        channel.listeners.add(listener)
        return channel.sequence

    async def unsubscribe(self, name: str, listener: Listener) -> None:
        """Tell `listener` no more."""
        channel = self._channels.get(name.encode())
        if channel is not None and listener in channel.listeners:
            channel.listeners.discard(listener)
            await self._leave(name.encode(), channel)

    async def _leave(self, key: bytes, channel: _Channel) -> None:
        channel.users -= 1
        if channel.users or self._channels.get(key) is not channel:
            return
        del self._channels[key]
        if self._pubsub is not None:
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await self._pubsub.unsubscribe(_PREFIX + key)
            except ERRORS:
                # The connection is broken; the next one will not subscribe to this channel.
                _log.debug("could not unsubscribe from %s", channel.name)

    async def run(self) -> None:
        """Listen for as long as the service lives, reconnecting with backoff."""
        while True:
            try:
                await self._listen()
            except ERRORS as error:
                _log.debug("subscription lost: %r", error)
            await asyncio.sleep(self._backoff.next_s())

    async def close(self) -> None:
        """Drop the connection."""
        await self._client.aclose(close_connection_pool=True)

    async def _listen(self) -> None:
        pubsub = self._client.pubsub()
        try:
            async with asyncio.timeout(DEADLINE_S):
                await pubsub.subscribe(_CONTROL, *(_PREFIX + key for key in self._channels))
            self._pubsub = pubsub
            asked = False
            while True:
                message = await pubsub.get_message(timeout=_SILENCE_S)
                if message is not None:
                    asked = False
                    await self._hear(message)
                elif asked:
                    raise TimeoutError
                else:
                    asked = True
                    async with asyncio.timeout(DEADLINE_S):
                        await pubsub.ping()
        finally:
            self._pubsub = None
            await pubsub.aclose()

    async def _hear(self, message: dict[str, Any]) -> None:
        key = bytes(message["channel"] or b"").removeprefix(_PREFIX)
        if message["type"] == "subscribe":
            if message["channel"] == _CONTROL:
                self._backoff.reset()
            elif key in self._channels:
                async with asyncio.timeout(DEADLINE_S):
                    await self._number(self._client, key, "mark", "")
        elif message["type"] == "message" and key in self._channels:
            _deliver(self._channels[key], message["data"], self._copies(message["data"]))

    def _copies(self, payload: bytes) -> int:
        """Return how often a message goes out: once, but for what is planted."""
        if not payload.startswith(_MESSAGE):
            return 1
        if self._planted.strikes("skipped_message"):
            return 0
        return 2 if self._planted.strikes("doubled_message") else 1

    async def _number(self, client: Any, key: bytes, kind: str, data: str) -> int:
        # One for each question: a count that begins anew must not bear the name of one that this process began before.
        epoch = uuid.uuid4().hex
        return int(await client.eval(_SCRIPT, 1, _COUNT + key, _PREFIX + key, epoch, kind, data))


def _deliver(channel: _Channel, payload: bytes, copies: int = 1) -> None:
    """Pass on one numbered message or mark, after a notice of whatever is missing before it."""
    kind, epoch, number, data = payload.split(b" ", 3)
    sequence = int(number)
    is_message = kind == _MESSAGE
    # The number that should have been the last one heard before this.
    before = sequence - 1 if is_message else sequence
    if channel.epoch is not None and (epoch, before) != (channel.epoch, channel.sequence):
        channel.tell(_gap(channel, before if epoch == channel.epoch else None))
    channel.epoch, channel.sequence = epoch, sequence
    for _ in range(copies if is_message else 0):
        name = json.dumps(channel.name)
        channel.tell(f'{{"type":"message","channel":{name},"sequence":{sequence},"data":{data.decode()}}}')
    channel.known.set()


def _gap(channel: _Channel, last: int | None) -> str:
    """Say which numbers were missed, `first` to `last`; nulls when Redis lost the count and nobody can tell."""
    first = channel.sequence + 1
    if last is None or last < first:
        missed: dict[str, int | None] = {"first": None, "last": None, "missed": None}
    else:
        missed = {"first": first, "last": last, "missed": last - first + 1}
    return json.dumps({"type": "gap", "channel": channel.name, **missed}, separators=(",", ":"))
