"""What one subscriber hears over all its connections: each message, gap and duplicate recorded and counted.

A delivery is timed from when its publisher meant to send it, if the message
has it in `sent_unix_ns`: the wall clock is the one that publisher and
subscriber share. Between machines their clocks' difference is part of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from harness.load.call import Call
from harness.load.engine.session import Desk
from harness.load.websocket.sequence import Heard, Sequence, Totals, gap_label, resume
from harness.records import Mark, Outcome

OPERATION = "ws_delivery"


class Inbox:
    """Receives for one user of one channel; the sequence of each connection is handed in."""

    __slots__ = ("_channel", "_desk", "_totals", "_user")

    def __init__(self, desk: Desk[object], channel: str, *, user: int, totals: Totals) -> None:
        self._desk = desk
        self._channel = channel
        self._user = user
        self._totals = totals

    def resume(self, last: int | None, reached: int) -> Sequence:
        """Return the sequence of a connection subscribed at `reached`, and record what was missed since `last`."""
        sequence, missed = resume(last, reached)
        self.miss(missed)
        return sequence

    def miss(self, missed: int | None, mark: Mark = Mark.TOLD_GAP) -> None:
        """Record messages that never came, if there are any; None where their number is unknown."""
        if missed is None:
            self._totals.recounts += 1
            self._complain(gap_label(missed), Mark.LOST_COUNT)
        elif missed:
            self._totals.gaps += missed
            self._complain(gap_label(missed), mark, missed)

    def repeat(self) -> None:
        """Record a reply to what was answered already, or to nothing that was asked."""
        self._complain("second reply", Mark.SECOND_REPLY)

    def take(self, document: dict[str, Any], sequence: Sequence | None) -> None:
        """Take a message of one connection; it has no sequence before it is subscribed."""
        kind = document.get("type")
        if kind == "heartbeat":
            return
        if kind not in {"message", "gap"} or sequence is None:
            self._complain("unexpected message")
        elif document.get("channel") != self._channel:
            self._complain("other channel")
        elif kind == "message":
            self._take_message(document, sequence)
        else:
            self._take_gap(document.get("last"), sequence)

    def _take_message(self, document: dict[str, Any], sequence: Sequence) -> None:
        number = number_in(document)
        if number is None:
            self._complain("no sequence")
            return
        heard, missed = sequence.take(number)
        self.miss(missed, Mark.SILENT_GAP)
        if heard is Heard.DUPLICATE:
            self._totals.duplicates += 1
            self._complain("duplicate", Mark.DUPLICATE)
        elif heard is Heard.LATE:
            self._totals.late += 1
            self._complain("late", Mark.LATE)
        elif heard is Heard.FRESH:
            self._totals.delivered += 1
            call = self._desk.begin(OPERATION, user=self._user)
            _antedate(call, document.get("data"))
            self._desk.end(call, Outcome.OK)

    def _take_gap(self, last: object, sequence: Sequence) -> None:
        if isinstance(last, int):
            self.miss(sequence.skip(last))
        elif sequence.forget():
            self.miss(None)

    def _complain(self, label: str, mark: Mark | None = None, count: int = 1) -> None:
        call = self._desk.begin(OPERATION, user=self._user)
        if mark is not None:
            call.mark(mark, count)
        self._desk.end(call, call.fail(Outcome.WRONG_REPLY, label))


def number_in(document: Mapping[str, Any]) -> int | None:
    """Return a message's or reply's sequence number; None where it has none."""
    number = document.get("sequence")
    return number if type(number) is int else None


def _antedate(call: Call, data: object) -> None:
    """Begin a delivery when its message was meant to leave: not in the future, and not before the run."""
    sent_unix_ns = data.get("sent_unix_ns") if isinstance(data, dict) else None
    if type(sent_unix_ns) is int:
        age_ns = max(0, time.time_ns() - sent_unix_ns)
        call.intended_ns = call.sent_ns = max(0, call.sent_ns - age_ns)
