"""What runs left broken: found by their ledgers, undone, and observed to be whole.

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
from chaos.healing.ledger import FILE_NAME, LedgerState, Records, UndoEntry, read_ledger
from chaos.healing.lock import ledger_lock
from chaos.undo import Actions, undo
from harness.errors import ChaosError, HealFailed
from harness.wait import comes_true

# What could not be undone by then is reported and left: a server that restarts is back sooner.
INSIST_S = 8.0
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Healing:
    """What came of one: a line for each thing undone, and one for each that could not be."""

    put_back: tuple[str, ...] = ()
    resisting: tuple[str, ...] = ()


@dataclass(slots=True)
class Attempt:
    """An entry, and its error; None once it was observed whole. `forced` is what that took, if force."""

    entry: UndoEntry
    error: str | None = "not tried"
    forced: str = ""

    def make(self, actions: Actions) -> None:
        """Undo the entry."""
        try:
            for force in undo(self.entry.steps, actions):
                self.forced += f"; {force.how}"
            self.error = None
        except Exception as error:  # noqa: BLE001 - after any error of one, the others are still to be undone
            self.error = _explain(error)


def put_back(entries: Sequence[UndoEntry], actions: Actions, *, limit_s: float = INSIST_S) -> list[Attempt]:
    """Undo entries, the last first, until none of them has an error or `limit_s` seconds are over.

    What can be reached only once something else is undone comes in the next round; that an entry was undone counts
    only if it has no error after all the others are.
    """
    attempts = [Attempt(entry) for entry in reversed(entries)]

    def all_are_whole() -> bool:
        for attempt in attempts:
            if attempt.error:
                attempt.make(actions)
        for attempt in attempts if len(attempts) > 1 else []:
            attempt.error = attempt.error or _look(attempt.entry, actions)
        return not any(attempt.error for attempt in attempts)

    comes_true(all_are_whole, limit_s=limit_s, poll_s=_PAUSE_S)
    return attempts


def heal(
    path: Path,
    entries: Sequence[UndoEntry],
    actions: Actions,
    *,
    by: str,
    limit_s: float = INSIST_S,
    for_good: bool = True,
) -> Healing:
    """Undo entries of a ledger and write down there what came of it; the caller holds the ledger's lock.

    Not `for_good`, they stay open, to be undone again.
    """
    attempts = put_back(entries, actions, limit_s=limit_s)
    # What a full disk does not take will be undone once more, which is harmless.
    with contextlib.suppress(ChaosError), contextlib.closing(Records(path)) as records:
        for attempt in attempts:
            if attempt.error:
                records.tell("resists", name=attempt.entry.name, why=attempt.error, by=by, unix_s=time.time())
            elif for_good:
                records.shut(attempt.entry.name, by=by, unix_s=time.time())
    return Healing(
        tuple(f"{each.entry}: {_words(each.entry)}{each.forced}" for each in attempts if not each.error),
        tuple(f"{each.entry}: {each.error}" for each in attempts if each.error),
    )


def heal_left(path: Path, actions: Actions = ACTIONS, *, by: str, limit_s: float = INSIST_S) -> Healing:
    """Heal what a ledger has open if its runner is gone. Raises ChaosError when it cannot be read."""
    if not _left(read_ledger(path)):
        return Healing()
    with ledger_lock(path):
        # Again: a guardian may have healed it meanwhile.
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
    """Heal what earlier runs left and return a line for each thing undone. Raises HealFailed when one could not be."""
    healing = heal_all(runs, actions, by="next run", limit_s=limit_s)
    if healing.resisting:
        rest = "; ".join(healing.resisting)
        raise HealFailed(f"not undone after an earlier run (repair it, then remove the run's {FILE_NAME}): {rest}")
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


def _left(past: LedgerState) -> tuple[UndoEntry, ...]:
    """Return what is open of a ledger whose runner is gone."""
    return () if past.runner and past.runner.lives else past.open


def _look(entry: UndoEntry, actions: Actions) -> str | None:
    """Return the error of an entry that was undone a moment ago, or None."""
    try:
        for step in entry.steps:
            if remains := actions[step.action].remaining(step.args):
                return f"{step} was carried out, yet {remains}"
    except Exception as error:  # noqa: BLE001 - as above
        return _explain(error)
    return None


def _words(entry: UndoEntry) -> str:
    return "; ".join(str(step) for step in reversed(entry.steps)) or "nothing was to be undone"


def _explain(error: Exception) -> str:
    return str(error) if isinstance(error, ChaosError) else f"{type(error).__name__}: {error}"
