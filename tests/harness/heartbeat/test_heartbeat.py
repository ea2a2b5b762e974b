"""The canary against real sockets: a connection and one request a look, none of which waits for another."""

from __future__ import annotations

import threading

import pytest

from harness.heartbeat.heartbeat import HealthEndpoint
from harness.wait import wait_until
from tests.harness.canaries import watching
from tests.harness.load.links import taken_port
from tests.harness.servers import LIMIT_S, Answer, Server, serving


class Switch:
    """Answers 200 or 503, and waits until it was asked."""

    def __init__(self) -> None:
        self.good = True

    def __call__(self, _method: str, _path: str, _body: bytes) -> tuple[int, object]:
        return (200 if self.good else 503), {}


def until_asked(server: Server, more: int) -> None:
    wanted = len(server.requests) + more
    wait_until("more looks", lambda: None if len(server.requests) >= wanted else "fewer", limit_s=LIMIT_S)


def test_both_moments_are_seen_and_each_look_is_one_request() -> None:
    answer = Switch()
    with serving(answer) as server, watching(server.port) as run:
        answer.good = False
        run.step("injected", "proved")
        until_asked(server, 1)
        run.step("healing", "healed")
        until_asked(server, 3)
        before_s = run.now_s()
        answer.good = True
        after_s = run.now_s()
        word = run.wait_for()
        asked = len(server.requests)
        healed_s = word["healed_s"]
        # Nothing was good before it was, and whatever was asked after that was.
        assert before_s < healed_s + word["first_success_s"] <= healed_s + word["lasting_s"] < run.now_s()
        assert healed_s + word["lasting_bad_s"] <= after_s
        assert word["failed"] >= 2
        assert word["interrupted"]
        assert set(server.requests) == {("GET", "/ready")}
        # While it was there it was looked at once at least; the last few may not have ended.
        assert 1 <= asked - word["looks"] - word["left_out"] <= 5


def test_there_is_no_thread_before_a_fault_and_no_look_once_all_is_known() -> None:
    with serving(Switch()) as server, watching(server.port) as run:
        run.note("phase", name="warm_up")
        run.step("healed")
        assert "canary" not in {thread.name for thread in threading.enumerate()}
        run.step("injected", "healing", "healed")
        run.wait_for()
        asked = len(server.requests)
        threading.Event().wait(0.2)
        assert len(server.requests) <= asked + 1
        run.canary.close()
        run.canary.close()
        run.step("injected")
        assert "canary" not in {thread.name for thread in threading.enumerate()}


def test_looks_that_hang_keep_no_other_from_its_time_and_fail_at_their_deadline() -> None:
    with serving(Switch()) as server, watching(server.port) as run:
        server.stall()
        run.step("injected", "healing", "healed")
        # More than hang at one time by far less than their deadline.
        until_asked(server, 20)
        assert run.words() == []
        wait_until("the deadline", lambda: None if run.now_s() > 1.3 else "not yet", limit_s=LIMIT_S)
        server.go_on()
        word = run.wait_for()
        assert word["failed"] + word["left_out"] >= 5
        assert word["lasting_bad_s"] > 0.05


@pytest.mark.parametrize("ending", ["close", "drain"])
def test_what_never_came_is_told_when_the_run_ends(ending: str) -> None:
    with taken_port() as port, watching(port) as run:
        run.step("injected", "healing", "healed")
        wait_until("a while", lambda: None if run.now_s() > 0.2 else "not yet", limit_s=LIMIT_S)
        if ending == "close":
            run.canary.close()
            (word,) = run.words()
        else:
            run.note("phase", name="drain")
            word = run.wait_for()
        assert (word["first_success_s"], word["lasting_s"]) == (None, None)
        assert 0 < word["lasting_bad_s"] <= word["observed_s"]
        assert word["failed"] == word["looks"] > 0


def silent(_method: str, _path: str, _body: bytes) -> tuple[int, object]:
    raise OSError("nothing is answered")


@pytest.mark.parametrize("answer", [silent, lambda *_: (404, {}), lambda *_: (503, {})])
def test_nothing_but_a_good_answer_counts(answer: Answer) -> None:
    with serving(answer) as server, watching(server.port, limit_s=0.3) as run:
        run.step("injected", "healing", "healed")
        word = run.wait_for()
        assert (word["first_success_s"], word["looks"]) == (None, word["failed"])


def test_a_path_that_knows_nothing_of_what_is_behind_it_is_good_for_any_answer_of_the_service_itself() -> None:
    lenient, strict = HealthEndpoint("127.0.0.1", 80, "/", any_answer=True), HealthEndpoint("127.0.0.1", 80)
    statuses = (200, 302, 404, 429, 500, 503)
    assert [lenient.accepts(status) for status in statuses] == [True, True, True, False, False, False]
    assert [strict.accepts(status) for status in statuses] == [True, False, False, False, False, False]


def test_a_canary_with_a_bug_says_so_and_saw_nothing_to_its_end() -> None:
    with serving(Switch()) as server, watching(server.port, hold_s=60.0) as run:
        run.step("injected", "healing", "healed")
        until_asked(server, 2)
        run.broken = True
        failed = run.wait_for("failed")
        run.broken = False
        assert "RuntimeError" in failed["reason"]
        run.canary.close()
        assert run.words()[0]["lasting_s"] is None
        assert len(run.words("failed")) == 1
