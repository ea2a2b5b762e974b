"""Faults of a service as a whole: it is killed, asked to stop, paused, or restarted.

The proof is the state of the process or container itself, and never what a
client makes of it. What ends a service ends all else that could be
observed of it, so such faults claim all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from chaos.faults.fault import Aimed
from chaos.faults.ranges import Within
from chaos.faults.registered import Declared, Needs, register
from chaos.observed import Observed, State
from chaos.targets import Service, Targets
from chaos.undo import Step
from harness.tables import Duration

_NEEDS = Needs("service that was started", "service")
# What a fault may claim of a service.
_PARTS = ("life", "cpu", "memory")
# How a service that runs is observed; one that has just begun need not answer yet.
_ALIVE = frozenset({State.RUNNING, State.HUNG})
# As long as Docker gives by default, and so do most who supervise services.
_GRACE_S = 10.0
# The conductor does nothing else while it waits for a service to stop.
_GRACE = Within(0, 60, "s")


def claims(service: str, *parts: str) -> frozenset[str]:
    """Return the claims on parts of a service, or on all of it where none is named."""
    return frozenset(f"service {service} {part}" for part in parts or _PARTS)


@dataclass(frozen=True, slots=True)
class OnService(Declared):
    """A fault of one service; `parts` are what it claims of it, all of it where none is named."""

    parts: ClassVar[tuple[str, ...]] = ()

    @property
    def claims(self) -> frozenset[str]:
        """Its parts of the service."""
        return claims(self.target, *self.parts)


@register("kill", on="service", needs=_NEEDS)
@dataclass(frozen=True, slots=True)
class KillFault(OnService):
    """Ends every process of it at once (SIGKILL); the heal starts it again."""

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its service. Raises Unsupported."""
        return _AimedKill(targets.service(self.kind, self.target))


@register("terminate", on="service", needs=_NEEDS, example={"grace_s": 2.0})
@dataclass(frozen=True, slots=True)
class TerminateFault(OnService):
    """Asks it to stop in its own way (SIGTERM), and kills it when it does not; the heal starts it again."""

    grace_s: Annotated[Duration, _GRACE] = _GRACE_S
    """How long it has to stop."""

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its service. Raises Unsupported."""
        return _AimedTerminate(targets.service(self.kind, self.target), self.grace_s)


@register("pause", on="service", needs=_NEEDS)
@dataclass(frozen=True, slots=True)
class PauseFault(OnService):
    """Stops it where it is, its connections open and its memory kept (SIGSTOP, or a frozen container)."""

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its service. Raises Unsupported."""
        return _AimedPause(targets.service(self.kind, self.target))


@register("restart", on="service", needs=_NEEDS, example={"grace_s": 2.0})
@dataclass(frozen=True, slots=True)
class RestartFault(OnService):
    """Stops it as `terminate` does and starts it again at once; the heal waits until it answers."""

    grace_s: Annotated[Duration, _GRACE] = _GRACE_S
    """How long it has to stop."""

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

    def observe(self) -> Observed:
        return self._service.observe()

    def missing(self, before: Observed, now: Observed) -> str | None:
        return _not_whole(before) or (None if now.state is State.GONE else f"ended, but it was {now}")

    def remaining(self, before: Observed, now: Observed) -> str | None:
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

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for another process, or the same container restarted; whether it answers is for the heal."""
        if error := _not_whole(before):
            return error
        if now.state in _ALIVE and now.amount != before.amount:
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

    def observe(self) -> Observed:
        return self._service.observe()

    def missing(self, before: Observed, now: Observed) -> str | None:
        return _not_whole(before) or (None if now.state is State.STOPPED else f"paused, but it was {now}")

    def remaining(self, before: Observed, now: Observed) -> str | None:
        return _not_back(before, now, another=False)


def _not_whole(before: Observed) -> str | None:
    if before.state is State.RUNNING:
        return None
    return f"the service was not whole before the fault: it was {before}"


def _not_back(before: Observed, now: Observed, *, another: bool) -> str | None:
    """Return None when it runs and answers, as another one than before or the same."""
    if now.state is State.RUNNING and (now.amount != before.amount) is another:
        return None
    return f"not restored: {now}, before the fault {before}"
