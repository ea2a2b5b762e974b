"""The trials do what they say, against the real null server, and are small here: what they measure is nobody's test."""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import trial
from benchmarks.behaviour import _null_channels
from benchmarks.endurance import endure
from benchmarks.processes import NullServer, null_server
from harness.journal import JournalReader
from harness.load.digest.histograms import merged
from harness.root import ROOT


@pytest.fixture(scope="module")
def server() -> Iterator[NullServer]:
    with null_server() as running:
        yield running


def options(url: str, **changes: float) -> argparse.Namespace:
    return argparse.Namespace(**{"url": url, "rate_per_s": 200.0, "for_s": 0.5, "users": 20, **changes})


def test_paced_sends_what_was_asked_for(server: NullServer) -> None:
    server.clear()
    figures = trial.paced(options(f"{server.url}/"))
    assert (figures["requests"], figures["bad"]) == (100, 0)
    assert server.arrivals().requests == 100
    assert 0 <= figures["lag_s_p50"] <= figures["lag_s_max"] < math.inf
    assert 0 < figures["response_s_p50"] <= figures["response_s_p99"]


def test_closed_waits_for_its_answers(server: NullServer) -> None:
    server.clear()
    figures = trial.closed(options(f"{server.url}/delay/0.05", users=4, rate_per_s=1000.0))
    # Four users, each of whom waits at least a twentieth of a second for every answer.
    assert 4 <= figures["requests"] <= 4 * (0.5 / 0.05 + 2)
    assert server.arrivals().connections <= 4


def test_a_herd_is_everybody_once(server: NullServer) -> None:
    server.clear()
    figures = trial.herd(options(f"{server.url}/"))
    assert (figures["requests"], figures["bad"]) == (20, 0), "the crowd, without the one that warms up"
    seen = server.arrivals()
    assert seen.requests == 21
    assert seen.connections > 5
    assert figures["cpu_s"] >= 0


def test_sockets_are_open_and_subscribed() -> None:
    with _null_channels() as url:
        figures = trial.sockets(options(url))
    assert figures["bad"] == 0
    assert figures["open_s"] > 0


def test_a_trial_prints_its_figures(server: NullServer) -> None:
    command = [sys.executable, "-m", "benchmarks.trial", "paced", "--url", f"{server.url}/", "--for-s", "0.1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["requests"] == 100


def test_endurance_leaves_a_real_run_folder(tmp_path: Path) -> None:
    figures = endure(tmp_path, hours=60 / 3600)
    assert figures["requests"] == 60 * 500 + 1
    with JournalReader(tmp_path) as journal:
        assert len(journal.series("generator.rss_bytes")[0]) == 60
    total = sum(
        merged(tmp_path, f"{operation}.{outcome}.response").get_total_count()
        for operation in ("rpc_batch", "rpc_stream", "rpc_slow", "cache_put", "rpc_small")
        for outcome in ("ok", "reset")
    )
    assert total == figures["requests"]
    assert figures["hlog_bytes"] > 0
    assert figures["journal_bytes"] > 0
