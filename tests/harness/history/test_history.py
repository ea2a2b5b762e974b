"""A whole run's history: of a system that works it is never flagged, with a single flaw it is, by its own check."""

import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.budget import Budget
from harness.history.effects import check_effects
from harness.history.history import History
from harness.history.keys import KeySet
from harness.history.ledger_read import Effects, LedgerRead
from harness.history.tally import Tally
from harness.records import Mark, Outcome, Sample
from harness.verdict import Finding, Verdict
from tests.harness.judging.checks.registers import RUN, read, working, wrote


@dataclass
class Run:
    """What the clients of a run saw and what its database holds: `effects` by key."""

    samples: list[Sample]
    effects: Counter[str]
    totals: Counter[tuple[str, Outcome]] = field(default_factory=Counter)

    def findings(self) -> dict[str, Finding]:
        history = History(self.samples)
        twice = Tally([key for key, n in self.effects.items() if n > 1])
        found = LedgerRead(KeySet(self.effects), effects=Effects(self.effects.total(), twice))
        findings = [
            *history.writes.findings(found),
            *check_effects(found, repeated=0),
            *history.reply_keys.findings(),
            *history.stale.findings(),
            *history.cache_hits.findings(Budget()),
            *history.terminal.findings(self.totals),
            *history.sequences.findings(self.totals),
        ]
        return {finding.check: finding for finding in findings}


writes = st.lists(st.tuples(st.sampled_from(Outcome), st.booleans()), max_size=10)


@st.composite
def sound_runs(draw: st.DrawFn) -> Run:
    """Draw a run of a system that works, with at least one of everything that is judged."""
    samples, effects = draw(working()), Counter({f"{RUN}-0": 1})
    samples = [sample for sample in samples if sample.answer]  # what a fault made the cache forget is not the matter
    samples += [wrote(5000, 60, 61, key="key-9"), wrote(5001, 62, 63, key="key-9"), read(5001, 64, 65, key="key-9")]
    samples.append(ledger_write(0, Outcome.OK))
    for number, (outcome, done) in enumerate(draw(writes), 1):
        samples.append(ledger_write(number, outcome))
        effects[f"{RUN}-{number}"] += outcome is Outcome.OK or (done and outcome is not Outcome.DROPPED)
    missed = (Mark.TOLD_GAP, draw(st.integers(1, 9)))
    samples.append(Sample("ws_delivery", Outcome.WRONG_REPLY, 70, 70, 70, user=3, marks=(missed,)))
    totals = Counter({(sample.operation, sample.outcome): 1 for sample in samples} | {("ws_delivery", Outcome.OK): 5})
    return Run(samples, +effects, totals)


def ledger_write(number: int, outcome: Outcome) -> Sample:
    key = f"{RUN}-{number}"
    return Sample("ledger_write", outcome, 70, 70, 71, key, key if outcome is Outcome.OK else "")


@given(sound_runs())
def test_a_system_that_works_is_never_flagged(run: Run) -> None:
    run.samples = [sample for sample in run.samples if sample.outcome is not Outcome.WRONG_REPLY or sample.marks]
    run.effects = Counter({key: n for key, n in run.effects.items() if any(s.key == key for s in run.samples)})
    findings = run.findings()
    assert {f.verdict for f in findings.values()} == {Verdict.PASS}, findings


def drop_a_write(run: Run) -> None:
    del run.effects[f"{RUN}-0"]


def write_what_nobody_asked(run: Run) -> None:
    run.effects[f"{RUN}-999"] += 1


def double_an_effect(run: Run) -> None:
    run.effects[f"{RUN}-0"] += 1


def swap_a_reply(run: Run) -> None:
    run.samples.append(replace(read(5001, 66, 67, key="key-9"), answer="key-8"))


def replay_an_old_version(run: Run) -> None:
    run.samples.append(read(5000, 66, 67, key="key-9"))


def forget_what_was_put(run: Run) -> None:
    run.samples += [replace(read(-1, 66, 67, key="key-9"), answer="", writer="")] * 50


def marking(mark: Mark) -> Callable[[Run], None]:
    return lambda run: run.samples.append(Sample("any", Outcome.OK, 70, 70, 70, marks=((mark, 1),)))


FLAWS: dict[str, tuple[Callable[[Run], None], str]] = {
    "a write is dropped": (drop_a_write, "acknowledged_writes"),
    "a write comes from nowhere": (write_what_nobody_asked, "acknowledged_writes"),
    "an effect is doubled": (double_an_effect, "effects"),
    "a reply is swapped": (swap_a_reply, "reply_keys"),
    "an old version is replayed": (replay_an_old_version, "stale_replies"),
    "the cache forgets": (forget_what_was_put, "cache_hits"),
    "a reply comes twice": (marking(Mark.SECOND_REPLY), "terminal_replies"),
    "a question is left out": (marking(Mark.NO_REPLY), "terminal_replies"),
    "a number is skipped": (marking(Mark.SILENT_GAP), "sequences"),
    "a number comes twice": (marking(Mark.DUPLICATE), "sequences"),
    "a number comes late": (marking(Mark.LATE), "sequences"),
}


@pytest.mark.parametrize("flaw", FLAWS)
@given(run=sound_runs())
def test_a_single_flaw_is_flagged_by_its_own_check(flaw: str, run: Run) -> None:
    plant, check = FLAWS[flaw]
    plant(run)
    assert run.findings()[check].verdict is Verdict.FAIL


@given(sound_runs(), st.data())
def test_ticks_add_up_to_the_whole(run: Run, data: st.DataObject) -> None:
    history, n = History(), 0
    while n < len(run.samples):
        step = data.draw(st.integers(1, 10))
        history.see(run.samples[n : n + step])
        n += step
    whole = History(run.samples)
    assert history.reply_keys.findings() == whole.reply_keys.findings()
    assert history.stale.findings() == whole.stale.findings()
    assert history.terminal.findings(run.totals) == whole.terminal.findings(run.totals)


def mixed(begin: int, count: int) -> list[Sample]:
    """Return the reference's mix, as its clients saw it, from call number `begin` on."""
    rng = random.Random(begin)
    samples = []
    for n in range(begin, begin + count):
        at_s = n / 500
        match rng.randrange(4):
            case 0:
                samples.append(replace(ledger_write(n, Outcome.OK), sent_s=at_s))
            case 1:
                samples.append(wrote(n, at_s, at_s + 0.01, key=f"key-{n % 64}"))
            case 2:
                samples.append(read(n, at_s, at_s + 0.01, key=f"key-{n * 7 % 64}"))
            case _:
                said = f"echo-{n}"
                samples.append(Sample("rpc_echo", Outcome.OK, at_s, at_s, at_s + 0.01, said, said))
    return samples


def test_seven_times_the_requests_take_no_more_memory() -> None:
    history = History()

    def held_bytes(numbers: range) -> int:
        for begin in numbers:
            history.see(mixed(begin, 2000))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        warm_bytes = held_bytes(range(0, 6000, 2000))
        assert held_bytes(range(6000, 40_000, 2000)) < 1.3 * warm_bytes
    finally:
        tracemalloc.stop()
