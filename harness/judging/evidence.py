"""What a run left behind, and when it was disturbed, and when it recovered.

Faults are meant to hurt, so most checks judge only the time that no fault and
no recovery touches.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.heartbeat.words import Word, read_words
from harness.history.history import History
from harness.history.ledger_read import LedgerRead
from harness.judging.resources import BEFORE_S, WAITING, held, is_waiting, resources_back
from harness.judging.series import Floats, RunSeries
from harness.load.digest.digest import ErrorKey
from harness.records import LATE_S, PHASE_OF_FAULTS, Event, FaultWindow, Outcome
from harness.stats.recovery import Band, Parts, Recovery, ReplyWindow, healthy_band, recovery, settled
from harness.verdict import Finding


@dataclass(frozen=True)
class Evidence:
    """What a run left behind.

    `history` is the replies of the run, folded; `faults` are those of the
    `planned_faults` that were injected; `warm_s` is when warm-up ended, `load_end_s`
    when arrivals did; `services` are those that should have been measured; `found`
    is what the final read found, None without one; `errors` are the kinds of
    errors that requests met, with their counts; `trouble` are findings that the
    run itself made, such as steady state not reached.
    """

    series: RunSeries
    events: Sequence[Event]
    history: History
    faults: Sequence[FaultWindow]
    planned_faults: int
    operations: Collection[str]
    services: Collection[str]
    found: LedgerRead | None
    warm_s: float
    load_end_s: float
    seed: int
    errors: Mapping[ErrorKey, int] = field(default_factory=dict)
    trouble: Sequence[Finding] = field(default_factory=tuple)

    @cached_property
    def recoveries(self) -> Mapping[FaultWindow, Recovery]:
        """Each healed fault's recovery as it is judged; empty when there is no baseline to recover to."""
        return {fault: parts.whole for fault, parts in self.parts.items()}

    @cached_property
    def parts(self) -> Mapping[FaultWindow, Parts]:
        """Each healed fault's recovery in parts; empty when there is no baseline to recover to."""
        band = self.band
        if band is None:
            return {}
        result = {}
        for fault in self.faults:
            if fault.healed_s is None:
                continue
            # While another fault holds on, nothing can recover: the clock starts when the last of them is healed.
            begins_s, healed_s = self._disturbances[fault]
            # The next fault ends what can be observed of this one's recovery, and so does the death of the harness.
            later = [f.injected_s for f in self.faults if f.injected_s > healed_s]
            later += [from_s for from_s, _ in self.gaps if from_s > healed_s]
            ends_s = min(later, default=self.load_end_s)
            latency = recovery([w for w in self._windows if w.end_s <= ends_s], band, healed_at_s=healed_s)
            resources = resources_back(self.series, self._before(begins_s), healed_s=healed_s, ends_s=ends_s)
            word = self.words.get(fault)
            result[fault] = (
                Parts(latency=latency, resources=resources)
                if word is None
                else Parts(
                    latency=latency,
                    first_success=word.returned.first_success,
                    lasting=word.returned.lasting,
                    resources=resources,
                    interrupted=word.returned.interrupted,
                    amid=word.amid,
                    unseen_s=word.returned.unseen_s,
                )
            )
        return result

    @cached_property
    def words(self) -> Mapping[FaultWindow, Word]:
        """What the canary observed of each healed fault, none for one that it did not probe."""
        return read_words(self.events, self.faults)

    def _before(self, begins_s: float) -> NDArray[np.bool_]:
        """Return the ticks, shape (n,), of the last minute before a disturbance, in none before it.

        If there are none, those before the first.
        """
        since_s = max(self.warm_s, begins_s - BEFORE_S)
        others = [
            span for span in {*self._disturbances.values(), *self.gaps} if since_s < span[1] and span[0] < begins_s
        ]
        before = self.series.outside(others, since_s=since_s, until_s=begins_s)
        first_s = min((f.injected_s for f in self.faults), default=begins_s)
        return before if before.any() else self.series.outside([], since_s=self.warm_s, until_s=first_s)

    @cached_property
    def band(self) -> Band | None:
        """What was healthy before the first fault; None without a measurement of that."""
        first_s = min((f.injected_s for f in self.faults), default=self.load_end_s)
        try:
            return healthy_band([w for w in self._windows if w.begin_s >= self.warm_s and w.end_s <= first_s])
        except ValueError:
            return None

    @cached_property
    def _windows(self) -> list[ReplyWindow]:
        """Return the client windows but those in which the generator was late: they are neither good nor bad.

        A window is settled when no more callers wait for a pool's connection than before the faults.
        """
        t_s = self.series.t_s
        first_s = min((f.injected_s for f in self.faults), default=self.load_end_s)
        calm = np.ones(len(t_s), dtype=np.bool_)
        for name, gauge in self.series.gauges.items():
            if is_waiting(name):
                waiting = held(gauge.high)
                calm &= settled(waiting, (t_s > self.warm_s) & (t_s <= first_s), slack=WAITING) | np.isnan(waiting)
        every = zip(self.series.windows(), calm, self.late, strict=True)
        return [dataclasses.replace(w, settled=bool(back)) for w, back, late in every if not late]

    @cached_property
    def _disturbances(self) -> Mapping[FaultWindow, tuple[float, float]]:
        """From when to when there was each fault or one that overlaps it, one through another."""
        spans: dict[FaultWindow, tuple[float, float]] = {}
        together: list[FaultWindow] = []
        ends_s = -math.inf
        for fault in sorted(self.faults, key=lambda f: f.injected_s):
            if fault.injected_s > ends_s:
                together = []
            together.append(fault)
            ends_s = max(ends_s, self.load_end_s if fault.healed_s is None else fault.healed_s)
            spans |= dict.fromkeys(together, (together[0].injected_s, ends_s))
        return spans

    @cached_property
    def gaps(self) -> Sequence[tuple[float, float]]:
        """From when to when nothing was measured, for the run had been killed: until it was warm again."""
        spans = []
        for event in self.events:
            if event.kind == "gap":
                from_s, to_s = float(str(event.detail["from_s"])), float(str(event.detail["to_s"]))
                warm = [e.t_s for e in self.events if e.t_s > to_s and e.detail.get("name") == PHASE_OF_FAULTS]
                spans.append((from_s, min(warm, default=self.load_end_s)))
        return spans

    @property
    def control(self) -> tuple[float, float] | None:
        """From when to when the services were measured without load; None where they were not."""
        return self._phase("control")

    @property
    def settle(self) -> tuple[float, float] | None:
        """From when to when what the load had opened could be closed; None where the run did not come to it."""
        return self._phase("settle")

    @property
    def warm_up_s(self) -> float:
        """How long the services were given to warm up; a restarted one needs as long again."""
        phase = self._phase("warm_up")
        return phase[1] - phase[0] if phase else 0.0

    @property
    def grace_s(self) -> float:
        """How long after the last request the system could release what it held."""
        return self.settle[1] - self.load_end_s if self.settle else 0.0

    def _phase(self, name: str) -> tuple[float, float] | None:
        """Return when the last phase of that name began and ended."""
        phases = [(event.t_s, event.detail.get("name")) for event in self.events if event.kind == "phase"]
        last_s = float(self.series.t_s[-1]) if len(self.series.t_s) else 0.0
        ends_s = [*(t_s for t_s, _ in phases[1:]), last_s][: len(phases)]
        spans = [(t_s, end_s) for (t_s, called), end_s in zip(phases, ends_s, strict=True) if called == name]
        return spans[-1] if spans else None

    def restarts_s(self, service: str) -> Sequence[float]:
        """Return when a service's figures restarted: another process took its place, or the run was resumed."""
        again = [e.t_s for e in self.events if e.kind == "service_restarted" and e.detail.get("service") == service]
        return sorted([*again, *(to_s for _, to_s in self.gaps)])

    @cached_property
    def requests(self) -> Floats:
        """How many requests had ended by the end of each tick, shape (n,)."""
        return np.cumsum(self.series.sent())

    @cached_property
    def totals(self) -> Counter[tuple[str, Outcome]]:
        """All requests of the run by (operation, outcome)."""
        return Counter({(op, Outcome(o)): int(n.sum()) for (op, o), n in self.series.outcomes.items()})

    @cached_property
    def late(self) -> NDArray[np.bool_]:
        """The ticks, shape (n,), in which the generator was late; what they show is not caused by the system."""
        return np.nan_to_num(self.series.lag_s) > LATE_S

    def left_out_s(self, from_s: float, to_s: float) -> float:
        """Return how many seconds between two moments lie in ticks that no check judges."""
        begins_s, ends_s = np.concatenate([[0.0], self.series.t_s])[:-1], self.series.t_s
        within_s = np.minimum(ends_s, to_s) - np.maximum(begins_s, from_s)
        return float(np.clip(within_s, 0, None)[self.late].sum())

    def machine_busy(self, from_s: float, to_s: float) -> float:
        """Return the mean share of all cores that was busy between two moments, 0 where not measured."""
        within = (self.series.t_s > from_s) & (self.series.t_s <= to_s)
        seen = self.series.machine[within] if len(self.series.machine) else self.series.machine
        seen = seen[np.isfinite(seen)]
        return float(seen.mean()) if len(seen) else 0.0

    @cached_property
    def calm(self) -> NDArray[np.bool_]:
        """The ticks of `quiet`, shape (n,), in which the generator was not late either."""
        return self.quiet & ~self.late

    @cached_property
    def quiet(self) -> NDArray[np.bool_]:
        """The ticks, shape (n,), after warm-up that no fault and no aftermath of one touches."""
        spans = list(self.gaps)
        for fault in self.faults:
            after = self.recoveries.get(fault)
            if fault.healed_s is None or after is None:
                spans.append((fault.injected_s, self.load_end_s))
            else:
                lasting_s = after.observed_s if after.recovery_s is None else after.recovery_s
                spans.append((fault.injected_s, self._disturbances[fault][1] + lasting_s))
        return self.series.outside(spans, since_s=self.warm_s, until_s=self.load_end_s)
