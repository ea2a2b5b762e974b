"""The planted defects: named bugs, all off by default, that prove the suite can fail.

A harness never seen failing proves nothing, so each bug below is one that a
suite must find. `python -m services.defects` lists them, one a line:
`NAME[:DEFAULT]`, a tab, what it does; with texts `NAME[:NUMBER]` it says
instead what is wrong with them, and exits 2 then.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType

# A defect that needs more than this a request would end the process, not test it.
_MOST = 2**30


@dataclass(frozen=True, slots=True)
class Defect:
    """One planted bug; `default` is its number when none is given, None when it takes none."""

    name: str
    default: int | None
    harm: str

    @property
    def text(self) -> str:
        """How it is asked for, its default spelt out."""
        return self.name if self.default is None else f"{self.name}:{self.default}"


DEFECTS: Mapping[str, Defect] = MappingProxyType(
    {
        defect.name: defect
        for defect in (
            Defect("leak_memory", 8192, "keeps this many bytes of every HTTP request (not of probes')"),
            Defect("leak_fd", 50, "keeps a file descriptor open at every Nth HTTP request"),
            Defect("leak_connection", 500, "never gives a pool connection back at every Nth ledger call"),
            Defect("breaker_stuck_open", None, "a breaker once open never lets a probe through"),
            Defect(
                "flapping_recovery",
                4,
                "once ready again after an outage, answers one probe, then refuses for N seconds",
            ),
            Defect("no_jitter", None, "backs off without jitter, so that a herd stays a herd"),
            Defect("lost_write", 50, "acknowledges every Nth new ledger entry, then rolls it back"),
            Defect("foreign_reply", 50, "answers every Nth cache read with another key's document"),
            Defect("stale_reply", 50, "answers every Nth cache read with an older document of that key"),
            Defect("double_reply", 20, "answers a call of every Nth JSON-RPC batch, or ends every Nth stream, twice"),
            Defect("skipped_message", 50, "never delivers every Nth message of the channels, and does not say so"),
            Defect("doubled_message", 50, "delivers every Nth message of the channels twice"),
            Defect("orphan_session", 2, "counts every Nth WebSocket session as open, and subscribed, after its end"),
            Defect("double_effect", 50, "applies the effect of every Nth new ledger entry twice"),
            Defect("full_cache", 16384, "fills a cache of this many KiB and keeps it full, which is no leak"),
        )
    }
)


def parse_defects(text: str) -> Mapping[str, int]:
    """Return the defects named in `NAME[:NUMBER],...`, each with its number (0 where it takes none).

    Raises ValueError with one line that lists the names.
    """
    chosen: dict[str, int] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, colon, number = item.partition(":")
        if name not in DEFECTS:
            raise ValueError(f"no defect {name!r}; one of {', '.join(DEFECTS)}")
        if name in chosen:
            raise ValueError(f"{name} is given twice")
        chosen[name] = _number(DEFECTS[name], number if colon else None)
    return MappingProxyType(chosen)


def _number(defect: Defect, text: str | None) -> int:
    if defect.default is None:
        if text is not None:
            raise ValueError(f"{defect.name} takes no number, not {text!r}")
        return 0
    if text is None:
        return defect.default
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= _MOST):
        raise ValueError(f"{defect.name} takes a whole number from 1 to {_MOST}, not {text!r}")
    return int(text)


class Planted:
    """The defects of one process, each counting its own chances to strike."""

    def __init__(self, chosen: Mapping[str, int]) -> None:
        self._chosen = dict(chosen)
        self._chances = {name: count(1) for name in chosen}

    def has(self, name: str) -> bool:
        """Return whether the defect is planted."""
        return name in self._chosen

    def number(self, name: str) -> int:
        """Return the defect's number, 0 when it is not planted."""
        return self._chosen.get(name, 0)

    def strikes(self, name: str) -> bool:
        """Count one chance; return True at every Nth, never when it is not planted."""
        every = self._chosen.get(name)
        return every is not None and next(self._chances[name]) % every == 0


def main(texts: Sequence[str]) -> int:
    """List the defects, or check those named; return the exit code."""
    if not texts:
        sys.stdout.writelines(f"{defect.text}\t{defect.harm}\n" for defect in DEFECTS.values())
        return 0
    try:
        parse_defects(",".join(texts))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
