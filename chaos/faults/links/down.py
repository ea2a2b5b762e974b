"""`down`: closes a hop's listener and every connection through it; it drops no packet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.faults.fault import Aimed
from chaos.faults.links.hop import ON_HOP, OnHop, back_to_normal, not_whole, proxy_step
from chaos.faults.registered import register
from chaos.observed import Observed, State
from chaos.targets import Link, Targets
from chaos.undo import Step


@register("down", on="hop", needs=ON_HOP)
@dataclass(frozen=True, slots=True)
class DownFault(OnHop):
    """Closes the listener and every connection, and refuses new ones; drops no packet."""

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedDown(targets.link(self.kind, self.target))


class _AimedDown:
    def __init__(self, link: Link) -> None:
        self._link = link

    def undo(self) -> Sequence[Step]:
        return [proxy_step(self._link)]

    def inject(self) -> None:
        self._link.set_enabled(False)

    def observe(self) -> Observed:
        return self._link.observe()

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for a refusal; a port forwarder in front of the proxy turns that into a close or a reset."""
        if error := not_whole(before):
            return error
        if now.state in {State.REFUSED, State.CLOSED, State.RESET}:
            return None
        return f"closed the listener, but the canary was {now} against {before}"

    def remaining(self, before: Observed, now: Observed) -> str | None:
        return back_to_normal(before, now, slower_s=float("inf"))
