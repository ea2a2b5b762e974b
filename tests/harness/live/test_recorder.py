"""The recorder with a real engine, a real server and a real journal."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import RealClock
from harness.history.history import History
from harness.journal import Journal, JournalReader
from harness.judging.series import RunSeries
from harness.live.recorder import Recorder, summarise
from harness.load.call import Call
from harness.load.clients.http import HttpClient
from harness.load.digest.digest import Digest, ErrorKey
from harness.load.digest.histograms import HistogramLog, merged
from harness.load.engine.engine import Engine, Part
from harness.load.schedule.arrivals import constant, schedule
from harness.load.schedule.pacer import Arrival
from harness.probes.sampler import Sampler
from harness.records import OWN_DOING, Outcome
from harness.wait import wait_until
from tests.harness.load.calls import calls, ended
from tests.harness.servers import serving

LIMIT_S = 15.0
TICK_S = 0.1


async def keyed(client: HttpClient, call: Call) -> Outcome:
    call.key = call.answer = str(call.number)
    return (await client.send(call, "GET", f"/{call.number}")).outcome


async def plain(client: HttpClient, call: Call) -> Outcome:
    return (await client.send(call, "GET", f"/{call.number}")).outcome


def ignore(_t_s: float, _values: Mapping[str, float]) -> None:
    pass


@contextmanager
def recording(
    folder: Path, *, for_s: float = 60.0, on_tick: Callable[[float, Mapping[str, float]], None] = ignore
) -> Iterator[tuple[Recorder, Engine[HttpClient], Journal]]:
    """Start 200 requests a second, every other with a key, and a recorder over them; stop both."""
    epoch_s = time.perf_counter()
    with serving() as server, Journal(folder) as journal:
        names = itertools.cycle(["keyed", "plain"])
        part = Part(
            (Arrival(n, t_s, next(names)) for n, t_s in enumerate(schedule(constant(200, for_s)))),
            {"keyed": keyed, "plain": plain},
            lambda: HttpClient(server.url),
            100,
            deadline_s=LIMIT_S,
        )
        load = Engine(part, epoch_s=epoch_s)
        recorder = Recorder(
            journal, HistogramLog(folder), Sampler([]), load,
            history=History(), clock=RealClock(), epoch_s=epoch_s, tick_s=TICK_S, on_tick=on_tick,
        )  # fmt: skip
        load.start()
        recorder.start()
        try:
            yield recorder, load, journal
        finally:
            assert load.stop(drain_s=LIMIT_S)
            recorder.stop()


def test_every_request_is_in_the_journal_the_totals_and_the_histograms_once(tmp_path: Path) -> None:
    ticks: list[float] = []
    enough = threading.Event()

    def on_tick(t_s: float, _values: Mapping[str, float]) -> None:
        ticks.append(t_s)
        if len(ticks) == 8:
            enough.set()

    with recording(tmp_path, on_tick=on_tick) as (recorder, load, _):
        recorder.note("phase", name="warm_up")
        assert enough.wait(LIMIT_S)
        # Some for the last tick, which comes when it is told to stop.
        some = load.offered + 10
        wait_until("more arrivals", lambda: None if load.offered >= some else "fewer", limit_s=LIMIT_S)
    assert recorder.failure is None
    offered = load.offered
    assert offered > 50
    assert sum(recorder.totals.values()) == offered
    assert recorder.history.reply_keys.judged == len(range(0, offered, 2))
    with JournalReader(tmp_path) as reader:
        series = RunSeries.read(reader)
        assert reader.series("load.all.offered")[1].sum() == offered
        assert reader.series("generator.in_flight")[1][-1] == 0
        (event,) = reader.events()
    assert (event.kind, event.detail) == ("phase", {"name": "warm_up"})
    assert series.t_s.tolist() == ticks
    assert series.count(Outcome.OK).sum() == offered
    assert series.count(operation="keyed").sum() == recorder.history.reply_keys.judged
    counted = [merged(tmp_path, f"{name}.ok.service").get_total_count() for name in ("keyed", "plain")]
    assert sum(counted) == offered


def test_ticks_are_on_the_grid_of_the_epoch(tmp_path: Path) -> None:
    with recording(tmp_path) as (recorder, _, _):
        wait_until("ticks", lambda: None if recorder.now_s() > 8 * TICK_S else "early", limit_s=LIMIT_S)
    with JournalReader(tmp_path) as reader:
        t_s = reader.series("generator.rss_bytes")[0]
    # Never before its place on the grid; the last one comes when it is told to stop.
    late_s = t_s[:-1] - np.floor(t_s[:-1] / TICK_S + 1e-9) * TICK_S
    assert float(np.median(late_s)) < TICK_S / 2
    assert len(set(np.floor(t_s[:-1] / TICK_S + 1e-9))) == len(t_s) - 1


def test_a_full_disk_ends_the_recording_and_says_so(tmp_path: Path) -> None:
    with recording(tmp_path) as (recorder, _, journal):
        journal._db.execute("PRAGMA max_page_count=1")  # it cannot shrink below what is there, nor grow any more
        wait_until("the failure", lambda: None if recorder.failure else "writing", limit_s=LIMIT_S)
    assert "tick not written" in str(recorder.failure)
    with JournalReader(tmp_path) as reader:
        assert isinstance(reader.series_names(), list)


def test_stopping_before_the_start_is_harmless(tmp_path: Path) -> None:
    part = Part[HttpClient](iter(()), {}, lambda: HttpClient("http://127.0.0.1:1"), 1)
    histograms = HistogramLog(tmp_path)
    with Journal(tmp_path) as journal:
        recorder = Recorder(
            journal, histograms, Sampler([]), Engine(part, epoch_s=0.0),
            history=History(), clock=RealClock(), epoch_s=0.0, tick_s=1.0, on_tick=ignore,
        )  # fmt: skip
        recorder.stop()
        recorder.stop()
    histograms.close(1.0)
    assert recorder.failure is None


def test_what_went_wrong_is_counted_by_kind(tmp_path: Path) -> None:
    class Failing:
        in_flight = 0

        def take(self) -> Digest:
            return Digest.of([ended(outcome=Outcome.RESET, error="lost"), ended(outcome=Outcome.OK)])

    ticked = threading.Event()
    with Journal(tmp_path) as journal:
        recorder = Recorder(
            journal, HistogramLog(tmp_path), Sampler([]), Failing(),
            history=History(), clock=RealClock(), epoch_s=time.perf_counter(), tick_s=TICK_S,
            on_tick=lambda *_: ticked.set(),
        )  # fmt: skip
        recorder.start()
        assert ticked.wait(LIMIT_S)
        recorder.stop()
    count = recorder.totals["read", Outcome.RESET]
    assert count > 0
    assert recorder.errors == {ErrorKey("read", Outcome.RESET, "lost"): count}


@given(st.lists(calls | st.builds(ended, st.just("ws_delivery")), max_size=20))
def test_the_good_share_is_of_what_somebody_waited_for(batch: list[Call]) -> None:
    told = summarise(Digest.of(batch))
    awaited = [c.outcome for c in batch if c.operation != "ws_delivery" and c.outcome is not Outcome.CANCELLED]
    if awaited:
        assert told["load.all.good_fraction"] == pytest.approx(awaited.count(Outcome.OK) / len(awaited))
    else:
        assert "load.all.good_fraction" not in told


@given(st.lists(calls, max_size=20))
def test_a_summary_counts_every_call_and_times_every_reply(batch: list[Call]) -> None:
    digest = Digest.of(batch, offered=7)
    told = summarise(digest)
    assert {name: n for name, n in told.items() if name.rpartition(".")[2] in set(Outcome)} == {
        f"load.{operation}.{outcome}": n for (operation, outcome), n in digest.counts.items()
    }
    assert told["load.all.offered"] == 7
    replies = [c.done_ns - c.intended_ns for c in batch if c.outcome not in OWN_DOING]
    quantiles = [told.get(f"load.all.response_s_{p}") for p in ("p50", "p95", "p99")]
    if replies:
        # To the precision of a cell, and cut to the longest that a histogram holds.
        ranks = [max(1, int(q * len(replies) + 0.5)) for q in (0.50, 0.95, 0.99)]
        expected = [sorted(replies)[rank - 1] * 1e-9 for rank in ranks]
        assert quantiles == pytest.approx(np.minimum(expected, 300.0), rel=2e-3, abs=2e-6)
    else:
        assert quantiles == [None, None, None]
    lags = [c.sent_ns - c.intended_ns for c in batch]
    most = told.get("generator.lag_s_max")
    assert most == (pytest.approx(max(lags) * 1e-9, rel=2e-3, abs=2e-6) if lags else None)
