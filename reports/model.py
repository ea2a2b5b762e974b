"""A run folder as plain frozen values, all that a page says in words.

Nothing is needed but the folder, and of that only the journal: a killed run
has no verdict, and that is itself INCONCLUSIVE.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.journal import JournalReader
from harness.records import Event
from harness.verdict import Decision, Finding, Measurement, Verdict
from reports.faults import FaultRow, fault_rows

# From the gravest to the mildest: the order in which a reader needs them.
_ORDER = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
_REASONS_MAX = 3
# What a run may be given on its command line, and what it does without.
_OPTIONS: Mapping[str, object] = {
    "seed": None,
    "stack": "local",
    "target": "infra/targets/reference.toml",
    "time_scale": 1.0,
    "workers": 0,
    "scheduler": "",
    "control": "",
}
_OUTPUTS = frozenset({"report.html", "junit.xml", "profile.json"})
_NO_VERDICT = Finding(
    "run",
    Verdict.INCONCLUSIVE,
    "no verdict",
    "a run to its end",
    "run",
    "run: no verdict: it was killed, or it is still running",
)


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a run, in seconds since its epoch."""

    name: str
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file in the run folder and what it holds."""

    name: str
    size_bytes: int
    holds: str


@dataclass(frozen=True, slots=True)
class RunView:
    """Everything about a run but its curves.

    `findings` begin with the gravest, `measurements` decided nothing; `reasons`
    are the sentences that explain the verdict; `end_s` is the last second recorded, `duration_s` the whole
    run's, both since the epoch of the journal and of the runner respectively.
    """

    run_id: str
    scenario: str
    seed: str
    stack: str
    started_at: str
    duration_s: float
    end_s: float
    verdict: Verdict
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]
    measurements: tuple[Measurement, ...]
    faults: tuple[FaultRow, ...]
    phases: tuple[Phase, ...]
    events: tuple[Event, ...]
    defects: tuple[str, ...]
    command: str
    versions: Mapping[str, object]
    budget: Mapping[str, object]
    conditions: Mapping[str, object]
    files: tuple[RunFile, ...]


def read_run(run_folder: Path) -> RunView:
    """Read a run folder. Raises JournalError when it holds no readable journal or a damaged verdict."""
    with JournalReader(run_folder) as journal:
        meta, events, end_s = journal.meta(), journal.events(), _end_s(journal)
    decision = Decision.read(run_folder)
    findings = sorted(decision.findings if decision else [_NO_VERDICT], key=lambda f: _ORDER.index(f.verdict))
    end_s = max([end_s, *(event.t_s for event in events)])
    verdict = decision.verdict if decision else Verdict.INCONCLUSIVE
    measurements = decision.measurements if decision else ()
    return RunView(
        run_id=str(meta.get("run_id", run_folder.resolve().name)),
        scenario=str(meta.get("scenario", "unknown")),
        seed=str(meta.get("seed", "unknown")),
        stack=str(meta.get("stack", "unknown")),
        started_at=str(meta.get("started_at", "unknown")),
        duration_s=decision.duration_s if decision else end_s,
        end_s=end_s,
        verdict=verdict,
        reasons=_reasons(verdict, findings),
        findings=tuple(findings),
        measurements=measurements,
        faults=tuple(fault_rows(events, [*findings, *measurements], run_folder)),
        phases=tuple(_phases(events, end_s)),
        events=tuple(events),
        defects=_texts(meta.get("defects")),
        command=command(meta),
        versions=_mapping(meta.get("versions")),
        budget=_mapping(meta.get("budget")),
        conditions=_conditions(meta),
        files=tuple(_files(run_folder)),
    )


def command(meta: Mapping[str, object]) -> str:
    """Return the command line that plays the run again, defaults left out: `verb` is make's, with what a replay plays.

    A run that wrote no verb is named by its scenario.
    """
    verb, *words = _texts(meta.get("verb")) or (str(meta.get("scenario", "unknown")).replace("_", "-"),)
    for option, default in _OPTIONS.items():
        value = meta.get(option, default)
        if value != default:
            words += [f"--{option.replace('_', '-')}", str(value)]
    for defect in _texts(meta.get("defects")):
        words += ["--defect", defect]
    variables = [f"{name}={shlex.quote(str(text))}" for name, text in _mapping(meta.get("environment")).items()]
    return " ".join([*variables, "make", shlex.quote(verb), f"ARGS={shlex.quote(shlex.join(words))}"])


def _end_s(journal: JournalReader) -> float:
    """Return the last tick's time: every tick has the generator's own figures, if it has anything."""
    last_s = 0.0
    for name in journal.series_names():
        if name.startswith(("generator.", "load.all.")):
            t_s = journal.series(name)[0]
            last_s = max(last_s, float(t_s[-1]) if len(t_s) else 0.0)
    return last_s


def _reasons(verdict: Verdict, findings: Sequence[Finding]) -> tuple[str, ...]:
    gravest = [f.message for f in findings if f.verdict is verdict]
    if verdict is Verdict.PASS:
        return (f"All {len(gravest)} findings are within their budgets.",)
    more = len(gravest) - _REASONS_MAX
    rest = [f"and {more} more of the same gravity, in the table below"] if more > 0 else []
    return (*gravest[:_REASONS_MAX], *rest)


def _phases(events: Sequence[Event], end_s: float) -> list[Phase]:
    begins = [(event.t_s, str(event.detail.get("name", "?"))) for event in events if event.kind == "phase"]
    ends = [*(t_s for t_s, _ in begins[1:]), end_s]
    # Not strict: a run that ended before its first phase has an end and no beginning.
    return [Phase(name, begin_s, ended_s) for (begin_s, name), ended_s in zip(begins, ends, strict=False)]


def _conditions(meta: Mapping[str, object]) -> Mapping[str, object]:
    """Return the load, what was absent, and the machine."""
    absent = {f"without {service}": reason for service, reason in _mapping(meta.get("absent")).items()}
    load = {key: meta[key] for key in ("rate_per_s", "time_scale") if key in meta}
    return {**load, **absent, **_mapping(meta.get("host"))}


def _files(run_folder: Path) -> list[RunFile]:
    paths = sorted(path for path in run_folder.iterdir() if path.is_file() and path.name not in _OUTPUTS)
    return [RunFile(path.name, path.stat().st_size, _holds(path)) for path in paths]


def _holds(path: Path) -> str:
    match path.suffix:
        case ".log":
            return f"what {path.stem} wrote"
        case ".hlog":
            return "response times as HdrHistogram intervals"
    return {
        "journal.db": "every series and event, SQLite",
        "verdict.json": "the verdict and its findings",
        "scenario.json": "what was played, so that it can be played again",
        "timeline.json": "the faults as planned and as played",
        "figures.json": "the run in figures, for later runs",
        "allocations.json": "the lines whose memory grew most",
        "journal.lock": "which process writes the journal",
    }.get(path.name, "")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
