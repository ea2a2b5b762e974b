"""Faults of a service as a whole: it is killed, asked to stop, stopped where it stands, or restarted.

The proof is the state of the process or container itself, and never what a
client makes of it. Whatever ends a service ends all else that could be seen of
it, so such faults have it to themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.faults.fault import Aimed, check_target
from chaos.sight import Seen, Sight
from chaos.targets import Service, Targets
from chaos.undo import Step

# What there is of a service that a fault may have for itself.
_PARTS = ("life", "cpu", "memory")
# What a service that runs is seen as; one that has just begun need not answer yet.
_ALIVE = frozenset({Seen.RUNNING, Seen.HUNG})
# As long as Docker gives by default, and so do most who supervise services.
_GRACE_S = 10.0
# The conductor does nothing else while it waits for a service to stop.
_GRACE_MAX_S = 60.0


def claims(service: str, *parts: str) -> frozenset[str]:
    """Return the claims on parts of a service, or on all of it where none is named."""
    return frozenset(f"service {service} {part}" for part in parts or _PARTS)


@dataclass(frozen=True, slots=True)
class _OnService:
    """What all of them are: something done to a service, which they have to themselves."""

    target: str

    def __post_init__(self) -> None:
        """Raise ValueError without a service."""
        check_target(self.target)

    @property
    def claims(self) -> frozenset[str]:
        """All of the service."""
        return claims(self.target)

    def describe(self) -> Mapping[str, object]:
        """Return nothing: it has no parameter."""
        return {}


@dataclass(frozen=True, slots=True)
class _WithGrace(_OnService):
    """One that asks first, and waits `grace_s` for the service to stop."""

    grace_s: float = _GRACE_S

    def __post_init__(self) -> None:
        """Raise ValueError without a service, or for a grace that cannot be."""
        # By its name: a class with slots is made anew, and `super` would look for the former.
        _OnService.__post_init__(self)
        _check_grace(self.grace_s)

    def describe(self) -> Mapping[str, object]:
        """Return the grace."""
        return {"grace_s": self.grace_s}


@dataclass(frozen=True, slots=True)
class KillFault(_OnService):
    """Ends the service at once (SIGKILL, to every process of it); it is started again at the heal."""

    kind: ClassVar[str] = "kill"

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its service. Raises Unsupported."""
        return _AimedKill(targets.service(self.kind, self.target))


@dataclass(frozen=True, slots=True)
class TerminateFault(_WithGrace):
    """Asks the service to stop in its own way, and kills it after `grace_s`; it is started again at the heal."""

    kind: ClassVar[str] = "terminate"

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its service. Raises Unsupported."""
        return _AimedTerminate(targets.service(self.kind, self.target), self.grace_s)


@dataclass(frozen=True, slots=True)
class PauseFault(_OnService):
    """Stops the service where it stands, its connections open and its memory kept (SIGSTOP, or a frozen container)."""

    kind: ClassVar[str] = "pause"

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its service. Raises Unsupported."""
        return _AimedPause(targets.service(self.kind, self.target))


@dataclass(frozen=True, slots=True)
class RestartFault(_WithGrace):
    """Stops the service as `TerminateFault` does and starts it again at once; the heal sees that it answers."""

    kind: ClassVar[str] = "restart"

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its service. Raises Unsupported."""
        return _AimedRestart(targets.service(self.kind, self.target), self.grace_s)


class _AimedKill:
    def __init__(self, service: Service) -> None:
        self._service = service

    def undo(self) -> Sequence[Step]:
        return [self._service.start_step()]

    def inject(self) -> None:
        self._service.kill()

    def look(self) -> Sight:
        return self._service.look()

    def missing(self, before: Sight, now: Sight) -> str | None:
        return _not_whole(before) or (None if now.seen is Seen.GONE else f"ended, but it was {now}")

    def remaining(self, before: Sight, now: Sight) -> str | None:
        return _not_back(before, now, another=True)


class _AimedTerminate(_AimedKill):
    def __init__(self, service: Service, grace_s: float) -> None:
        super().__init__(service)
        self._grace_s = grace_s

    def inject(self) -> None:
        self._service.terminate(self._grace_s)


class _AimedRestart(_AimedTerminate):
    def inject(self) -> None:
        super().inject()
        self._service.start()

    def missing(self, before: Sight, now: Sight) -> str | None:
        """Ask for another process, or the same container begun anew; whether it answers yet is the heal's to see."""
        if doubt := _not_whole(before):
            return doubt
        if now.seen in _ALIVE and now.amount != before.amount:
            return None
        return f"restarted, but it was {now} against {before}"


class _AimedPause:
    def __init__(self, service: Service) -> None:
        self._service = service
        # Of the process that it is now: should it be another at the heal, that one was never stopped.
        self._steps = (service.resume_step(),)

    def undo(self) -> Sequence[Step]:
        return self._steps

    def inject(self) -> None:
        self._service.pause()

    def look(self) -> Sight:
        return self._service.look()

    def missing(self, before: Sight, now: Sight) -> str | None:
        return _not_whole(before) or (None if now.seen is Seen.STOPPED else f"paused, but it was {now}")

    def remaining(self, before: Sight, now: Sight) -> str | None:
        return _not_back(before, now, another=False)


def _not_whole(before: Sight) -> str | None:
    if before.seen is Seen.RUNNING:
        return None
    return f"the service was not whole before the fault: it was {before}"


def _not_back(before: Sight, now: Sight, *, another: bool) -> str | None:
    """Return None when it runs and answers, as another one than before or the same."""
    if now.seen is Seen.RUNNING and (now.amount != before.amount) is another:
        return None
    return f"healed, but it was {now} against {before}"


def _check_grace(grace_s: float) -> None:
    if not (0 <= grace_s <= _GRACE_MAX_S and math.isfinite(grace_s)):
        raise ValueError(f"grace_s = {grace_s!r}: must be from 0 to {_GRACE_MAX_S:.0f} s")
