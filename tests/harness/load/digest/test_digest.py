import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.load.call import Call
from harness.load.digest.digest import (
    ERROR_LABELS_MAX,
    GENERATOR,
    KINDS,
    OTHER_ERRORS,
    Digest,
    ErrorKey,
    Health,
    Tag,
    capped,
)
from harness.load.digest.times import Times
from harness.records import OWN_DOING, Mark, Outcome
from tests.harness.load.calls import calls, ended


def same(one: Times, other: Times) -> bool:
    return bool(one.cells.tolist() == other.cells.tolist() and one.counts.tolist() == other.counts.tolist())


@given(st.lists(calls, max_size=20))
def test_every_call_is_counted_and_every_reply_timed_once(batch: list[Call]) -> None:
    digest = Digest.of(batch, offered=len(batch))
    assert digest.counts == Counter((c.operation, c.outcome) for c in batch)
    replies = [c for c in batch if c.outcome not in OWN_DOING]
    assert same(digest.response(), Times.of_ns([c.done_ns - c.intended_ns for c in replies]))
    for operation in ("read", "write"):
        own = [c.done_ns - c.intended_ns for c in replies if c.operation == operation]
        assert same(digest.response(operation), Times.of_ns(own))
    assert same(Times.sum(digest.lags.values()), Times.of_ns([c.sent_ns - c.intended_ns for c in batch if c.paced]))
    assert digest.samples == [c.sample() for c in batch if c.key or c.marks]
    assert sum(digest.errors.values()) == sum(1 for c in batch if c.error)
    assert all(tag.kind in KINDS and tag.outcome not in OWN_DOING for tag in digest.times)


@given(st.lists(st.lists(calls, max_size=8), max_size=4))
def test_a_sum_of_digests_is_the_digest_of_all(batches: list[list[Call]]) -> None:
    total = Digest.sum([Digest.of(batch, offered=len(batch)) for batch in batches])
    whole = Digest.of([call for batch in batches for call in batch])
    assert total.counts == whole.counts
    assert total.errors == whole.errors
    assert total.samples == whole.samples
    assert total.offered == sum(map(len, batches))
    assert total.times.keys() == whole.times.keys()
    assert all(same(total.times[tag], whole.times[tag]) for tag in whole.times)


def test_the_parts_of_a_call_s_time_are_apart() -> None:
    digest = Digest.of([ended(lag_s=0.5, took_s=1.0, connect_s=0.25, acquire_s=0.125), ended(took_s=0.5)])
    seen = {
        tag.kind: [times.quantile_s(0.5), times.quantile_s(1.0), times.total] for tag, times in digest.times.items()
    }
    for kind, expected in {
        "response": [0.5, 1.5, 2],
        "service": [0.5, 0.625, 2],
        "connect": [0.25, 0.25, 1],
        "acquire": [0.125, 0.125, 1],
    }.items():
        assert all(abs(a - b) < 1e-3 * b for a, b in zip(seen[kind], expected, strict=True)), kind


def test_a_sample_says_the_same_as_the_call() -> None:
    call = ended(lag_s=0.5, took_s=1.0, connect_s=0.25, acquire_s=0.125, key="k", error="lost")
    (sample,) = Digest.of([call]).samples
    assert (sample.lag_s, sample.response_s, sample.service_s) == (0.5, 1.5, 0.625)
    assert (sample.connect_s, sample.acquire_s, sample.error) == (0.25, 0.125, "lost")


def test_a_sample_holds_what_was_noted_of_versions_and_marks() -> None:
    call = Call("read", 7, user=3)
    call.wrote, call.read, call.writer = 4, 5, "run-7"
    call.mark(Mark.SILENT_GAP, 2)
    call.mark(Mark.LATE)
    (sample,) = Digest.of([call]).samples
    assert (sample.user, sample.wrote, sample.read, sample.writer) == (3, 4, 5, "run-7")
    assert sample.marks == ((Mark.SILENT_GAP, 2), (Mark.LATE, 1))


def test_labels_beyond_the_cap_are_counted_as_other() -> None:
    common = {ErrorKey("read", Outcome.RESET, f"e{n}"): 2 for n in range(ERROR_LABELS_MAX)}
    rare = {ErrorKey("read", Outcome.RESET, f"rare {n}"): 1 for n in range(50)}
    kept = capped(Counter(common | rare))
    assert kept == Counter(common | {ErrorKey("read", Outcome.RESET, OTHER_ERRORS): 50})
    # However long it goes on, only `other` of each operation and outcome comes on top.
    for n in range(1000):
        kept = capped(kept + Counter({ErrorKey("read", Outcome.RESET, f"new {n}"): 1}))
    assert len(kept) <= ERROR_LABELS_MAX + 1
    assert kept.total() == 2 * ERROR_LABELS_MAX + 50 + 1000


def test_each_generator_s_health_stays_its_own() -> None:
    one, other = Health(1.0, 2.0, 3, 4.0), Health(5.0, 6.0, 7, 8.0)
    assert Digest.sum([Digest(health={"a": one}), Digest(health={"b": other})]).health == {"a": one, "b": other}


def test_what_had_no_moment_to_keep_says_nothing_of_lateness() -> None:
    late, listened = ended(lag_s=0.5), ended()
    listened.paced = False
    assert Digest.of([late, *[listened] * 1000]).lag_s(0.95) == Digest.of([late]).lag_s(0.95) > 0.49
    assert math.isnan(Digest.of([listened]).lag_s(0.95))


def test_the_worst_generator_is_how_late_they_are() -> None:
    quick = Digest.of([ended()] * 1000, health={GENERATOR: Health(1, 1, 0, 0)}).of_generator("worker.0")
    slow = Digest.of([ended(lag_s=2.0)], health={GENERATOR: Health(1, 1, 0, 0)}).of_generator("worker.1")
    total = Digest.sum([quick, slow, quick])
    assert total.lag_s(0.95) > 1.9
    assert set(total.health) == set(total.lags) == {"worker.0", "worker.1"}


def test_what_the_load_ended_itself_took_no_time() -> None:
    own = [ended(outcome=outcome, took_s=9.0) for outcome in (Outcome.DROPPED, Outcome.CANCELLED)]
    digest = Digest.of([ended(took_s=1.0), *own])
    assert digest.response().total == 1
    assert digest.counts.total() == 3


def test_messages_that_nobody_asked_for_are_no_responses() -> None:
    digest = Digest.of([ended(took_s=1.0), *[ended("ws_delivery")] * 100])
    assert digest.response().total == 1
    assert digest.response("ws_delivery").total == 100


def test_a_tag_names_its_line() -> None:
    assert str(Tag("read", Outcome.TIMED_OUT, "service")) == "read.timed_out.service"
