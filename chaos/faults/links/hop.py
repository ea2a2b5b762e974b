"""What faults of one hop share: their claims, the steps that undo them, and what a canary must see before and after."""

from __future__ import annotations

from chaos.sight import Seen, Sight
from chaos.targets import Link
from chaos.undo import Step

# A canary may be quicker than the last one by this share of the delay and the fault still count as felt.
FELT = 0.8


# What a fault may have for itself of a hop. Faults of different parts may be there at once, and each be felt.
_PARTS = ("delay", "rate", "pieces", "close", "life", "packets")


def claims(hop: str, *parts: str) -> frozenset[str]:
    """Return the claims on parts of a hop, or on all of it where none is named: a dead link can show nothing else."""
    return frozenset(f"hop {hop} {part}" for part in parts or _PARTS)


def proxy_step(link: Link) -> Step:
    """Return what has a link's proxy listen again."""
    return Step("proxy.enable", link.place)


def toxic_step(link: Link, name: str) -> Step:
    """Return what takes a toxic off a link."""
    return Step("toxic.remove", {**link.place, "toxic": name})


def not_whole(before: Sight) -> str | None:
    """Return what was amiss with a link before its fault: beside that, nothing can be seen of the fault."""
    return None if before.seen is Seen.ANSWERED else f"the link was not whole before the fault: the canary was {before}"


def back_to_normal(before: Sight, now: Sight, *, slower_s: float) -> str | None:
    """Return None when a canary is answered, and less than `slower_s` later than before."""
    if now.seen is before.seen is Seen.ANSWERED and now.took_s - before.took_s < slower_s:
        return None
    return f"healed, but the canary was {now} against {before}"
