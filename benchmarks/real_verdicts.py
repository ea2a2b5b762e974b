"""The growth verdicts on real processes: the reference system as it is, and with defects of known size planted.

Each case is one run of the whole path, whose journal is then cut into windows
as long as a short run; every gauge of every window is judged by the rules that
a run is judged by. The services are real, so that each case takes minutes.
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.leak_peers import PEERS
from benchmarks.leak_verdicts import Setting
from benchmarks.rows import Row, compare, judge
from chaos.profile.scenario import Phases, Scenario
from fixtures.run.path import Run
from fixtures.run.settings import Settings
from harness.criteria.budget import Budget
from harness.history.history import History
from harness.journal import JournalReader
from harness.judging.checks.growth import Judged, judge_gauges
from harness.judging.evidence import Evidence
from harness.judging.series import RunSeries
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.records import PHASE_OF_FAULTS, Event
from harness.verdict import Verdict
from infra.target import load_target

_log = logging.getLogger(__name__)
_TARGET = Path("infra/targets/reference.toml")
_RATE_PER_S = 400.0
_MIX = Mix({"rpc_echo": 0.3, "ledger_write": 0.2, "cache_put": 0.2, "cache_get": 0.3})
# As many requests as a short soak judges, and three times as many; windows share half of theirs, for there to be more.
_WINDOW_REQUESTS = (24_000, 72_000)
_STEP = 0.5
# So many bytes a request are so many MB an hour at this rate, that of a small service.
_EQUIVALENT_RATE_PER_S = 25.0
_SILENT_MAX, _FALSE_ALARMS_MAX = 2.0, 1.0


# 10 MB an hour at that rate.
_BYTES_PER_REQUEST = 10e6 / 3600 / _EQUIVALENT_RATE_PER_S
BUDGET = Budget(memory_growth_bytes_per_request=_BYTES_PER_REQUEST, heap_growth_bytes_per_request=_BYTES_PER_REQUEST)


@dataclass(frozen=True, slots=True)
class Case:
    """One run: `defect` is planted (none: healthy); `truths` are by how much figures of the api then grow a request."""

    name: str
    minutes: float
    defect: str = ""
    truths: Mapping[str, float] = field(default_factory=dict)


def _bytes_case(name: str, minutes: float, per_h: float) -> Case:
    """Return a leak equivalent to so many bytes an hour.

    CPython takes 33 bytes more than the content, in steps of 16, and the list that keeps it 8 a place and some spare.
    Up to 512 bytes it takes them from arenas of its own, and the heap shows the list alone.
    """
    wanted = per_h / 3600 / _EQUIVALENT_RATE_PER_S
    content = max(1, round(wanted - 33 - 9))
    held = (content + 33 + 15) // 16 * 16
    small = held <= 512
    truths = {"rss_bytes": held + 9.0, "heap_bytes": 9.0 if small else held + 9.0}
    return Case(name, minutes, f"leak_memory:{content}", truths | ({"allocated_blocks": 1.0} if small else {}))


CASES: Sequence[Case] = (
    Case("healthy", 10.0),
    Case("a cache that fills", 4.0, "full_cache"),
    _bytes_case("5 MB/h", 4.0, 5e6),
    _bytes_case("10 MB/h", 4.0, 10e6),
    _bytes_case("50 MB/h", 4.0, 50e6),
    Case("leak_fd", 2.5, "leak_fd", {"fds": 1 / 50}),
    Case("leak_connection", 3.0, "leak_connection", {"pool_postgres_size": 0.2 / 500}),
)


def real(setting: Setting) -> Iterator[Row]:
    """Yield the rows of every case."""
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            failed, windows = _play(case, Path(folder), setting)
        for requests, judged in windows.items():
            yield from _rows(f"real, {case.name}, {requests} requests", case, judged)
        _log.info("%s: the whole run failed by %s", case.name, ", ".join(failed) or "nothing")
        yield judge(f"real, {case.name}: checks of the whole run that failed", float(len(failed)))


def _play(case: Case, runs: Path, setting: Setting) -> tuple[list[str], Mapping[int, list[Judged]]]:
    """Return what the run as a whole failed by, and the judged gauges of all windows, by their size in requests."""
    phases = Phases(steady_s=5.0, warm_up_s=30.0, faults_s=60 * case.minutes * setting.scale, hold_s=1.0)
    scenario = Scenario("verdicts", LoadSettings(_RATE_PER_S, _MIX), phases, budget=BUDGET)
    defects = (case.defect,) if case.defect else ()
    settings = Settings(load_target(_TARGET), str(_TARGET), "local", setting.seed, 1.0, defects, runs=runs)
    run = Run(scenario, settings)
    decision = run.play()
    failed = [f"{f.check} {f.where}" for f in decision.findings if f.verdict is Verdict.FAIL]
    with JournalReader(run.folder) as journal:
        series, events = RunSeries.read(journal), journal.events()
    begins = {event.detail["name"]: event.t_s for event in events if event.kind == "phase"}
    ends_s = begins.get("hold", float(series.t_s[-1]))
    windows: dict[int, list[Judged]] = {}
    for requests in _WINDOW_REQUESTS:
        width_s = requests / _RATE_PER_S
        for begin_s in np.arange(begins[PHASE_OF_FAULTS], ends_s - width_s, _STEP * width_s):
            evidence = _window(series, events, float(begin_s), float(begin_s + width_s))
            windows.setdefault(requests, []).extend(judge_gauges(evidence, BUDGET))
    return failed, windows


def _window(series: RunSeries, events: Sequence[Event], begin_s: float, end_s: float) -> Evidence:
    return Evidence(
        series=series,
        events=events,
        history=History(),
        faults=(),
        planned_faults=0,
        operations=(),
        services=(),
        found=None,
        warm_s=begin_s,
        load_end_s=end_s,
        seed=0,
    )


def _rows(name: str, case: Case, judged: Sequence[Judged]) -> Iterator[Row]:
    for gauge in sorted({one.name for one in judged}):
        verdicts = Counter(str(one.leak.verdict) for one in judged if one.name == gauge)
        _log.info("%s: %s: %s", name, gauge, dict(verdicts))
    if not case.truths:
        yield judge(f"{name}: verdicts", float(len(judged)))
        yield from _shares(name, "false alarms", judged, Verdict.FAIL, _FALSE_ALARMS_MAX)
        yield from _shares(name, "passed", judged, Verdict.PASS, None)
    for figure, truth in case.truths.items():
        gauges = [one for one in judged if (one.name.subject, one.name.figure) == ("api", figure)]
        known = [one.leak for one in gauges if np.isfinite(one.leak.slope)]
        if not known:
            continue
        of = f"{name}: {figure}"
        yield compare(f"{of}, growth a request", float(np.median([leak.slope for leak in known])), truth, "the truth")
        detectable = float(np.median([leak.detectable for leak in known]))
        yield compare(f"{of}, smallest detectable a request", detectable, gauges[0].allowed, "the budget")
        yield from _shares(of, "found", gauges, Verdict.FAIL, None)
        if truth >= max(gauges[0].allowed, detectable):
            yield from _shares(of, "passed in silence", gauges, Verdict.PASS, _SILENT_MAX)
        else:
            yield from _shares(of, "passed, being less than is budgeted or to be seen", gauges, Verdict.PASS, None)


def _shares(name: str, what: str, judged: Sequence[Judged], verdict: Verdict, at_most: float | None) -> Iterator[Row]:
    """Yield the share of verdicts of that kind, in percent, beside each peer's on the same points."""
    ours = 100 * float(np.mean([one.leak.verdict is verdict for one in judged]))
    goal = None if at_most is None else f"<= {at_most:g}"
    for peer, theirs in _peers(judged, verdict).items():
        holds = None if at_most is None else ours <= at_most
        yield Row(f"{name}: {what} %", ours, theirs, peer, ours / theirs if theirs else None, goal, holds)


def _peers(judged: Sequence[Judged], verdict: Verdict) -> Mapping[str, float]:
    return {
        name: 100 * float(np.mean([rule(one.x, one.y, one.allowed) is verdict for one in judged if len(one.x) > 2]))
        for name, rule in PEERS.items()
    }
