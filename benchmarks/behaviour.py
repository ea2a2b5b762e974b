"""How the engine behaves, rather than what it costs.

On time, honest about a freeze, quick with a crowd, and no larger after two
days than after an hour. Each section is one or more trials in processes of
their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast

from benchmarks.contestants.task import Task
from benchmarks.cost import costs
from benchmarks.processes import ContestantFailed, NullServer, null_server
from benchmarks.rows import Row, compare, judge
from benchmarks.setting import OURS, Setting
from harness.root import ROOT

_LIMIT_S = 300.0
_PACED_S = 10.0
# As in wrk2's demonstration.
_FROZEN_RATE_PER_S, _FROZEN_S, _FROZEN_RUN_S = 2000.0, 1.4, 13.0
_HERD, _SOCKETS = 500, 200
_ENDURANCE_H = 48.0
_ENDURANCE_LIMIT_S = 3600.0


def pacing(setting: Setting) -> list[Row]:
    """Return how late requests leave at the setting's rate."""
    with null_server() as server:
        seen = _trial("paced", server.url + "/", rate_per_s=setting.rate_per_s, for_s=_PACED_S)
    at = f"at {setting.rate_per_s:g}/s"
    return [
        judge(f"lateness p50 ms {at}", seen["lag_s_p50"] * 1e3, at_most=0.5),
        *(judge(f"lateness {name} ms {at}", seen[f"lag_s_{name}"] * 1e3) for name in ("p95", "p99", "p999", "max")),
    ]


def frozen(setting: Setting) -> list[Row]:
    """Return the p99 of a server that is frozen for a while, beside theory's, and what a closed model makes of it.

    Of the run's requests a share of 1 % is due in its hundredth part, so that the p99 is that of a request due so
    long after the freeze began: F - 0.01 * T, for a freeze of F seconds in T.
    """
    del setting
    theory_s = _FROZEN_S - 0.01 * _FROZEN_RUN_S
    options = {"rate_per_s": _FROZEN_RATE_PER_S, "for_s": _FROZEN_RUN_S}
    with null_server() as server, _freezing(server, after_requests=_FROZEN_RATE_PER_S * 3):
        seen = _trial("paced", server.url + "/", **options)
    with null_server() as server, _freezing(server, after_requests=_FROZEN_RATE_PER_S * 3):
        closed = _trial("closed", server.url + "/", users=50, **options)
    off = abs(seen["response_s_p99"] - theory_s) / theory_s
    return [
        compare("p99 s, server frozen for 1.4 s at 2000/s", seen["response_s_p99"], theory_s, "theory"),
        judge("the same: relative error against theory", off, at_most=0.1),
        compare("the same: closed model of 50 users", seen["response_s_p99"], closed["response_s_p99"], "closed model"),
    ]


