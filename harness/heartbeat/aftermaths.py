"""Whose aftermath a canary watches: how often it must look now, and what is told of each fault once that is known.

The faults are heard of by the run's own notes, so whoever breaks things need
not know of the canary. While a fault is there a look now and then tells
whether it is felt at all; from when it is being undone every moment counts.
The next fault, the end of the load and a limit end what can be seen of an
aftermath: what has not come by then is told as not seen, never as a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.heartbeat.looks import HOLD_S, Look, Return
from harness.heartbeat.words import LOOKING, SEEN, Word, write_word

# Half of what a recovery is told to be by: twice as exact would cost twice as much.
PACE_S = 0.02
# A fault lasts for seconds or more; to ask a system that hangs oftener would add to what it suffers.
_DURING_S = 0.5
# Around a fault the journal keeps every tick for this long, and what lasts longer is told as that.
RECOVERY_LIMIT_S = 120.0
_LOAD_ENDS = frozenset({"drain", "settle", "final_read"})

Told = dict[str, object]


@dataclass(slots=True)
class _Aftermath:
    """One fault: what was seen of it, and since when it is whole again (None: not yet)."""

    fault: str
    target: str
    back: Return
    healing: bool = False
    healed_s: float | None = None
    amid: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def name(self) -> str:
        return f"{self.fault} {self.target}"


class Aftermaths:
    """Hears of faults and sees looks, both with the run's seconds; returns what is to be told, one at a time each."""

    def __init__(self, *, hold_s: float = HOLD_S, limit_s: float = RECOVERY_LIMIT_S) -> None:
        self._hold_s = hold_s
        self._limit_s = limit_s
        self._open: dict[tuple[object, object], _Aftermath] = {}
        self._ending: list[_Aftermath] = []

    @property
    def pace_s(self) -> float | None:
        """Seconds from one look to the next; None while there is nothing to look at."""
        watched = [*self._open.values(), *self._ending]
        if any(each.healing for each in watched):
            return PACE_S
        return _DURING_S if watched else None

    def hear(self, t_s: float, kind: str, detail: Mapping[str, object]) -> list[Told]:
        """Hear of an event as the recorder notes it."""
        if kind == "phase" and detail.get("name") in _LOAD_ENDS:
            return self.end()
        if kind != "fault":
            return []
        key = (detail.get("fault"), detail.get("target"))
        match detail.get("step"):
            case "injected":
                told = self._end_all()
                self._open[key] = _Aftermath(str(key[0]), str(key[1]), Return(pace_s=PACE_S, hold_s=self._hold_s))
                return told
            case "healing" if key in self._open:
                self._open[key].healing = True
            case "not_healed":
                self._open.pop(key, None)
            case "healed" if key in self._open:
                return [self._heal(t_s, self._open.pop(key))]
        return []

    def see(self, look: Look) -> list[Told]:
        """See the end of a look, in the order in which they were due."""
        told = []
        for each in [*self._open.values(), *self._ending]:
            each.back.see(look)
        for each in tuple(self._ending):
            if each.back.lasts or look.due_s - (each.healed_s or 0.0) >= self._limit_s:
                self._ending.remove(each)
                told.append(_seen(each))
        return told

    def leave_out(self, looks: int) -> None:
        """Hear that some looks were not taken, or say nothing."""
        for each in self._ending:
            each.left_out += looks

    def end(self) -> list[Told]:
        """Look no more: return what was seen until now, and forget all faults."""
        self._open.clear()
        return self._end_all()

    def _heal(self, t_s: float, aftermath: _Aftermath) -> Told:
        aftermath.healed_s = t_s
        aftermath.amid = tuple(other.name for other in self._open.values())
        aftermath.back.heal(t_s)
        self._ending.append(aftermath)
        return _told(aftermath, LOOKING) | {"amid": list(aftermath.amid)}

    def _end_all(self) -> list[Told]:
        told = [_seen(each) for each in self._ending]
        self._ending.clear()
        return told


def _told(aftermath: _Aftermath, step: str) -> Told:
    return {"step": step, "fault": aftermath.fault, "target": aftermath.target, "healed_s": aftermath.healed_s}


def _seen(aftermath: _Aftermath) -> Told:
    word = Word(aftermath.back.returned(), aftermath.amid, aftermath.left_out)
    return _told(aftermath, SEEN) | write_word(word)
