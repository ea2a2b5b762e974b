"""Which faults a prober watches: how often it must probe now, and what it records of each fault once that is known.

Faults arrive as the run's own events, so the room that injects them does not
know the prober. During a fault a probe at intervals shows whether it has an
effect at all; from its undo on every moment counts.
The next fault, the end of the load and a limit end what can be seen of an
aftermath: what has not come by then is recorded as not observed, never as a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.heartbeat.looks import HOLD_S, Look, Return
from harness.heartbeat.words import LOOKING, SEEN, Word, write_word

# Half of the resolution of a recovery: twice as exact would cost twice as much.
PACE_S = 0.02
# A fault lasts for seconds or more; to probe a system that hangs oftener would add to its load.
_DURING_S = 0.5
# Around a fault the journal keeps every tick for this long, and what lasts longer is recorded as that.
RECOVERY_LIMIT_S = 120.0
_LOAD_ENDS = frozenset({"drain", "settle", "final_read"})

Record = dict[str, object]


@dataclass(slots=True)
class _Aftermath:
    """One fault: what was observed of it, and since when it is healed (None: not yet)."""

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
    """Receives faults and probes, both with the run's seconds; returns what is to be recorded."""

    def __init__(self, *, hold_s: float = HOLD_S, limit_s: float = RECOVERY_LIMIT_S) -> None:
        self._hold_s = hold_s
        self._limit_s = limit_s
        self._open: dict[tuple[object, object], _Aftermath] = {}
        self._ending: list[_Aftermath] = []

    @property
    def pace_s(self) -> float | None:
        """Seconds from one probe to the next; None while there is nothing to watch."""
        watched = [*self._open.values(), *self._ending]
        if any(each.healing for each in watched):
            return PACE_S
        return _DURING_S if watched else None

    def hear(self, t_s: float, kind: str, detail: Mapping[str, object]) -> list[Record]:
        """Receive an event as the recorder notes it."""
        if kind == "phase" and detail.get("name") in _LOAD_ENDS:
            return self.end()
        if kind != "fault":
            return []
        key = (detail.get("fault"), detail.get("target"))
        match detail.get("step"):
            case "injected":
                recorded = self._end_all()
                self._open[key] = _Aftermath(str(key[0]), str(key[1]), Return(pace_s=PACE_S, hold_s=self._hold_s))
                return recorded
            case "healing" if key in self._open:
                self._open[key].healing = True
            case "not_healed":
                self._open.pop(key, None)
            case "healed" if key in self._open:
                return [self._heal(t_s, self._open.pop(key))]
        return []

    def see(self, look: Look) -> list[Record]:
        """Receive the end of a probe, in the order in which they were due."""
        recorded = []
        for each in [*self._open.values(), *self._ending]:
            each.back.see(look)
        for each in tuple(self._ending):
            if each.back.lasts or look.due_s - (each.healed_s or 0.0) >= self._limit_s:
                self._ending.remove(each)
                recorded.append(_seen(each))
        return recorded

    def leave_out(self, looks: int) -> None:
        """Count probes that were not sent, or that say nothing."""
        for each in self._ending:
            each.left_out += looks

    def end(self) -> list[Record]:
        """Stop watching: return what was observed until now, and forget all faults."""
        self._open.clear()
        return self._end_all()

    def _heal(self, t_s: float, aftermath: _Aftermath) -> Record:
        aftermath.healed_s = t_s
        aftermath.amid = tuple(other.name for other in self._open.values())
        aftermath.back.heal(t_s)
        self._ending.append(aftermath)
        return _record(aftermath, LOOKING) | {"amid": list(aftermath.amid)}

    def _end_all(self) -> list[Record]:
        recorded = [_seen(each) for each in self._ending]
        self._ending.clear()
        return recorded


def _record(aftermath: _Aftermath, step: str) -> Record:
    return {"step": step, "fault": aftermath.fault, "target": aftermath.target, "healed_s": aftermath.healed_s}


def _seen(aftermath: _Aftermath) -> Record:
    word = Word(aftermath.back.returned(), aftermath.amid, aftermath.left_out)
    return _record(aftermath, SEEN) | write_word(word)
