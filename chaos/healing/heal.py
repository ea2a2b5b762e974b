"""What runs left broken: found by their ledgers, put back, and seen to be whole.

The guardian, `nox -s heal` and the start of every run heal by these few lines,
so that what has been tried once has been tried everywhere.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.faults.packets import nftables as firewall
from chaos.healing.actions import ACTIONS
from chaos.healing.ledger import FILE_NAME, Entry, Past, Records, read_ledger
from chaos.healing.lock import turn
from chaos.undo import Actions, undo
from harness.errors import ChaosError, HealFailed
from harness.wait import comes_true

# What resists for longer than this is told and left: a server that restarts is back sooner.
INSIST_S = 8.0
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Healing:
    """What came of one: a line for everything put back, and one for everything that resists."""

    put_back: tuple[str, ...] = ()
    resisting: tuple[str, ...] = ()


@dataclass(slots=True)
class Attempt:
    """An entry, and what is amiss with it; None once it has been seen whole. `forced` is what that took, if force."""

    entry: Entry
    amiss: str | None = "not tried"
    forced: str = ""

    def make(self, actions: Actions) -> None:
        """Undo the entry."""
        try:
            for force in undo(self.entry.steps, actions):
                self.forced += f"; {force.how}"
            self.amiss = None
        except Exception as error:  # noqa: BLE001 - whatever one meets with, the others are still to be put back
            self.amiss = _explain(error)


def put_back(entries: Sequence[Entry], actions: Actions, *, limit_s: float = INSIST_S) -> list[Attempt]:
    """Undo entries, the last first, until nothing is amiss with any of them or `limit_s` seconds are over.

    What can be reached only once something else is undone comes in the next round; that an entry was undone counts
    only if nothing is amiss with it after all the others are.
    """
    attempts = [Attempt(entry) for entry in reversed(entries)]

    def all_are_whole() -> bool:
        for attempt in attempts:
            if attempt.amiss:
                attempt.make(actions)
        for attempt in attempts if len(attempts) > 1 else []:
            attempt.amiss = attempt.amiss or _look(attempt.entry, actions)
        return not any(attempt.amiss for attempt in attempts)

    comes_true(all_are_whole, limit_s=limit_s, poll_s=_PAUSE_S)
    return attempts


def heal(
    path: Path,
    entries: Sequence[Entry],
    actions: Actions,
    *,
    by: str,
    limit_s: float = INSIST_S,
    for_good: bool = True,
) -> Healing:
    """Put entries of a ledger back and write down there what came of it; the caller has the turn at the ledger.

    Not `for_good`, they stay open, to be put back again.
    """
    attempts = put_back(entries, actions, limit_s=limit_s)
    # What a full disk does not take will be put back once more, which is harmless.
    with contextlib.suppress(ChaosError), contextlib.closing(Records(path)) as records:
        for attempt in attempts:
            if attempt.amiss:
                records.tell("resists", name=attempt.entry.name, why=attempt.amiss, by=by, unix_s=time.time())
            elif for_good:
                records.shut(attempt.entry.name, by=by, unix_s=time.time())
    return Healing(
        tuple(f"{each.entry}: {_words(each.entry)}{each.forced}" for each in attempts if not each.amiss),
        tuple(f"{each.entry}: {each.amiss}" for each in attempts if each.amiss),
    )


def heal_left(path: Path, actions: Actions = ACTIONS, *, by: str, limit_s: float = INSIST_S) -> Healing:
    """Heal what a ledger has open if nobody is at it any more. Raises ChaosError when it cannot be read."""
    if not _left(read_ledger(path)):
        return Healing()
    with turn(path):
        # Again: a guardian may have been at it meanwhile.
        left = _left(read_ledger(path))
        return heal(path, left, actions, by=by, limit_s=limit_s) if left else Healing()


def describe_residue(runs: Path) -> list[str]:
    """Return a line for everything that runners that are gone left broken, oldest run first; nothing is changed.

    Raises ChaosError when a ledger cannot be read.
    """
    found = {path.parent.name: _left(read_ledger(path)) for path in sorted(runs.glob(f"*/{FILE_NAME}"))}
    return [f"{run}: {entry}: {_words(entry)}" for run, entries in found.items() for entry in entries]


def heal_all(runs: Path, actions: Actions = ACTIONS, *, by: str = "hand", limit_s: float = INSIST_S) -> Healing:
    """Heal what all runners that are gone left; one ledger that cannot be read keeps no other from it."""
    healed: list[str] = []
    resisting: list[str] = []
    for path in sorted(runs.glob(f"*/{FILE_NAME}")):
        try:
            healing = heal_left(path, actions, by=by, limit_s=limit_s)
        except ChaosError as error:
            resisting.append(str(error))
            continue
        healed += [f"{path.parent.name}: {line}" for line in healing.put_back]
        resisting += [f"{path.parent.name}: {line}" for line in healing.resisting]
    return Healing(tuple(healed), tuple(resisting))


def clear(runs: Path, actions: Actions = ACTIONS, *, limit_s: float = INSIST_S) -> list[str]:
    """Heal what earlier runs left and return a line for each thing put back. Raises HealFailed when one resists."""
    healing = heal_all(runs, actions, by="next run", limit_s=limit_s)
    if healing.resisting:
        remedy = f"see to it, then remove the run's {FILE_NAME}"
        raise HealFailed(f"left broken by an earlier run, and it resists ({remedy}): {'; '.join(healing.resisting)}")
    return list(healing.put_back)


def unknown_tables(runs: Path) -> list[str]:
    """Return a line for each table of packet filters of ours that no open entry here knows; nothing is changed.

    Its ledger is lost, or it is of a run elsewhere: which, only its owner can say. Raises ChaosError.
    """
    known: set[str] = set()
    for path in runs.glob(f"*/{FILE_NAME}"):
        # One that cannot be read knows of nothing.
        with contextlib.suppress(ChaosError):
            steps = [step for entry in read_ledger(path).open for step in entry.steps]
            known |= {str(step.args["table"]) for step in steps if "table" in step.args}
    return [line for line in firewall.residue() if not known.intersection(line.split())]


def _left(past: Past) -> tuple[Entry, ...]:
    """Return what is open of a ledger whose runner is gone."""
    return () if past.runner and past.runner.lives else past.open


def _look(entry: Entry, actions: Actions) -> str | None:
    """Return what is amiss with an entry that was undone a moment ago."""
    try:
        for step in entry.steps:
            if amiss := actions[step.action].amiss(step.args):
                return f"{step} was carried out, yet {amiss}"
    except Exception as error:  # noqa: BLE001 - as above
        return _explain(error)
    return None


def _words(entry: Entry) -> str:
    return "; ".join(str(step) for step in reversed(entry.steps)) or "nothing was to be put back"


def _explain(error: Exception) -> str:
    return str(error) if isinstance(error, ChaosError) else f"{type(error).__name__}: {error}"
