"""What a client of one link sees right now: one question, one answer, no retry.

A fault counts only once a canary has observed it, and a heal only once a canary
has not. The question is of the service's own protocol, because a proxy
accepts a connection with nothing behind it. Some faults take effect only on
much data, by a connection that was there before, or as a connection ends.
"""

from __future__ import annotations

import errno
import math
import selectors
import socket
import time
import weakref
from dataclasses import dataclass

from chaos.canary.questions import END, FIRST, LATER, MOST_ANSWERS, MOST_BYTES, SMALL, Question, large, requests
from chaos.direction import Stream
from chaos.observed import Observed, State
from harness.errors import ChaosError

# Shortages of this machine, not of the link: they must prove no fault.
_OURS = frozenset({errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_READ_BYTES = 64 * 1024
# An answer to a small question is never as long; one that does not end is none.
_SMALL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Canary:
    """Asks over one address; `protocol` is one of http, postgres, redis, and `limit_s` bounds each look.

    `large_path` is where an HTTP service answers with the most, without a login: the more, the higher the rates that
    can be distinguished from the service's own.
    """

    host: str
    port: int
    protocol: str
    limit_s: float = 2.0
    large_path: str = "/health"

    def observe(self) -> Observed:
        """Ask once over a fresh connection. Raises ChaosError when this machine could not even ask."""
        began_s = time.perf_counter()
        seen = self._ask(began_s + self.limit_s)
        return Observed(seen, time.perf_counter() - began_s)

    def stand(self) -> Standing | Observed:
        """Return a connection that was used once and stays, or how it ended. Raises ChaosError as `observe`."""
        began_s = time.perf_counter()
        ends_s = began_s + self.limit_s
        link = None
        try:
            link = self._connect()
            link.sendall(FIRST[self.protocol])
            if _read_answer(link, END[self.protocol], ends_s):
                return Standing(link, LATER[self.protocol])
            seen = State.CLOSED
        except OSError as error:
            seen = self._ending(error)
        if link:
            link.close()
        return Observed(seen, time.perf_counter() - began_s)

    def end(self) -> Observed:
        """End a connection that was used once, and return how long its other end took to come.

        A proxy passes no half of an end on: it ends the way there, and with it the way back.
        Raises ChaosError as `observe`.
        """
        standing = self.stand()
        if isinstance(standing, Observed):
            return standing
        began_s = time.perf_counter()
        seen = standing.end(self.limit_s)
        took_s = time.perf_counter() - began_s
        # Any end will do; only its time matters.
        return Observed(State.HUNG if seen is State.HUNG else State.ANSWERED, took_s, f"ended: {seen}")

    def carry(self, stream: Stream, size_bytes: int) -> Carried:
        """Ask a large question, after a small one whose time is taken off. Raises ChaosError as `observe`."""
        small = self.observe()
        if small.state is not State.ANSWERED:
            return Carried(small.state)
        if self.protocol != "http" or stream == "upstream":
            return self._exchange(large(self.protocol, stream, size_bytes), small.took_s)
        one = self._exchange(requests(1, self.large_path))
        if one.state is not State.ANSWERED:
            return one
        number = min(math.ceil(size_bytes / _answer_bytes(one)), MOST_ANSWERS)
        return self._exchange(requests(number, self.large_path), small.took_s)

    def most_bytes(self, stream: Stream) -> int:
        """Return the most that one large question carries in a direction. Raises ChaosError without an answer."""
        most_bytes = MOST_BYTES[self.protocol][stream]
        if self.protocol != "http" or stream == "upstream":
            return most_bytes
        one = self._exchange(requests(1, self.large_path))
        if one.state is not State.ANSWERED:
            raise ChaosError(f"{self.host}:{self.port}{self.large_path} does not answer: {one.state}")
        return min(most_bytes, MOST_ANSWERS * _answer_bytes(one))

    def _exchange(self, question: Question, small_s: float = 0.0) -> Carried:
        exchange = _Exchange(question)
        try:
            with self._connect() as link:
                exchange.run(link, self.limit_s)
        except OSError as error:
            exchange.state = self._ending(error)
        return exchange.result(small_s)

    def _ask(self, ends_s: float) -> State:
        try:
            with self._connect() as link:
                link.sendall(SMALL[self.protocol])
                link.settimeout(max(0.001, ends_s - time.perf_counter()))
                return State.ANSWERED if link.recv(1) else State.CLOSED
        except OSError as error:
            return self._ending(error)

    def _connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=self.limit_s)

    def _ending(self, error: OSError) -> State:
        """Return how a link ended that raised. Raises ChaosError when it was this machine that could not ask."""
        if isinstance(error, ConnectionRefusedError):
            return State.REFUSED
        if isinstance(error, TimeoutError):
            return State.HUNG
        if error.errno in _OURS or isinstance(error, socket.gaierror):
            raise ChaosError(f"the canary to {self.host}:{self.port} could not ask: {error}") from error
        return State.RESET


class Standing:
    """A connection that was there before a fault, served once; closed when it is given up at the latest."""

    def __init__(self, link: socket.socket, later: bytes) -> None:
        self._link = link
        self._later: bytes | None = later
        self._seen: State | None = None
        self.close = weakref.finalize(self, link.close)

    def ask(self) -> None:
        """Ask a question, once: its answer, or what comes in its place, is what `fate` then waits for."""
        question, self._later = self._later, None
        if question and self._seen is None:
            try:
                self._link.sendall(question)
            except OSError as error:
                self._seen = State.HUNG if isinstance(error, TimeoutError) else State.RESET

    def fate(self, limit_s: float) -> State:
        """Return what comes within `limit_s`: an answer, an end, a reset; hung when nothing does. Kept once it came."""
        if self._seen is None:
            try:
                self._link.settimeout(max(0.001, limit_s))
                self._seen = State.ANSWERED if self._link.recv(_READ_BYTES) else State.CLOSED
            except TimeoutError:
                return State.HUNG
            except OSError:
                self._seen = State.RESET
        return self._seen

    def end(self, limit_s: float) -> State:
        """End our half, and return how the other half ended within `limit_s`; then it is closed."""
        try:
            self._link.shutdown(socket.SHUT_WR)
        except OSError:
            self._seen = State.RESET
        seen = self.fate(limit_s)
        self.close()
        return seen


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a large question: how it ended, the seconds more than a small one's, bytes, pieces that came."""

    state: State
    took_s: float = 0.0
    sent_bytes: int = 0
    came_bytes: int = 0
    pieces: int = 0
    in_turn: bool = False


class _Exchange:
    """Sends a question and reads until the end at once: neither side may wait for the other to read."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._unsent = memoryview(question.ask)
        self._answer = bytearray()
        self._pieces = 0
        self._last_s = 0.0
        self.state = State.HUNG

    def run(self, link: socket.socket, limit_s: float) -> None:
        began_s = time.perf_counter()
        link.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(link, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while (left_s := began_s + limit_s - time.perf_counter()) > 0:
                events = sum(event for _, event in selector.select(left_s))
                # Read first: a service that has ended resets what is sent to it.
                if events & selectors.EVENT_READ:
                    if not (piece := link.recv(_READ_BYTES)):
                        self.state = State.CLOSED
                        return
                    self._answer += piece
                    self._pieces += 1
                    self._last_s = time.perf_counter() - began_s
                elif events & selectors.EVENT_WRITE:
                    self._unsent = self._unsent[link.send(self._unsent[:_READ_BYTES]) :]
                    if not self._unsent:
                        selector.modify(link, selectors.EVENT_READ)

    def result(self, small_s: float) -> Carried:
        # However its connection ended, an answer that is whole is one.
        seen = State.ANSWERED if self._question.whole(bytes(self._answer)) else self.state
        return Carried(
            seen,
            max(0.0, self._last_s - small_s),
            len(self._question.ask) - len(self._unsent),
            len(self._answer),
            self._pieces,
            self._question.in_turn,
        )


def _answer_bytes(last: Carried) -> int:
    """Return the size of every HTTP answer but the last, which says of itself that it is."""
    return max(1, last.came_bytes - len("connection: close\r\n"))


def _read_answer(link: socket.socket, end: bytes, ends_s: float) -> bool:
    """Read to the end of one small answer, and no further; False when the stream ends before. Raises OSError."""
    answer = b""
    while not (answer and answer.endswith(end)) and len(answer) < _SMALL_BYTES:
        link.settimeout(max(0.001, ends_s - time.perf_counter()))
        piece = link.recv(_READ_BYTES)
        if not piece:
            return False
        answer += piece
    return True