def herd(setting: Setting) -> list[Row]:
    """Return what a crowd costs that comes at once, each on a new connection, and how far apart its requests arrive."""
    ours: list[dict[str, float]] = []
    peers: dict[str, list[float]] = {"pyreqwest": [], "aiohttp": [], "httpx": []}
    for _ in range(setting.rounds):
        with null_server() as server:
            figures = _trial("herd", server.url + "/", users=_HERD)
            stamps = sorted(server.arrivals().arrivals_s)[-_HERD:]
            ours.append({**figures, "spread_s": stamps[-1] - stamps[0]})
            for name, seen in peers.items():
                figures = _run("benchmarks.peers_at_once", name, "--url", server.url + "/", "--users", str(_HERD))
                seen.append(figures["cpu_s"])
    ours.sort(key=lambda figures: figures["cpu_s"])
    median = ours[len(ours) // 2]
    what = f"{_HERD} users at once"
    return [
        judge(f"{what}: CPU s", median["cpu_s"], at_most=0.15),
        judge(f"{what}: all sent within ms", median["lag_s_max"] * 1e3, at_most=100),
        judge(f"{what}: arrivals at the server spread over ms", median["spread_s"] * 1e3),
        *(
            compare(f"{what}: CPU s", median["cpu_s"], sorted(seen)[len(seen) // 2], name)
            for name, seen in peers.items()
        ),
    ]


def sockets(setting: Setting) -> list[Row]:
    """Return what opening WebSockets costs, connected and subscribed."""
    del setting
    with _null_channels() as url:
        ours = _trial("sockets", url, users=_SOCKETS)
        peer = _run("benchmarks.peers_at_once", "aiohttp-sockets", "--url", url, "--users", str(_SOCKETS))
    what = f"{_SOCKETS} WebSockets opened and subscribed"
    return [
        compare(f"{what}: s", ours["open_s"], peer["took_s"], "aiohttp"),
        compare(f"{what}: CPU s", ours["cpu_s"], peer["cpu_s"], "aiohttp"),
        judge(f"{what}: KiB each", ours["rss_bytes_each"] / 1024),
    ]


def flatness(setting: Setting) -> list[Row]:
    """Return what a request costs with 500 connections in use beside what it costs with 10."""
    told = {}
    for connections in (10, 500):
        one = Setting(setting.rate_per_s, connections, setting.rounds, setting.short_s, setting.long_s, (OURS,))
        task = Task(f"/delay/{one.delay_s:g}", one.rate_per_s, one.long_s, connections)
        told[connections] = costs(one, task, one.short_s)[OURS].cpu_s_per_request * 1e6
    return [compare("CPU us/request over 500 connections", told[500], told[10], "ours over 10", ratio_max=1.25)]


def endurance(setting: Setting) -> list[Row]:
    """Return how much two days at 500/s grow memory and take on disk, on a clock turned by hand."""
    del setting
    seen = _run("benchmarks.endurance", "--hours", f"{_ENDURANCE_H:g}", limit_s=_ENDURANCE_LIMIT_S)
    what = f"{seen['hours']:g} h at 500/s, calls without a key"
    return [
        judge(f"{what}: growth of RSS MB", seen["rss_growth_bytes"] / 1e6, at_most=1.0),
        judge(f"{what}: histogram log MB", seen["hlog_bytes"] / 1e6),
        judge(f"{what}: journal MB", seen["journal_bytes"] / 1e6),
    ]


def _trial(name: str, url: str, **options: float) -> dict[str, float]:
    told = [part for key, value in options.items() for part in (f"--{key.replace('_', '-')}", f"{value:g}")]
    seen = _run("benchmarks.trial", name, "--url", url, *told)
    if seen.get("bad"):
        raise ContestantFailed(f"{name}: {seen['bad']:.0f} calls were not ok")
    return seen


def _run(module: str, *arguments: str, limit_s: float = _LIMIT_S) -> dict[str, float]:
    """Run a module as a process and return the figures that it prints. Raises ContestantFailed."""
    command: Sequence[str] = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit_s, check=True)
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", "") or "")[-2000:]
        raise ContestantFailed(f"{' '.join(command)}: {error}; it said:\n{said}") from error
    return cast("dict[str, float]", json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def _freezing(server: NullServer, *, after_requests: float) -> Iterator[None]:
    """Freeze the server once, for _FROZEN_S seconds, when it has had so many requests."""
    over = threading.Event()

    def freeze() -> None:
        while server.arrivals().requests < after_requests:
            if over.wait(0.05):
                return
        with server.frozen():
            time.sleep(_FROZEN_S)

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _null_channels() -> Iterator[str]:
    """Start a WebSocket server of its own and yield its URL."""
    command = [sys.executable, "-m", "benchmarks.null_channels"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            port = int(cast("IO[bytes]", process.stdout).readline())
            yield f"ws://127.0.0.1:{port}/"
        finally:
            cast("IO[Any]", process.stdin).close()
            process.wait(_LIMIT_S)
