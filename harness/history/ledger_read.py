"""What the ledger held in the end, by the final read: keys, amounts, and effects that happened twice."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.history.keys import KeySet
from harness.history.tally import Tally


@dataclass(frozen=True, slots=True)
class Effects:
    """The rows of `effects`: how many there were, and the keys that had more than one."""

    total: int
    doubled: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class LedgerRead:
    """A run's entries. `changed` are those that hold another amount than was written under their key.

    `effects` is None where the database has no table of them.
    """

    keys: KeySet
    changed: Tally = field(default_factory=Tally)
    effects: Effects | None = None
