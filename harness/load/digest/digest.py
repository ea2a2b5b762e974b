"""What the load did since the last reading, as one value that adds up: over ticks, and over workers.

A thousand calls become a few counts and histograms at once, so that nothing
grows with the number of requests but the samples that a checker will read.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self, TypeVar

from harness.load.call import Call
from harness.load.digest.times import Times
from harness.records import OWN_DOING, UNASKED, Outcome, Sample

# Different texts of errors kept in a run; the rest are counted together, for a label may hold anything.
ERROR_LABELS_MAX = 100
OTHER_ERRORS = "other"

# The name under which an engine reports its own cost.
GENERATOR = "generator"
K = TypeVar("K")

KINDS = ("response", "service", "connect", "acquire")


class Tag(NamedTuple):
    """What one histogram is of; as text it names it in the interval log."""

    operation: str
    outcome: Outcome
    kind: str

    def __str__(self) -> str:
        return f"{self.operation}.{self.outcome}.{self.kind}"


class ErrorKey(NamedTuple):
    """What one kind of trouble is called."""

    operation: str
    outcome: Outcome
    error: str


class Health(NamedTuple):
    """What one generator cost, and how often garbage collection stopped it since the last reading.

    `cpu_s` is the CPU time its process has taken since it began and `rss_bytes` what
    it holds now; `gc_pause_s_max` is the longest of the `gc_pauses`, in seconds.
    """

    cpu_s: float
    rss_bytes: float
    gc_pauses: float
    gc_pause_s_max: float


class Clock(NamedTuple):
    """How a generator's clock stands to the run's: ahead by `offset_s` seconds, known to +- `uncertain_s`."""

    worker: str
    offset_s: float
    uncertain_s: float


@dataclass(frozen=True, slots=True)
class Digest:
    """Requests that ended.

    `counts` is by (operation, outcome) and includes dropped arrivals; `times` has a histogram for each tag, but none
    of dropped arrivals, which took no time, nor of cancelled calls, which took what their caller chose, and of
    connecting and acquiring only where there was any. `lags` are how late each generator was, by its name, with calls
    that had a moment. `samples` are those with a key or a mark, in the order in which they ended; `offered` counts
    arrivals since the last reading; `health` is each generator's, by its name.
    """

    counts: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    times: dict[Tag, Times] = field(default_factory=dict)
    lags: dict[str, Times] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    errors: Counter[ErrorKey] = field(default_factory=Counter)
    offered: int = 0
    health: dict[str, Health] = field(default_factory=dict)

    @classmethod
    def of(cls, calls: Iterable[Call], *, offered: int = 0, health: dict[str, Health] | None = None) -> Self:
        """Digest calls that ended."""
        groups: defaultdict[tuple[str, Outcome], list[Call]] = defaultdict(list)
        samples: list[Sample] = []
        errors: Counter[ErrorKey] = Counter()
        lags_ns: list[int] = []
        for call in calls:
            groups[call.operation, call.outcome].append(call)
            if call.paced:
                lags_ns.append(call.sent_ns - call.intended_ns)
            if call.key or call.marks:
                samples.append(call.sample())
            if call.error:
                errors[ErrorKey(call.operation, call.outcome, call.error)] += 1
        times = {
            Tag(operation, outcome, kind): Times.of_ns(durations_ns)
            for (operation, outcome), group in groups.items()
            if outcome not in OWN_DOING
            for kind, durations_ns in zip(KINDS, _durations_ns(group), strict=True)
            if durations_ns
        }
        counts = Counter({key: len(group) for key, group in groups.items()})
        lags = {GENERATOR: Times.of_ns(lags_ns)} if lags_ns else {}
        return cls(counts, times, lags, samples, capped(errors), offered, health or {})

    @classmethod
    def sum(cls, digests: Sequence[Digest]) -> Self:
        """Return what all of them saw together; samples stay in the order of the digests."""
        return cls(
            sum((digest.counts for digest in digests), Counter()),
            _sums(digest.times for digest in digests),
            _sums(digest.lags for digest in digests),
            [sample for digest in digests for sample in digest.samples],
            capped(sum((digest.errors for digest in digests), Counter())),
            sum(digest.offered for digest in digests),
            {name: health for digest in digests for name, health in digest.health.items()},
        )

    def of_generator(self, name: str) -> Digest:
        """Return the same as the work of a generator of that name."""
        lags = {name: Times.sum(self.lags.values())} if self.lags else {}
        return dataclasses.replace(self, lags=lags, health={name: self.health[GENERATOR]})

    def lag_s(self, quantile: float) -> float:
        """Return how late the worst generator was at a quantile, in seconds; NaN where none had a moment to keep."""
        return max((lag.quantile_s(quantile) for lag in self.lags.values()), default=math.nan)

    def response(self, operation: str | None = None) -> Times:
        """Return the response times of one operation, or of all that were asked for, with any outcome."""
        return Times.sum(
            times
            for tag, times in self.times.items()
            if tag.kind == "response" and (tag.operation == operation if operation else tag.operation not in UNASKED)
        )


def _sums(mappings: Iterable[Mapping[K, Times]]) -> dict[K, Times]:
    parts: defaultdict[K, list[Times]] = defaultdict(list)
    for mapping in mappings:
        for key, times in mapping.items():
            parts[key].append(times)
    return {key: Times.sum(some) for key, some in parts.items()}


def _durations_ns(calls: Sequence[Call]) -> tuple[list[int], ...]:
    """Return the durations of each of KINDS; empty where no call connected, or none waited."""
    response = [call.done_ns - call.intended_ns for call in calls]
    connect = [call.connect_ns for call in calls]
    acquire = [call.acquire_ns for call in calls]
    service = [
        call.done_ns - call.sent_ns - connecting - acquiring
        for call, connecting, acquiring in zip(calls, connect, acquire, strict=True)
    ]
    return response, service, [each for each in connect if each], [each for each in acquire if each]


def capped(errors: Counter[ErrorKey]) -> Counter[ErrorKey]:
    """Return the counts of at most ERROR_LABELS_MAX kinds of trouble, the commonest; the rest counted as `other`."""
    if len(errors) <= ERROR_LABELS_MAX:
        return errors
    kept = Counter(dict(errors.most_common(ERROR_LABELS_MAX)))
    for key, count in errors.items():
        if key not in kept:
            kept[key._replace(error=OTHER_ERRORS)] += count
    return kept
