"""One WebSocket connection in use: opened once, read until it ends, every question on it settled exactly once.

The owner of a `Link` runs it as one task, which opens, reads and closes; the
owner only sends. Replies find their questions by an id, so that a slow one
holds up no other.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from harness.load.call import Call, now_ns
from harness.load.websocket.opening import ERRORS, Address, label_of, open_websocket, outcome_of
from harness.records import Outcome

NEVER_NS = 2**63
# The last questions that were answered: a second reply to one of them follows soon, if at all.
_ANSWERED_MAX = 8
# Made once: `json.dumps` would make another encoder for every message.
_encode = json.JSONEncoder(separators=(",", ":")).encode

# Gets each message that is the reply to nothing.
Hear = Callable[[dict[str, Any]], None]
# How the caller gets the reply: the call, how it ended, and the reply (empty where none came).
Settle = Callable[[Call, Outcome, Mapping[str, Any]], None]


class Ask(NamedTuple):
    """A question on its way: the reply's type, when it is given up (`now_ns`), and who gets the reply."""

    call: Call
    expects: str
    due_ns: int
    settle: Settle


class Link:
    """One connection, and what was asked on it. `run` it as a task; all else is for the task that owns it.

    `hear` is given each message that is no reply; `repeat` is called for each reply
    to what was answered already, or never asked; `wake` is called when the
    connection stands and when it has ended. `ending` is then how: OK where
    its owner closed it, and otherwise an outcome with a label.
    """

    __slots__ = (
        "_answered",
        "_asked",
        "_asks",
        "_closing_s",
        "_hear",
        "_reading",
        "_repeat",
        "_socket",
        "_wake",
        "ending",
    )

    def __init__(self, hear: Hear, wake: Callable[[], None], repeat: Callable[[], None]) -> None:
        self._hear = hear
        self._wake = wake
        self._repeat = repeat
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Timeout | None = None
        self._closing_s: float | None = None
        self._asks: dict[int, Ask] = {}
        self._asked = 0
        self._answered: tuple[int, ...] = ()
        self.ending: tuple[Outcome, str] | None = None

    @property
    def stood(self) -> bool:
        """Whether the connection ever came about."""
        return self._socket is not None

    @property
    def due_ns(self) -> int:
        """When the next question must be given up."""
        return min((ask.due_ns for ask in self._asks.values()), default=NEVER_NS)

    async def run(self, address: Address, begin: Callable[[], Call], settle: Settle) -> None:
        """Open, as a call that `begin` returns; then read until the connection ends or is let go.

        Never raises for what the other side did.
        """
        call, began_ns = begin(), now_ns()
        try:
            try:
                self._socket = await open_websocket(address)
            except BaseException as error:
                call.connect_ns = now_ns() - began_ns
                ending = self._end(error)
                settle(call, call.fail(*ending), {})
                raise
            call.connect_ns = now_ns() - began_ns
            settle(call, Outcome.OK, {})
            self._wake()
            await self._read(self._socket)
        except ERRORS as error:
            self._end(error)
        except asyncio.CancelledError as error:
            self._end(error)
            raise
        finally:
            if self._socket is not None:
                self._socket.transport.abort()
                await self._socket.wait_closed()
            self._settle_rest()
            self._wake()

    async def ask(self, document: Mapping[str, Any], expects: str, call: Call, settle: Settle) -> int:
        """Send a question that is given up `call.deadline_s` from now, and return the id it went under."""
        self._asked += 1
        number = self._asked
        if self._socket is None or self._socket.state is not State.OPEN or self.ending or self._closing_s is not None:
            settle(call, call.fail(Outcome.REFUSED, "not connected"), {})
            self._hurry()
            return number
        self._asks[number] = Ask(call, expects, now_ns() + int(call.deadline_s * 1e9), settle)
        text = _encode({**document, "id": number})
        try:
            async with asyncio.timeout(call.deadline_s):
                await self._socket.send(text)
        except TimeoutError:
            self.give_up("not read")
        except asyncio.CancelledError:
            if self._asks.pop(number, None) is not None:
                settle(call, call.fail(Outcome.TIMED_OUT, "given up"), {})
            raise
        except ConnectionClosed:
            # The reader gets it too, and settles all that was asked.
            pass
        return number

    def forget(self, number: int) -> None:
        """Withdraw a question: its reply is not awaited any more."""
        self._asks.pop(number, None)

    def expire(self, now: int) -> set[str]:
        """Settle the questions that are due as TIMED_OUT, and return what replies they had expected."""
        due = [number for number, ask in self._asks.items() if ask.due_ns <= now]
        expired = [self._asks.pop(number) for number in due]
        for ask in expired:
            ask.settle(ask.call, ask.call.fail(Outcome.TIMED_OUT, f"no {ask.expects}"), {})
        return {ask.expects for ask in expired}

    def give_up(self, label: str, outcome: Outcome = Outcome.TIMED_OUT) -> None:
        """Drop the connection at once."""
        if self.ending is None:
            self.ending = outcome, label
        if self._socket is not None:
            self._socket.transport.abort()
        self._wake()

    def let_go(self, limit_s: float) -> None:
        """Close in order once all that was asked is answered, within `limit_s` seconds."""
        if self._closing_s is None:
            now_s = asyncio.get_running_loop().time()
            self._closing_s = now_s + limit_s
            if self._reading is not None:
                self._reading.reschedule(self._closing_s if self._asks else now_s)

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async with asyncio.timeout_at(self._closing_s) as self._reading:
                while self.ending is None and (self._closing_s is None or self._asks):
                    self._take(await socket.recv())
        except TimeoutError:
            # Let go: either nothing was left to wait for, or too little time.
            pass
        finally:
            self._reading = None
        if self.ending is None:
            self.ending = Outcome.OK, ""
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._closing_s):
                    await socket.close()

    def _hurry(self) -> None:
        """End a connection whose other side sent a close, and then left it open; the reader knows the code."""
        if self._socket is not None and self._closing_s is None:
            self._socket.transport.abort()

    def _take(self, text: str | bytes) -> None:
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            self.give_up("not a JSON object", Outcome.WRONG_REPLY)
        elif "id" in document:
            self._answer(document)
        else:
            self._hear(document)

    def _answer(self, reply: dict[str, Any]) -> None:
        number = reply["id"] if type(reply["id"]) is int else 0
        if number in self._answered or not 0 < number <= self._asked:
            self._repeat()
            return
        self._answered = (*self._answered, number)[-_ANSWERED_MAX:]
        ask = self._asks.pop(number, None)
        # A reply that comes after its deadline was counted when that passed.
        if ask is None:
            return
        if reply.get("type") == ask.expects:
            outcome = Outcome.OK
        elif reply.get("type") == "error":
            outcome = ask.call.fail(Outcome.BAD_STATUS, str(reply.get("error")))
        else:
            outcome = ask.call.fail(Outcome.WRONG_REPLY, f"no {ask.expects}")
        ask.settle(ask.call, outcome, reply)

    def _end(self, error: BaseException) -> tuple[Outcome, str]:
        if self.ending is None:
            if self._closing_s is not None and self._socket is not None:
                self.ending = Outcome.OK, ""
            elif isinstance(error, ERRORS):
                self.ending = outcome_of(error), label_of(error)
            else:
                self.ending = Outcome.TIMED_OUT, "given up"
        return self.ending

    def _settle_rest(self) -> None:
        """Settle what was never answered: it may have been done."""
        asks, self._asks = self._asks, {}
        outcome, label = self.ending or (Outcome.RESET, "")
        waited = outcome in {Outcome.OK, Outcome.TIMED_OUT}
        for ask in asks.values():
            how = (Outcome.TIMED_OUT, f"no {ask.expects}") if waited else (Outcome.RESET, label)
            ask.settle(ask.call, ask.call.fail(*how), {})
