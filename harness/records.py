"""The frozen values that cross rooms: what a request did, what a probe saw, what happened when.

Times `*_s` are float seconds since the run's epoch (its journal's zero)
unless a name says otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from harness.identity import ProcessId

# A generator later than this at a tick's p95 shared its machine with something that slows the system down as well. On a
# machine of its own no tick of a soak is later than 5 ms; Windows' timers alone take 16 ms.
LATE_S = 0.03 if sys.platform == "win32" else 0.01


class Outcome(StrEnum):
    """How one request ended, the same words for every protocol.

    `REFUSED`: nothing of it was taken, for no connection came about. `RESET`: the
    connection ended before the whole reply; the work may have been done.
    `TIMED_OUT`: no whole reply within the deadline; indeterminate as well. `SHED`:
    the system said that it protects itself (HTTP 429 and 503, PostgreSQL's and
    Redis' "too many clients"). `BAD_STATUS`: any other error that the system
    answered. `WRONG_REPLY`: it said yes, and the reply is not one to what was
    asked. `DROPPED`: it was never sent, since no slot was free when it was due.
    `CANCELLED`: its caller gave it up in flight, as planned, before its deadline;
    indeterminate once more, and no fault of the system.
    """

    OK = "ok"
    REFUSED = "refused"
    RESET = "reset"
    TIMED_OUT = "timed_out"
    SHED = "shed"
    BAD_STATUS = "bad_status"
    WRONG_REPLY = "wrong_reply"
    DROPPED = "dropped"
    CANCELLED = "cancelled"


# How requests end by the load's own doing: the system has answered nothing, well or badly.
OWN_DOING = frozenset({Outcome.DROPPED, Outcome.CANCELLED})

# What comes by itself and in any number, such as messages to a subscriber: it is no answer to a request.
UNASKED = frozenset({"ws_delivery"})


class Mark(StrEnum):
    """What a request saw that its outcome does not tell.

    `SECOND_REPLY`: a reply to what was answered already, or to nothing that was asked.
    `NO_REPLY`: a question that a whole reply left without its own. The others are of a
    subscription's messages: `SILENT_GAP` are some that never came, without a word;
    `TOLD_GAP` some of which the system, or the connection's end, said so; `LOST_COUNT`
    the system saying that it cannot tell; `DUPLICATE` one that came again, `LATE` one
    that came after a later one.
    """

    SECOND_REPLY = "second_reply"
    NO_REPLY = "no_reply"
    SILENT_GAP = "silent_gap"
    TOLD_GAP = "told_gap"
    LOST_COUNT = "lost_count"
    DUPLICATE = "duplicate"
    LATE = "late"


# The version of what holds none.
UNVERSIONED = -1


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was due, when it left, when it ended, and how.

    A dropped arrival never left: its `sent_s` and `done_s` equal the time it was
    dropped. `connect_s` and `acquire_s` are the parts of the time since `sent_s`
    that went into opening a connection, and into waiting for one of the client's
    own pool. `key` is what the request was about and `answer` what the reply
    said it was about; both stay empty where no checker reads them. `error` is a
    short label of what went wrong. `wrote` is the version that the request put
    under its key, `read` the version that the reply held, and `writer` whose it was
    (of a write: the run's own). `marks` count what else was seen.
    """

    operation: str
    outcome: Outcome
    intended_s: float
    sent_s: float
    done_s: float
    key: str = ""
    answer: str = ""
    error: str = ""
    connect_s: float = 0.0
    acquire_s: float = 0.0
    user: int = -1
    wrote: int = UNVERSIONED
    read: int = UNVERSIONED
    writer: str = ""
    marks: tuple[tuple[Mark, int], ...] = ()

    @property
    def response_s(self) -> float:
        """Seconds from the intended send: what a user who could not wait would have felt."""
        return self.done_s - self.intended_s

    @property
    def service_s(self) -> float:
        """Seconds from the actual send, less connecting and acquiring: what the system took once asked."""
        return self.done_s - self.sent_s - self.connect_s - self.acquire_s

    @property
    def lag_s(self) -> float:
        """Seconds the generator itself was late."""
        return self.sent_s - self.intended_s


# The phase that begins when the system is warm, and in which whatever is planned is broken.
PHASE_OF_FAULTS = "faults"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at one moment: a phase begins, a fault is proved, a process restarts."""

    t_s: float
    kind: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessRef:
    """A process to measure."""

    service: str
    process: ProcessId


# The label by which every container of a run is known.
RUN_LABEL = "heavyweather.run"


@dataclass(frozen=True, slots=True)
class ContainerRef:
    """A container to measure; `engine` is the address of its Docker engine, empty for the environment's own."""

    service: str
    container_id: str
    engine: str = ""


@dataclass(frozen=True, slots=True)
class MetricsRef:
    """A service's Prometheus page at `url` (http or https), and the names of metrics to keep besides the known ones."""

    service: str
    url: str
    gauges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogRef:
    """The file that a service's log goes into; what a rotation makes of it is found beside it."""

    service: str
    path: Path


ServiceRef = ProcessRef | ContainerRef | MetricsRef | LogRef


# The kinds of fault that end the service that they are aimed at, and start it again.
ENDING = frozenset({"kill", "terminate", "restart"})


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """One fault as it was played; a time is None where that step never came.

    `injected_s` is when the change was asked for, `proved_s` when a canary saw
    its effect, `healing_s` when its undoing was asked for, `healed_s` when a
    canary saw the link whole again. `forced` says what the heal did beyond
    undoing the fault, which no plan asked for; empty when nothing.
    """

    fault: str
    target: str
    injected_s: float
    proved_s: float | None
    healing_s: float | None
    healed_s: float | None
    note: str = ""
    forced: str = ""

    @property
    def name(self) -> str:
        """How messages and charts call it."""
        return f"{self.fault} {self.target}"
