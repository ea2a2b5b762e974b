"""Three-valued verdicts and how they merge: FAIL dominates, then INCONCLUSIVE.

A check that crashed has decided nothing, so it counts as INCONCLUSIVE; so does
a run without a single finding. Both fail CI: an unknown is never a pass. What
was measured and decides nothing is a measurement, which has no verdict at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from numbers import Integral
from pathlib import Path

from harness.errors import JournalError

FILE_NAME = "verdict.json"
# By name: `observed` and `allowed` are in `unit`, the others say themselves what they are of.
Numbers = Mapping[str, float | str]


class Verdict(StrEnum):
    """What was decided."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


_WEIGHT = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's decision.

    `observed` and `allowed` carry their units as text; `where` is the service,
    operation or fault it is about; `message` stands alone in a log. `figures`
    are the same for programs; a number that is not finite is left out.
    """

    check: str
    verdict: Verdict
    observed: str
    allowed: str
    where: str
    message: str
    figures: Numbers = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", _plain(self.figures))

    @classmethod
    def about(
        cls,
        subject: str,
        *,
        check: str,
        verdict: Verdict,
        where: str,
        observed: str,
        allowed: str,
        limit: str | None = None,
        notes: Sequence[str] = (),
        figures: Numbers | None = None,
    ) -> Finding:
        """Return a finding whose message is `subject: observed, allowed LIMIT; note; note`.

        `limit` is how the message puts what is allowed, where that is not as the tables have it.
        """
        stated = f"{subject}: {observed}, allowed {allowed if limit is None else limit}"
        message = "; ".join([stated, *filter(None, notes)])
        return cls(check, verdict, observed, allowed, where, message, figures or {})


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a check measured where nothing is to be decided; its fields are as a finding's."""

    check: str
    observed: str
    where: str
    message: str
    figures: Numbers = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", _plain(self.figures))


Result = Finding | Measurement


def split(results: Iterable[Result]) -> tuple[tuple[Finding, ...], tuple[Measurement, ...]]:
    """Return the findings and the measurements, each in order."""
    every = list(results)
    findings = tuple(each for each in every if isinstance(each, Finding))
    return findings, tuple(each for each in every if isinstance(each, Measurement))


def merge(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the gravest verdict; INCONCLUSIVE when there is none, for nothing was decided."""
    return max(verdicts, key=_WEIGHT.__getitem__, default=Verdict.INCONCLUSIVE)


def guarded(check: str, decide: Callable[[], Sequence[Result]]) -> list[Result]:
    """Return the results of `decide`; if it crashes or has none, one INCONCLUSIVE finding."""
    try:
        results = list(decide())
    except Exception as crash:  # noqa: BLE001 - a check that broke in any way has decided nothing
        return [_undecided(check, f"check crashed: {type(crash).__name__}: {crash}")]
    return results or [_undecided(check, "check returned no finding")]


def _undecided(check: str, observed: str) -> Finding:
    return Finding(check, Verdict.INCONCLUSIVE, observed, "a decision", check, f"{check}: {observed}")


def _plain(figures: Numbers) -> Numbers:
    """Return what JSON can hold: numbers of Python's own, and none that is not finite."""
    plain: dict[str, float | str] = {}
    for name, value in figures.items():
        if isinstance(value, str):
            plain[name] = value
        elif math.isfinite(value):
            plain[name] = int(value) if isinstance(value, Integral) else float(value)
    return plain


@dataclass(frozen=True, slots=True)
class Decision:
    """A whole run's verdict, as `verdict.json` keeps it. `started_at` is ISO 8601 in UTC, `duration_s` seconds."""

    verdict: Verdict
    run_id: str
    scenario: str
    seed: int
    stack: str
    started_at: str
    duration_s: float
    findings: tuple[Finding, ...]
    measurements: tuple[Measurement, ...] = ()

    def summary(self) -> str:
        """Return the verdict with the messages that made it so, gravest first, a line each."""
        grave = sorted((f for f in self.findings if f.verdict is not Verdict.PASS), key=lambda f: -_WEIGHT[f.verdict])
        lines = [f"{self.verdict} ({self.scenario}, {self.stack} stack, seed {self.seed}, run {self.run_id})"]
        return "\n".join(lines + [f"  {f.verdict}: {f.message}" for f in grave])

    def write(self, run_folder: Path) -> Path:
        """Write `verdict.json` into the run folder, whole or not at all."""
        path = run_folder / FILE_NAME
        draft = path.with_suffix(".json.part")
        draft.write_text(json.dumps(asdict(self), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return draft.replace(path)

    @classmethod
    def read(cls, run_folder: Path) -> Decision | None:
        """Read a run folder's decision; None when the run ended without one. Raises JournalError when unreadable.

        One without figures or measurements, as earlier runs left it, reads as one that has none.
        """
        path = run_folder / FILE_NAME
        if not path.is_file():
            return None
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            findings = tuple(Finding(**(f | {"verdict": Verdict(f["verdict"])})) for f in raw.pop("findings"))
            measurements = tuple(Measurement(**each) for each in raw.pop("measurements", ()))
            return cls(**(raw | {"verdict": Verdict(raw["verdict"])}), findings=findings, measurements=measurements)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise JournalError(f"{path}: not a verdict: {error}") from error
