"""What one request costs each contestant in CPU, and what it holds in memory.

The cost is the difference between a long run and a short one, so that nobody
pays for imports, compiling or filling a pool. Requests are counted by the
server, which no contestant can flatter. Rounds go through all contestants
before the next begins, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.contestants.task import Task, contestant_command
from benchmarks.processes import ContestantFailed, NullServer, null_server, run_measured
from benchmarks.rows import Row, compare
from benchmarks.setting import OURS, SHORT_MIN_S, Setting

# Ours may cost at most so much of theirs.
RATIO_MAX = {"k6": 0.5, "locust": 0.33}
# Who delivers less than this share of what was asked has not done the same work.
DELIVERED_MIN = 0.95
# Beyond this share of one processor the server, not the contestant, may be what is slow.
_SERVER_BUSY_MAX = 0.8
# Flat out there is many times as much to count: this share of the paced runs' time will do.
_FLAT_OUT = 1 / 3
# Beyond a run's own time: start-up, what is still under way, and a busy machine.
_SPARE_S = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one contestant: what it was asked, what it used, what the server saw of it."""

    task: Task
    cpu_s: float
    peak_rss_bytes: int
    requests: int
    connections: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request costs; `delivered` is the share, 0 to 1, of the requests asked for that came."""

    cpu_s_per_request: float
    peak_rss_bytes: float
    delivered: float

    def __str__(self) -> str:
        told = f"{self.cpu_s_per_request * 1e6:.1f} us/request, {self.peak_rss_bytes / 1e6:.1f} MB"
        return f"{told}, {self.delivered:.1%} delivered"

    @property
    def fair(self) -> bool:
        """Whether it did the work that was asked for."""
        return self.delivered >= DELIVERED_MIN


def paced(setting: Setting) -> list[Row]:
    """Return what a request costs at the setting's rate: mostly what it costs to be woken for each one."""
    task = Task(f"/delay/{setting.delay_s:g}", setting.rate_per_s, setting.long_s, setting.connections)
    return cost_rows(f"at {setting.rate_per_s:g}/s", costs(setting, task, setting.short_s))


def flat_out(setting: Setting) -> list[Row]:
    """Return what a request costs with every connection always busy: the work alone, for the wake-ups are shared."""
    short_s = max(SHORT_MIN_S, setting.short_s * _FLAT_OUT)
    long_s = short_s + (setting.long_s - setting.short_s) * _FLAT_OUT
    return cost_rows("flat out", costs(setting, Task("/", float("inf"), long_s, setting.connections), short_s))


def costs(setting: Setting, task: Task, short_s: float) -> dict[str, Cost]:
    """Return what a request costs each contestant: the median of the setting's rounds.

    `task` is that of the long run, its URL only the path; the short run takes `short_s`.
    """
    found: dict[str, list[Cost]] = {name: [] for name in setting.contestants}
    with null_server() as server:
        long = replace(task, url=server.url + task.url)
        for number in range(1, setting.rounds + 1):
            for name in setting.contestants:
                cost = cost_of(name, run_once(server, name, replace(long, for_s=short_s)), run_once(server, name, long))
                found[name].append(cost)
                _log.info("round %d of %d: %s: %s", number, setting.rounds, name, cost)
    return {name: median_cost(of) for name, of in found.items()}


def run_once(server: NullServer, name: str, task: Task) -> Run:
    """Have one contestant do the task once. Raises ContestantFailed."""
    server.clear()
    used = run_measured(contestant_command(name, task), limit_s=task.for_s + _SPARE_S)
    seen = server.arrivals()
    if seen.cpu_s > _SERVER_BUSY_MAX * used.took_s:
        _log.warning("%s: the null server used %.1f s of CPU in %.1f s", name, seen.cpu_s, used.took_s)
    return Run(task, used.cpu_s, used.peak_rss_bytes, seen.requests, seen.connections)


def cost_of(name: str, short: Run, long: Run) -> Cost:
    """Return what a request costs by two runs. Raises ContestantFailed when the longer did not do more."""
    requests = long.requests - short.requests
    if requests <= 0:
        raise ContestantFailed(
            f"{name}: {long.requests} requests in {long.task.for_s:g} s, {short.requests} in {short.task.for_s:g} s"
        )
    asked = long.task.requests
    delivered = long.requests / asked if asked else 1.0
    return Cost((long.cpu_s - short.cpu_s) / requests, long.peak_rss_bytes, delivered)


def median_cost(of: Sequence[Cost]) -> Cost:
    """Return the median of each figure, each by itself."""
    return Cost(
        median(cost.cpu_s_per_request for cost in of),
        median(cost.peak_rss_bytes for cost in of),
        median(cost.delivered for cost in of),
    )


def cost_rows(how: str, costs: Mapping[str, Cost]) -> list[Row]:
    """Return ours beside each peer, first all CPU, then all memory; `how` says how they were loaded.

    Who delivered too little is told, not compared.
    """
    ours = costs.get(OURS)
    peers = {name: cost for name, cost in costs.items() if name != OURS}

    def row(measure: str, name: str, factor: float, field: str, ratio_max: float | None) -> Row:
        return compare(
            _told(f"{measure} {how}", "ours ", ours),
            None if ours is None else getattr(ours, field) * factor,
            getattr(peers[name], field) * factor,
            _told(name, "", peers[name]),
            ratio_max=ratio_max,
            fair=peers[name].fair and (ours is None or ours.fair),
        )

    return [
        *(row("CPU us/request", name, 1e6, "cpu_s_per_request", RATIO_MAX.get(name)) for name in peers),
        *(row("peak RSS MB", name, 1e-6, "peak_rss_bytes", None) for name in peers),
    ]


def _told(text: str, whose: str, cost: Cost | None) -> str:
    return text if cost is None or cost.fair else f"{text} ({whose}at {cost.delivered:.0%} of the rate)"
