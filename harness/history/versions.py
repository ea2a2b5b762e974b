"""Is a reply stale? Each key is one register that clients write and read at once, and every reply must fit one order.

Promised is linearizability (Herlihy and Wing 1990): each write takes effect
once, at one moment between its sending and its acknowledgement (or, without
one, at any moment later, or never), and a read returns what the last of them
left. From this follow read-your-writes and reads that never go back, for a
session of any kind: a user, a worker, all arrivals together. It is what one
Redis gives, whose keys only the run writes meanwhile; values of earlier
runs are older than all of its own. A miss is no old value: a cache may forget.

Versions are unique, so what is provable needs no search (Gibbons and Korach
1997, "Testing Shared Memories", zones): an acknowledged write or a read of
version v within [sent, done] shows that v was current at a moment in there.
With e(v) the earliest `done` and s(v) the latest `sent`, v was current from
e(v) to s(v); two versions contradict each other if e(v) < s(w) and e(w) < s(v).
That reads an indeterminate write as what it is: an s, and no e.

Memory: of each of KEYS_MAX keys, least recently used first out, the WINDOW
last versions; of all older ones a bitmap (11 MB for each fifth of 86 million
calls) and, a key, the latest e and s: 25 MB at most beside it. What is dropped
can only make fewer replies provably stale.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from pyroaring import BitMap64

from harness.history.tally import Tally
from harness.records import UNVERSIONED, Outcome, Sample
from harness.verdict import Finding, Verdict

CHECK = "stale_replies"
KEYS_MAX = 4096
WINDOW = 16
# Whose, and which.
_Version = tuple[str, int]
_NOT_SENT = frozenset({Outcome.DROPPED, Outcome.REFUSED})


class _Zone:
    """When one version is known to have been current: from `since_s` (by then) to `until_s` (then still)."""

    __slots__ = ("since_s", "until_s")

    def __init__(self, since_s: float = math.inf, until_s: float = -math.inf) -> None:
        self.since_s = since_s
        self.until_s = until_s


class _Register:
    """One key: the zones of its last versions, and of all older ones together.

    `older` is of versions that are known to have been current: each by its `since_s`, one still at its `until_s`.
    """

    __slots__ = ("older", "zones")

    def __init__(self, older_since_s: float) -> None:
        self.zones: dict[_Version, _Zone] = {}
        self.older = _Zone(since_s=older_since_s)


class StaleReplies:
    """Writes and reads of versioned values, folded into zones. `apart_s` is how far apart clients' clocks may be."""

    def __init__(self, *, apart_s: float = 0.0, keys_max: int = KEYS_MAX, window: int = WINDOW) -> None:
        self.apart_s = apart_s
        self.judged = 0
        self.dropped = 0
        self.stale = Tally()
        self._keys_max = keys_max
        self._window = window
        self._registers: OrderedDict[str, _Register] = OrderedDict()
        # Versions that were known to be current and left their window.
        self._settled = BitMap64()
        # When the last of those was first known of whose key is not kept any more.
        self._forgotten_s = -math.inf
        self._writers: set[str] = set()

    def see(self, sample: Sample) -> None:
        """Fold in one request; of any order, but what ended long before the others may go unjudged."""
        if sample.wrote != UNVERSIONED and sample.outcome not in _NOT_SENT:
            self._writers.add(sample.writer)
            acknowledged_s = sample.done_s if sample.outcome is Outcome.OK else math.inf
            self._show(sample, sample.wrote, acknowledged_s)
        elif sample.read != UNVERSIONED and sample.outcome is Outcome.OK:
            self.judged += 1
            self._show(sample, sample.read, -math.inf if self._is_foreign(sample.writer) else sample.done_s)

    def _is_foreign(self, writer: str) -> bool:
        """Whether it is another run's, whose values were there before; not known before this one wrote."""
        return bool(self._writers) and writer not in self._writers

    def findings(self) -> list[Finding]:
        """Return one finding; INCONCLUSIVE without one judged read."""
        verdict = Verdict.FAIL if self.stale else Verdict.PASS if self.judged else Verdict.INCONCLUSIVE
        return [
            Finding.about(
                "stale replies",
                check=CHECK,
                verdict=verdict,
                where="replies",
                observed=f"{self.stale.count} of {self.judged} reads"
                if self.judged
                else "undecided (0 versioned reads)",
                allowed="0",
                notes=[str(self.stale), f"{self.dropped} keys dropped, judged less strictly" if self.dropped else ""],
                figures={
                    "observed": self.stale.count,
                    "allowed": 0,
                    "reads": self.judged,
                    "keys_dropped": self.dropped,
                },
            )
        ]

    def _show(self, sample: Sample, number: int, done_s: float) -> None:
        """Take a version for current at some moment from the sample's sending to `done_s`, unless that cannot be."""
        register, version = self._register(sample.key), (sample.writer, number)
        zone = register.zones.get(version)
        is_settled = sample.writer in self._writers and number in self._settled
        if zone is None:
            zone = _Zone(since_s=register.older.since_s if is_settled else math.inf)
        since_s, until_s = min(zone.since_s, done_s), max(zone.until_s, sample.sent_s)
        after_s = since_s + self.apart_s
        for other, seen in register.zones.items():
            # Written out, for most samples pass by all of them.
            if seen.until_s > after_s and seen.since_s + self.apart_s < until_s and other != version:
                self._note_stale(sample, version, f"version {other[1]}", seen)
                return
        older = register.older
        # A version that was settled once may be the very one that `older` knows of.
        if not is_settled and older.until_s > after_s and older.since_s + self.apart_s < until_s:
            self._note_stale(sample, version, "a later version", older)
            return
        zone.since_s, zone.until_s = since_s, until_s
        register.zones[version] = zone
        if len(register.zones) > self._window:
            self._retire(register, version)

    def _note_stale(self, sample: Sample, version: _Version, other: str, seen: _Zone) -> None:
        whose = f" of {version[0]}" if self._is_foreign(version[0]) else ""
        what = f"{sample.operation} of {sample.key} at {sample.done_s:.1f} s: version {version[1]}{whose}"
        self.stale.note(f"{what} beside {other}, current by {max(0.0, seen.since_s):.1f} s")

    def _register(self, key: str) -> _Register:
        register = self._registers.get(key)
        if register is not None:
            self._registers.move_to_end(key)
            return register
        if len(self._registers) >= self._keys_max:
            _, gone = self._registers.popitem(last=False)
            self.dropped += 1
            for version in list(gone.zones):
                self._settle(gone, version)
            self._forgotten_s = max(self._forgotten_s, gone.older.since_s)
        register = self._registers[key] = _Register(self._forgotten_s)
        return register

    def _retire(self, register: _Register, newest: _Version) -> None:
        """Drop the oldest version; one that may never have taken effect only if there is no other."""
        rest = [version for version in register.zones if version != newest]
        known = (version for version in rest if register.zones[version].since_s < math.inf)
        self._settle(register, next(known, rest[0]))

    def _settle(self, register: _Register, version: _Version) -> None:
        zone = register.zones.pop(version)
        if math.isfinite(zone.since_s) and version[0] in self._writers:
            self._settled.add(version[1])
            register.older.since_s = max(register.older.since_s, zone.since_s)
            register.older.until_s = max(register.older.until_s, zone.until_s)
