"""What a run leaves for later runs to be compared with, and how they read it back.

Runs are only comparable where all that shapes their figures is the same: that
is the key. Only a run that passed is known to be good. One that failed, though
only for being worse than those before it, is not: a history that took it in
would call the regression normal after a few more such runs. What is to be the
new normal has to be accepted by name, as a baseline, from whose run on the
history is counted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from harness import journal
from harness.errors import JournalError

FIGURES_NAME = "figures.json"
# What only compares runs: failing it does not make a run unfit to be accepted.
TREND, BASELINE = "trend", "baseline"
RUNS_MAX = 200
# Of the same key or not: as many folders are looked into, the newest first.
_FOLDERS_MAX = 2000
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Key:
    """What must be the same for two runs to be compared.

    `load` says what was sent, how often; `defects` which bugs were planted; `version` is Heavyweather's own.
    """

    profile: str
    target: str
    provider: str
    host: str
    time_scale: float
    load: str
    version: str
    defects: str = ""

    @property
    def id(self) -> str:
        """A short name, the same for the same key."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:8]

    def __str__(self) -> str:
        """Return the key in words."""
        words = [self.profile, self.target, f"{self.provider} stack", self.host, f"time scale {self.time_scale:g}"]
        defects = [f"defects {self.defects}"] if self.defects else []
        return ", ".join([*words, self.load, f"version {self.version}", *defects])

    def differences(self, other: Key) -> str:
        """Return in words where two keys differ; empty when they are the same."""
        mine, others = asdict(self), asdict(other)
        return ", ".join(f"{name} {mine[name]!r} and {others[name]!r}" for name in mine if mine[name] != others[name])


class CalmWindow(NamedTuple):
    """One window of a calm run: its end in seconds since the run's epoch, its p95 in seconds, its requests."""

    end_s: float
    p95_s: float
    requests: float


@dataclass(frozen=True, slots=True)
class Figures:
    """One run for later ones: `figures` in SI units by name, `windows` its calm, `failed` the checks that did not pass.

    `started_at` is ISO 8601 in UTC, by which runs are ordered.
    """

    run_id: str
    started_at: str
    key: Key
    figures: Mapping[str, float]
    windows: tuple[CalmWindow, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def known_good(self) -> bool:
        """Whether later runs may be judged by this one."""
        return not self.failed

    @property
    def acceptable(self) -> bool:
        """Whether this run may be made a baseline: nothing is wrong with it but that it is unlike earlier ones."""
        return {*self.failed} <= {TREND, BASELINE}

    def write(self, path: Path) -> Path:
        """Write a file, whole or not at all; what is not finite is left out, as what was not measured."""
        finite = {name: value for name, value in sorted(self.figures.items()) if math.isfinite(value)}
        document = {"format": _FORMAT} | asdict(dataclasses.replace(self, figures=finite))
        text = json.dumps(document | {"windows": [list(window) for window in self.windows]}, indent=1, allow_nan=False)
        draft = path.with_suffix(f"{path.suffix}.part")
        draft.write_text(f"{text}\n", encoding="utf-8")
        return draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Figures:
        """Read one. Raises JournalError when it is absent or damaged, or of a format that is not known here."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            if raw["format"] != _FORMAT:
                raise JournalError(f"{path}: of format {raw['format']}, only {_FORMAT} is known")
            return cls(
                run_id=_text(raw["run_id"]),
                started_at=_text(raw["started_at"]),
                key=_key(raw["key"]),
                figures={_text(name): _number(value) for name, value in raw["figures"].items()},
                windows=tuple(CalmWindow(*map(_number, window)) for window in raw["windows"]),
                failed=tuple(map(_text, raw["failed"])),
            )
        except OSError as error:
            raise JournalError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise JournalError(f"{path}: not a run's figures: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """Earlier runs of one key, the oldest first, and what could not be read, in words."""

    runs: tuple[Figures, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def known_good(self) -> tuple[Figures, ...]:
        """The runs that later ones may be judged by."""
        return tuple(run for run in self.runs if run.known_good)

    def since(self, baseline: Figures) -> EarlierRuns:
        """Return the history that counts when `baseline` is what was accepted as normal: it, and what came after it."""
        later = [run for run in self.runs if run.started_at > baseline.started_at and run.run_id != baseline.run_id]
        return EarlierRuns((dataclasses.replace(baseline, failed=()), *later), self.unread)

    def value(self, name: str) -> list[float]:
        """Return a figure of the known-good runs that have it."""
        return [run.figures[name] for run in self.known_good if name in run.figures]


def read_earlier_runs(runs: Path, key: Key | None = None, *, but: str = "") -> EarlierRuns:
    """Return the newest `RUNS_MAX` runs under the folder `runs` of a key, or of any, without the run `but`.

    A damaged or an absent file is listed in `unread` and stops nothing. An absent folder has no runs.
    """
    found: list[Figures] = []
    unread: list[str] = []
    # A run's id begins with the UTC time of its start, so that the newest sorts last.
    folders = sorted((path for path in runs.glob("*") if path.is_dir() and path.name != but), reverse=True)
    for folder in folders[:_FOLDERS_MAX]:
        if not (folder / FIGURES_NAME).is_file():
            if (folder / journal.FILE_NAME).is_file():  # a stack that was only brought up is no run
                unread.append(f"{folder.name}: left no {FIGURES_NAME}")
            continue
        try:
            run = Figures.read(folder / FIGURES_NAME)
        except JournalError as error:
            unread.append(f"{folder.name}: {error}")
            continue
        if key in {None, run.key}:
            found.append(run)
        if len(found) == RUNS_MAX:
            break
    return EarlierRuns(tuple(sorted(found, key=lambda run: (run.started_at, run.run_id))), tuple(unread))


def host_class(host: Mapping[str, object]) -> str:
    """Return the kind of machine of a run's `host` record: no kernel's patch level, memory to the GiB."""
    system = str(host.get("system", "unknown")).split(" ")[0]
    python = ".".join(str(host.get("python", "unknown")).split(".")[:2])
    memory_gib = round(float(str(host.get("memory_bytes", 0))) / 2**30)
    return f"{system} {host.get('machine', 'unknown')}, {host.get('cores', 0)} cores, {memory_gib} GiB, Python {python}"


def _key(raw: object) -> Key:
    if not isinstance(raw, dict):
        raise TypeError("its key is no table")
    scale = _number(raw["time_scale"])
    return Key(**{name: _text(value) for name, value in raw.items() if name != "time_scale"}, time_scale=scale)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value)
