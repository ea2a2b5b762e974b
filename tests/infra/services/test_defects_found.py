"""Each bug in what clients are told is found by its own check, through the load's own operations, and only where it is.

The checks, the operations and the final read are the real ones; so are the services.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from harness.criteria.budget import Budget
from harness.history.effects import check_effects
from harness.history.final_read import read_ledger
from harness.history.history import History
from harness.history.ledger_read import LedgerRead
from harness.judging.checks.recovery import check_recovery
from harness.judging.checks.sessions import Allowance, check_sessions
from harness.judging.holdings import Residue
from harness.load.call import Call, now_ns
from harness.load.clients.clients import API, Addresses, open_clients
from harness.load.digest.digest import Digest
from harness.load.engine.engine import Engine
from harness.load.operations.reference import CACHE_KEYS, operations
from harness.load.plan import LoadPlan
from harness.load.schedule.arrivals import constant
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.load.websocket.sockets import Sockets
from harness.probes.health import http_health
from harness.records import Outcome
from harness.verdict import Finding, Verdict, merge, split
from harness.wait import wait_until
from tests.harness.canaries import watching
from tests.harness.runs import evidence, fault
from tests.infra.services.rig import LIMIT_S, MakeApi, Program, Service

pytestmark = pytest.mark.thorough

PASS, FAIL = Verdict.PASS, Verdict.FAIL
runs = (f"found-{n}" for n in count())
Plant = Callable[[str], Service]


@pytest.fixture
def plant(make_api: MakeApi) -> Iterator[Plant]:
    """Start an api with a defect, or with none; it ends with the test, and lets go of its connections."""
    planted = []

    def start(defect: str) -> Service:
        planted.append(make_api(HW_DEFECTS=defect))
        return planted[-1]

    yield start
    for api in planted:
        api.stop()


def play(api: Service, steps: Iterable[tuple[str, int]], run: str) -> Digest:
    """Do (operation, number) one after another, and return what an engine would tell of it."""
    epoch_ns = now_ns()

    async def work() -> list[Call]:
        ended = []
        async with asyncio.timeout(LIMIT_S), open_clients(Addresses(api=api.url), [API], run=run) as clients:
            for operation, number in steps:
                call = Call(operation, number)
                call.sent_ns = now_ns() - epoch_ns
                call.outcome = await operations[operation].operation(clients, call)
                call.done_ns = now_ns() - epoch_ns
                ended.append(call)
        return ended

    return Digest.of(asyncio.run(work()))


def listen(api: Service, *, messages: int) -> Digest:
    """Let a few users publish and listen until there was so much to hear; return what their load told."""
    settings = LoadSettings(10.0, Mix({"rpc_echo": 1}), sockets=Sockets(3, publish_every_s=0.02))
    plan = LoadPlan(settings, (constant(10, 60),), Addresses(api=api.url), next(runs), 7331)
    load = Engine(plan.part(), epoch_s=time.perf_counter())
    taken = Digest()
    load.start()

    def heard() -> str | None:
        nonlocal taken
        taken = Digest.sum([taken, load.take()])
        delivered = sum(n for (operation, _), n in taken.counts.items() if operation == "ws_delivery")
        return None if delivered >= messages else f"{delivered} heard"

    wait_until(f"{messages} messages", heard, limit_s=LIMIT_S)
    assert load.stop(drain_s=LIMIT_S)
    assert load.failure is None
    return Digest.sum([taken, load.take()])


def sequences(digest: Digest) -> Finding:
    (finding,) = History(digest.samples).sequences.findings(digest.counts)
    return finding


def test_stale_reply(plant: Plant, api: Service) -> None:
    # Multiples of CACHE_KEYS are all about one key.
    steps = [(operation, n * CACHE_KEYS) for n, operation in enumerate(["cache_put", "cache_get"] * 12)]

    def stale(service: Service) -> Finding:
        (finding,) = History(play(service, steps, next(runs)).samples).stale.findings()
        return finding

    assert stale(api).verdict is PASS
    found = stale(plant("stale_reply:3"))
    assert (found.verdict, found.figures["observed"], found.figures["reads"]) == (FAIL, 3, 12)


def test_double_reply(plant: Plant, api: Service) -> None:
    steps = [(operation, n) for n, operation in enumerate(["rpc_batch", "rpc_stream"] * 6)]

    def doubled(service: Service) -> Finding:
        digest = play(service, steps, next(runs))
        (finding,) = History(digest.samples).terminal.findings(digest.counts)
        return finding

    assert doubled(api).verdict is PASS
    found = doubled(plant("double_reply:3"))
    assert (found.verdict, found.figures["second_replies"]) == (FAIL, 4)
    assert "rpc_batch" in found.message
    assert "rpc_stream" in found.message


def test_double_effect(plant: Plant, api: Service, postgres: tuple[Program, str]) -> None:
    steps = [(operation, n) for n, operation in enumerate(["ledger_write", "ledger_retry"] * 4)]

    def read(service: Service) -> LedgerRead:
        run = next(runs)
        digest = play(service, steps, run)
        found = read_ledger(postgres[1], prefix=f"{run}-")
        (finding,) = History(digest.samples).writes.findings(found)
        assert finding.verdict is PASS, "the effect is doubled, not the entry"
        assert digest.counts == Counter({("ledger_write", Outcome.OK): 4, ("ledger_retry", Outcome.OK): 4})
        return found

    (once,) = check_effects(read(api), repeated=4)
    assert (once.verdict, once.figures["effects"], once.figures["retried"]) == (PASS, 8, 4)
    (twice,) = check_effects(read(plant("double_effect:4")), repeated=4)
    assert twice.verdict is FAIL
    assert (twice.figures["observed"], twice.figures["keys"]) == (2, 8)


@pytest.mark.parametrize(
    ("defect", "figure"), [("skipped_message", "missing_without_notice"), ("doubled_message", "duplicated")]
)
def test_messages(plant: Plant, defect: str, figure: str) -> None:
    found = sequences(listen(plant(f"{defect}:10"), messages=60))
    assert found.verdict is FAIL
    assert float(found.figures[figure]) > 0


def test_messages_that_are_all_there(api: Service) -> None:
    assert sequences(listen(api, messages=60)).verdict is PASS


def test_orphan_session(plant: Plant, redis_server: tuple[Program, str]) -> None:
    def residue(service: Service) -> Residue:
        with redis.Redis.from_url(redis_server[1]) as client:
            channels = len(client.pubsub_channels("channel:found-*"))
        return Residue(sessions=int(service.metric("hw_sessions")), redis_channels=channels)

    def left(service: Service) -> tuple[Residue, Residue]:
        before = residue(service)
        listen(service, messages=3)
        return before, residue(service)

    sound = plant("")
    before, _ = left(sound)

    def let_go() -> str | None:
        verdict = merge(finding.verdict for finding in check_sessions(before, residue(sound), allowed=Allowance()))
        return None if verdict is PASS else verdict

    wait_until("all let go", let_go, limit_s=LIMIT_S)
    sick = plant("orphan_session:1")
    before, after = left(sick)
    assert {f.where: f.verdict for f in check_sessions(before, after)} == {"sessions": FAIL, "redis channels": FAIL}


def test_full_cache(plant: Plant, api: Service) -> None:
    def cached(service: Service, requests: int) -> float:
        play(service, [("rpc_echo", n) for n in range(requests)], next(runs))
        return service.metric("hw_cache_bytes")

    full = plant("full_cache:64")
    assert [cached(full, n) for n in (3, 1, 30, 30)] == [3 * 8192, 4 * 8192, 65536, 65536]
    assert cached(api, 3) == 0


def test_flapping_recovery(plant: Plant, redis_server: tuple[Program, str], tmp_path: Path) -> None:
    def recovered(service: Service) -> Verdict:
        """Break its Redis and mend it, and return what the check makes of what a canary saw of that."""
        with watching(urlsplit(service.url).port or 0, epoch_s=40.0, hold_s=0.3) as run:
            run.step("injected")
            injected_s = run.now_s()
            redis_server[0].stop()
            run.step("proved")
            wait_until("unready", lambda: None if http_health(f"{service.url}/ready") else "ready", limit_s=LIMIT_S)
            redis_server[0].start()
            healed_s = run.now_s()
            run.step("healing", "healed")
            run.wait_for()
        down = fault(injected_s, healed_s, proved_s=injected_s, healing_s=healed_s)
        found = evidence(tmp_path / service.url[-5:], faults=[down], events=run.events)
        findings, _ = split(check_recovery(found, Budget(recovery_s=2.0)))
        (finding,) = (f for f in findings if f.check == "recovery")
        return finding.verdict

    assert recovered(plant("")) is PASS
    assert recovered(plant("flapping_recovery:3")) is FAIL
