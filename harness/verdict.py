"""Three-valued verdicts and how they merge: FAIL dominates, then INCONCLUSIVE.

A checker that crashed has decided nothing, so it counts as INCONCLUSIVE; so
does a run without a single finding. Both fail CI: an unknown is never a pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from harness.errors import JournalError

FILE_NAME = "verdict.json"


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
    operation or fault it is about; `message` stands alone in a log.
    """

    check: str
    verdict: Verdict
    observed: str
    allowed: str
    where: str
    message: str


def merge(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the gravest verdict; INCONCLUSIVE when there is none, for nothing was decided."""
    return max(verdicts, key=_WEIGHT.__getitem__, default=Verdict.INCONCLUSIVE)


def guarded(check: str, decide: Callable[[], Sequence[Finding]]) -> list[Finding]:
    """Return the findings of `decide`; if it crashes or says nothing, one INCONCLUSIVE finding."""
    try:
        findings = list(decide())
    except Exception as crash:  # noqa: BLE001 - whatever broke the checker, it has decided nothing
        return [_undecided(check, f"the checker crashed: {type(crash).__name__}: {crash}")]
    return findings or [_undecided(check, "the checker said nothing")]


def _undecided(check: str, seen: str) -> Finding:
    return Finding(check, Verdict.INCONCLUSIVE, seen, "a decision", check, f"{check}: {seen}")


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

    def summary(self) -> str:
        """Return the verdict with the messages that made it so, gravest first, a line each."""
        telling = sorted((f for f in self.findings if f.verdict is not Verdict.PASS), key=lambda f: -_WEIGHT[f.verdict])
        lines = [f"{self.verdict} ({self.scenario}, {self.stack} stack, seed {self.seed}, run {self.run_id})"]
        return "\n".join(lines + [f"  {f.verdict}: {f.message}" for f in telling])

    def write(self, run_folder: Path) -> Path:
        """Write `verdict.json` into the run folder, whole or not at all."""
        path = run_folder / FILE_NAME
        draft = path.with_suffix(".json.part")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        return draft.replace(path)

    @classmethod
    def read(cls, run_folder: Path) -> Decision | None:
        """Read a run folder's decision; None when the run never came to one. Raises JournalError when unreadable."""
        path = run_folder / FILE_NAME
        if not path.is_file():
            return None
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            findings = tuple(Finding(**(f | {"verdict": Verdict(f["verdict"])})) for f in raw.pop("findings"))
            return cls(**(raw | {"verdict": Verdict(raw["verdict"])}), findings=findings)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise JournalError(f"{path}: not a verdict: {error}") from error
