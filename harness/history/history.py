"""The replies of a run, folded tick by tick into what its checks decide from, and then dropped.

Nothing here grows with the number of requests but bitmaps of their numbers
(one bit each at most), so a run of 48 h at 500 requests a second, 86 million,
keeps at the most some 60 MB where its samples would take 30 GB:

- acknowledged writes: two bitmaps (`harness.history.keys`), 11 MB for each fifth of the numbers;
- stale replies: a bitmap, and the last versions of at most 4096 keys, 25 MB (`harness.history.versions`);
- foreign, second and missing replies, sequences, cache hits: counts, and five examples each.

A check reports what it could not keep, and is INCONCLUSIVE where that matters.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.history.acknowledged import LEDGER_WRITES, AcknowledgedWrites
from harness.history.replies import CacheHits, ReplyKeys
from harness.history.sequences import Sequences
from harness.history.terminal import TerminalReplies
from harness.history.versions import StaleReplies
from harness.records import UNVERSIONED, Sample

_CACHE = frozenset({"cache_put", "cache_get"})


class History:
    """The folded history of one run: give it every sample once, in the order in which requests ended."""

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self.writes = AcknowledgedWrites()
        self.reply_keys = ReplyKeys()
        self.stale = StaleReplies()
        self.cache_hits = CacheHits()
        self.terminal = TerminalReplies()
        self.sequences = Sequences()
        self.see(samples)

    def see(self, samples: Iterable[Sample]) -> None:
        """Fold in the samples of one tick."""
        for sample in samples:
            if sample.marks:
                self.terminal.see(sample)
                self.sequences.see(sample)
            if not sample.key:
                continue
            self.reply_keys.see(sample)
            if sample.operation in LEDGER_WRITES:
                self.writes.see(sample)
            elif sample.wrote != UNVERSIONED or sample.read != UNVERSIONED:
                self.stale.see(sample)
            if sample.operation in _CACHE:
                self.cache_hits.see(sample)
