"""Tries every mutant: `python -m tests.mutants [NAME ...]`.

Each is tried against the tests that mirror its file, and only what survives those against all others. The exit code
is 0 when every one of them is killed.
"""

from __future__ import annotations

import argparse
import queue
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from tests.mutants.catalogue import Index, Mutant, Place, mirror_of, nearest, read_mutants
from tests.mutants.trials import NEEDY, Copy, Ended, Fate, limit_s, try_rest

ROOT = Path(__file__).resolve().parents[2]
# The house's rules are about texts: what they say of a mutant proves nothing of the code.
_NOT_TRIED = ("tests/test_tidy.py", "tests/test_imports.py", "tests/mutants/")
_CONTROL_S = 1200.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trial:
    """A mutant, where it is, and the tests that mirror its file."""

    mutant: Mutant
    place: Place
    mirror: tuple[str, ...]


class Bench:
    """Copies of the tree, each lent to one thread at a time."""

    def __init__(self, folder: Path, paths: Sequence[PurePosixPath], jobs: int) -> None:
        self._all = [Copy(ROOT, paths, folder / str(number)) for number in range(jobs)]
        self._free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for copy in self._all:
            self._free.put(copy)

    def each(self, work: Callable[[Copy, T], None], things: Iterable[T]) -> None:
        """Do `work(copy, thing)` for each thing, as many at once as there are copies."""

        def lent(thing: T) -> None:
            copy = self._free.get()
            try:
                work(copy, thing)
            finally:
                self._free.put(copy)

        with ThreadPoolExecutor(len(self._all)) as pool:
            begun = [pool.submit(lent, thing) for thing in things]
            try:
                for done in begun:
                    done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for copy in self._all:
                    copy.stop()
                raise


class Session:
    """One run of the command: `fates` are what became of the mutants so far, by name."""

    def __init__(self, bench: Bench, tests: Sequence[PurePosixPath], *, heavy: bool) -> None:
        self._bench = bench
        self._tests = tests
        self._marked = "" if heavy else f"not ({NEEDY})"
        self._heavy = heavy
        self.fates: dict[str, Fate] = {}

    def try_mirrors(self, trials: Sequence[Trial]) -> None:
        """Try each mutant against the tests that mirror its file, after these alone."""
        groups: defaultdict[tuple[str, ...], list[Trial]] = defaultdict(list)
        for trial in trials:
            groups[trial.mirror].append(trial)
        self._bench.each(self._try_group, groups.values())

    def try_rest(self, trials: Sequence[Trial]) -> None:
        """Try what survived against all other tests, the likeliest first."""
        self._bench.each(self._try_rest, [trial for trial in trials if self.fates[trial.mutant.name] is Fate.SURVIVED])

    def _try_group(self, copy: Copy, trials: Sequence[Trial]) -> None:
        """Try the mutants of one mirror; where that has nothing that can be run here, all others are to kill them."""
        mirror = trials[0].mirror
        control = copy.run(mirror, limit_s=_CONTROL_S, marked=self._marked, every=True) if mirror else Ended(None, 0.0)
        if control.failed:
            print(f"left out, for without a mutant they fail as well: {', '.join(control.failed)}", flush=True)
        for trial in trials:
            if not mirror or control.fate is Fate.UNDECIDED:
                self._note(trial, "no mirror", Ended(0, 0.0))
            elif control.code is None or set(mirror).issubset(control.failed):
                self._note(trial, "control", control, fate=Fate.UNDECIDED)
            else:
                with copy.broken(trial.mutant, trial.place):
                    ended = copy.run(mirror, limit_s=limit_s(control), marked=self._marked, but=control.failed)
                self._note(trial, "mirror", ended)

    def _try_rest(self, copy: Copy, trial: Trial) -> None:
        rest = [test for test in self._tests if str(test) not in trial.mirror]
        ended = try_rest(copy, trial.mutant, trial.place, nearest(trial.place.path, ROOT, rest), heavy=self._heavy)
        self._note(trial, "everything", ended)

    def _note(self, trial: Trial, tried: str, ended: Ended, *, fate: Fate | None = None) -> None:
        self.fates[trial.mutant.name] = fate = fate or ended.fate
        failed = " ".join(ended.failed)
        where = f"{trial.place.path}:{trial.place.source.count(chr(10), 0, trial.place.offset) + 1}"
        print(f"{fate:<18} {tried:<10} {ended.took_s:6.1f} s  {trial.mutant.name:<44} {where}  {failed}", flush=True)


def list_files(root: Path) -> list[PurePosixPath]:
    """Return every file that git would track, from the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    return [PurePosixPath(path) for path in listed if path and (root / path).is_file()]


def choose(mutants: Sequence[Mutant], wanted: Sequence[str]) -> list[Mutant]:
    """Return the mutants of these names, numbers or rooms; all of them where none is given. Raises LookupError."""
    if not wanted:
        return list(mutants)
    numbered = {str(number): mutant for number, mutant in enumerate(mutants, 1)}
    for word in wanted:
        if word not in numbered and not any(word in (mutant.name, mutant.room) for mutant in mutants):
            raise LookupError(f"{word}: no mutant of this name, number or room")
    return [m for number, m in numbered.items() if {number, m.name, m.room}.intersection(wanted)]


def main(arguments: Sequence[str]) -> int:
    """Try what is asked for, and return the exit code."""
    parser = argparse.ArgumentParser(prog="mutants", description="Break one line at a time: do the tests see it?")
    parser.add_argument("wanted", nargs="*", metavar="NAME", help="a mutant by its name or number, or a room")
    parser.add_argument("--list", action="store_true", help="only say which there are, and whether each is found")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many at once, each in a copy of its own")
    parser.add_argument("--mirror", action="store_true", help="leave out what survivors are tried against besides")
    parser.add_argument(
        "--all", action="store_true", help="use tests as well that take long, or need an engine or a browser"
    )
    options = parser.parse_args(arguments)
    paths = list_files(ROOT)
    mutants = read_mutants()
    index = Index(ROOT, paths)
    trials, lost = [], 0
    try:
        chosen = choose(mutants, options.wanted)
    except LookupError as error:
        parser.error(str(error))
    for mutant in chosen:
        try:
            place = index.find(mutant)
        except LookupError as error:
            print(f"not found: {error}")
            lost += 1
            continue
        trials.append(Trial(mutant, place, tuple(map(str, mirror_of(place.path, ROOT, paths)))))
    if options.list:
        for trial in trials:
            print(f"{mutants.index(trial.mutant) + 1:3} {trial.mutant.name:<44} {trial.place.path}")
        return int(lost > 0)
    tests = [path for path in paths if path.name.startswith("test_") and not str(path).startswith(_NOT_TRIED)]
    with tempfile.TemporaryDirectory(prefix="heavyweather-mutants-") as folder:
        session = Session(Bench(Path(folder), paths, options.jobs), tests, heavy=options.all)
        session.try_mirrors(trials)
        if not options.mirror:
            session.try_rest(trials)
    counts = Counter(session.fates.values())
    print(", ".join(f"{counts[fate]} {fate}" for fate in Fate if counts[fate]) + f"; {lost} not found")
    return int(lost > 0 or counts[Fate.SURVIVED] + counts[Fate.UNDECIDED] > 0)


if __name__ == "__main__":
    # Stopped by whatever, what it has started is ended and its copies are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
