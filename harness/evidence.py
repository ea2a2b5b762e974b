"""What a run left behind, and when it was disturbed, and when it recovered.

Faults are meant to hurt, so most checks look only at the time that no fault
and no aftermath touches.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.load.digest import ErrorKey
from harness.records import Event, FaultWindow, Sample
from harness.series import RunSeries
from harness.stats.recovery import Recovery, healthy_band, recovery
from harness.verdict import Finding

# A generator later than this at a tick's p95 shared its machine with something that slows the system down as well. On a
# machine of its own no tick of a soak is later than 5 ms; Windows' timers alone take 16 ms.
LATE_S = 0.03 if sys.platform == "win32" else 0.01


@dataclass(frozen=True)
class Evidence:
    """What a run left behind.

    `faults` are those of the `planned_faults` that were played; `warm_s` is when
    warm-up ended, `load_end_s` when arrivals did; `services` are those that should
    have been measured; `found` are the ledger keys of
    the final read, None if it never came; `errors` are the kinds of trouble that
    requests met, with their counts; `trouble` are findings that the run itself
    made, such as steady state not reached.
    """

    series: RunSeries
    events: Sequence[Event]
    history: Sequence[Sample]
    faults: Sequence[FaultWindow]
    planned_faults: int
    operations: Collection[str]
    services: Collection[str]
    found: Collection[str] | None
    warm_s: float
    load_end_s: float
    seed: int
    errors: Mapping[ErrorKey, int] = field(default_factory=dict)
    trouble: Sequence[Finding] = field(default_factory=tuple)

    @cached_property
    def recoveries(self) -> Mapping[FaultWindow, Recovery]:
        """Each healed fault's recovery; empty when there is no baseline to recover to."""
        healed = [f for f in self.faults if f.healed_s is not None]
        if not healed:
            return {}
        first_s = min(f.injected_s for f in self.faults)
        # A window in which the generator was late is neither good nor bad.
        windows = [w for w, late in zip(self.series.windows(), self.late, strict=True) if not late]
        try:
            band = healthy_band([w for w in windows if w.begin_s >= self.warm_s and w.end_s <= first_s])
        except ValueError:
            return {}
        result = {}
        for fault in healed:
            # While another fault holds on, nothing can recover: the clock starts when the last of them is healed.
            healed_at_s = self._all_healed_s(fault)
            # The next fault ends what can be seen of this one's recovery.
            later = [f.injected_s for f in self.faults if f.injected_s > healed_at_s]
            ends_s = min(later, default=self.load_end_s)
            result[fault] = recovery([w for w in windows if w.end_s <= ends_s], band, healed_at_s=healed_at_s)
        return result

    def _all_healed_s(self, fault: FaultWindow) -> float:
        """Return when `fault` and all that overlap it, one through another, were healed."""
        spans = [(f.injected_s, self.load_end_s if f.healed_s is None else f.healed_s) for f in self.faults]
        begins_s, ends_s = fault.injected_s, fault.healed_s or fault.injected_s
        # Backwards finds all that reach into it from before, then forwards all that go on from there.
        for span in [*sorted(spans, reverse=True), *sorted(spans)]:
            if span[0] <= ends_s and begins_s <= span[1]:
                begins_s, ends_s = min(begins_s, span[0]), max(ends_s, span[1])
        return ends_s

    @property
    def late(self) -> NDArray[np.bool_]:
        """The ticks, shape (n,), in which the generator was late; what they show is not the system's doing."""
        return np.nan_to_num(self.series.lag_s) > LATE_S

    def left_out_s(self, from_s: float, to_s: float) -> float:
        """Return how many seconds between two moments lie in ticks that no check looks at."""
        begins_s, ends_s = np.concatenate([[0.0], self.series.t_s])[:-1], self.series.t_s
        within_s = np.minimum(ends_s, to_s) - np.maximum(begins_s, from_s)
        return float(np.clip(within_s, 0, None)[self.late].sum())

    @property
    def calm(self) -> NDArray[np.bool_]:
        """The ticks of `quiet`, shape (n,), in which the generator was not late either."""
        return self.quiet & ~self.late

    @property
    def quiet(self) -> NDArray[np.bool_]:
        """The ticks, shape (n,), after warm-up that no fault and no aftermath of one touches."""
        spans = []
        for fault in self.faults:
            after = self.recoveries.get(fault)
            if fault.healed_s is None or after is None:
                spans.append((fault.injected_s, self.load_end_s))
            else:
                lasting_s = after.observed_s if after.recovery_s is None else after.recovery_s
                spans.append((fault.injected_s, self._all_healed_s(fault) + lasting_s))
        return self.series.outside(spans, since_s=self.warm_s, until_s=self.load_end_s)
