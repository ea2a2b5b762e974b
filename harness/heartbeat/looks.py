"""What probes say of a recovery: when the system first answered again, and since when it has without exception.

One good answer is not recovery, and a service that flaps gives many. So two
moments are recorded: that of the first answer, and the beginning of the first
stretch in which no probe failed for `hold_s` seconds. A probe that was not
sent, for the harness itself was late, counts for neither side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.stats.recovery import Recovery

# Breakers half open, backoffs and pool keepers all come round within a second; this is three of that. What fails
# more seldom shows in the load's own windows, ten of which must be good.
HOLD_S = 3.0
# A probe this much behind its time says something of the harness, not of the system.
LATE_S = 0.05


@dataclass(frozen=True, slots=True)
class Look:
    """One probe: when it was due, when its answer was there or was given up, and whether it was a good one."""

    due_s: float
    done_s: float
    ok: bool


@dataclass(frozen=True, slots=True)
class Returned:
    """How a system came back after one heal, in seconds since that.

    Their intervals go from when the last probe that failed was due to when the first good one was answered. `looks`
    of which `failed` were sent after the heal; `interrupted` is False where probes were sent from the injection on
    and none ever failed. `gap_s` is the longest time between two probes, `unseen_s` how long none was sent just
    before the lasting stretch.
    """

    first_success: Recovery
    lasting: Recovery
    looks: int
    failed: int
    interrupted: bool
    gap_s: float
    unseen_s: float


@dataclass(slots=True)
class _Stretch:
    """Probes in a row that all were good: since when, for how long they were sent, and what came before them."""

    since_s: float
    unseen_s: float
    looked_s: float = 0.0


class Return:
    """Receives the probes of one fault in the order in which they were due, and the heal between them."""

    def __init__(self, *, pace_s: float, hold_s: float = HOLD_S) -> None:
        self._pace_s = pace_s
        self._hold_s = hold_s
        self._healed_s = math.inf
        self._during = 0
        self._interrupted = False
        self._looks = 0
        self._failed = 0
        self._first_s = math.inf
        self._before_first_s = 0.0
        self._stretch: _Stretch | None = None
        self._last_bad_s = 0.0
        self._last_due_s = 0.0
        self._gap_s = 0.0
        self._lasting: _Stretch | None = None

    def heal(self, t_s: float) -> None:
        """Take `t_s` for the moment of the verified heal."""
        self._healed_s = t_s

    @property
    def lasts(self) -> bool:
        """Whether nothing more can be learned: an unbroken stretch was long enough."""
        return self._lasting is not None

    def see(self, look: Look) -> None:
        """Take one probe into account, unless all is known."""
        if look.due_s < self._healed_s:
            self._during += 1
            self._interrupted = self._interrupted or not look.ok
        elif not self.lasts:
            self._see_after(look.due_s - self._healed_s, look.done_s - self._healed_s, ok=look.ok)

    def _see_after(self, due_s: float, done_s: float, *, ok: bool) -> None:
        gap_s = due_s - self._last_due_s
        self._gap_s = max(self._gap_s, gap_s)
        self._looks, self._last_due_s = self._looks + 1, due_s
        if not ok:
            self._failed += 1
            self._last_bad_s, self._stretch = due_s, None
            return
        if done_s < self._first_s:
            # Not always the answer to the first question: one that hung is overtaken.
            self._first_s, self._before_first_s = done_s, self._last_bad_s
        if self._stretch is None:
            unseen_s = gap_s - self._pace_s
            self._stretch = _Stretch(done_s, unseen_s if unseen_s > LATE_S else 0.0)
        else:
            self._stretch.since_s = min(self._stretch.since_s, done_s)
            # Without a probe nothing shows that a stretch is unbroken.
            self._stretch.looked_s += min(gap_s, LATE_S)
        if self._stretch.looked_s >= self._hold_s:
            self._lasting = self._stretch

    def returned(self) -> Returned:
        """Return what is known now; what was not observed is right-censored."""
        observed_s, looked_for, lasting = self._last_due_s, self._during > 0, self._lasting
        never = lasting is not None and looked_for and not self._interrupted and not self._failed
        censored = Recovery(self._last_bad_s, None, observed_s)
        first = Recovery(self._before_first_s, self._first_s, observed_s) if self._first_s < math.inf else censored
        lasts = Recovery(self._last_bad_s, lasting.since_s, observed_s) if lasting else censored
        at_once = Recovery(0.0, 0.0, observed_s)
        return Returned(
            first_success=at_once if never else first,
            lasting=at_once if never else lasts,
            looks=self._looks,
            failed=self._failed,
            interrupted=not never,
            gap_s=self._gap_s,
            unseen_s=lasting.unseen_s if lasting and not never else 0.0,
        )


def returned(looks: Iterable[Look], *, healed_s: float, pace_s: float, hold_s: float = HOLD_S) -> Returned:
    """Return what probes, in the order in which they were due, say of the recovery from the heal at `healed_s`."""
    seen = Return(pace_s=pace_s, hold_s=hold_s)
    seen.heal(healed_s)
    for look in looks:
        seen.see(look)
    return seen.returned()
