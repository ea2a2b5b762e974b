"""Work before a load, against a real server that is slow, full, down or plainly refuses."""

import time
from collections import Counter

import httpx
import pytest

from harness.errors import NotReady
from harness.load.clients.preparation import Job, Pace, _again, log_in, prepare
from tests.harness.servers import serving

QUICK = Pace(rate_per_s=1000, attempts=4, patience_s=20)


def ask(path: str) -> Job[str]:
    async def job(client: httpx.AsyncClient) -> str:
        reply = await client.get(path)
        reply.raise_for_status()
        return str(reply.json()["path"])

    return job


def test_every_job_is_done_in_order_and_within_the_rate() -> None:
    with serving() as server:
        began_s = time.perf_counter()
        done = prepare("work", server.url, [ask(f"/{n}") for n in range(20)], Pace(rate_per_s=50))
        took_s = time.perf_counter() - began_s
    assert done == [f"/{n}" for n in range(20)]
    # Nineteen steps of a fiftieth of a second, less what the first may save.
    assert took_s >= 18 / 50


def test_no_more_are_at_work_at_once_than_allowed() -> None:
    most = now = 0

    def job(number: int) -> Job[int]:
        async def work(client: httpx.AsyncClient) -> int:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await client.get(f"/{number}")
            now -= 1
            return number

        return work

    with serving() as server:
        prepare("work", server.url, [job(n) for n in range(40)], Pace(rate_per_s=1e5, at_once=3))
    assert most == 3


def test_what_fails_for_a_while_is_asked_again() -> None:
    seen: Counter[str] = Counter()

    def answer(_method: str, path: str, _body: bytes) -> tuple[int, object]:
        seen[path] += 1
        return (500 if seen[path] < 3 else 200), {"path": path}

    with serving(answer) as server:
        assert prepare("work", server.url, [ask("/a")], QUICK) == ["/a"]
    assert seen == {"/a": 3}


@pytest.mark.parametrize(("status", "times"), [(404, 1), (401, 1), (500, 4), (503, 4), (429, 4)])
def test_what_will_not_change_is_not_asked_again_and_the_rest_not_for_ever(status: int, times: int) -> None:
    with serving(lambda *_: (status, {})) as server:
        with pytest.raises(NotReady, match=f"the work not ready after .*{status}"):
            prepare("the work", server.url, [ask("/a")], QUICK)
        assert len(server.requests) == times


def test_a_server_that_says_how_long_is_given_that_long() -> None:
    request = httpx.Request("GET", "http://h/")

    def error(status: int, **headers: str) -> httpx.HTTPStatusError:
        return httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, headers=headers))

    assert _again(error(503, **{"Retry-After": "7"})) == 7.0
    assert _again(error(429, **{"Retry-After": "9999"})) == 30.0
    assert _again(error(503, **{"Retry-After": "Wed, 21 Oct"})) is True
    assert _again(httpx.ConnectError("down")) is True
    assert _again(error(400)) is False
    assert _again(KeyError()) is False


def test_a_server_that_is_down_is_told_by_name() -> None:
    pace = Pace(rate_per_s=1000, attempts=2)
    with pytest.raises(NotReady, match=r"log-in of 3 users at http://127.0.0.1:9 .*ConnectError"):
        log_in("http://127.0.0.1:9", 3, pace)


def test_users_get_their_tokens() -> None:
    def answer(_method: str, _path: str, body: bytes) -> tuple[int, object]:
        return 200, {"token": body.decode(), "expires_s": 60}

    with serving(answer) as server:
        log_ins = log_in(server.url, 5, QUICK)
    assert len({one.token for one in log_ins}) == 5
    assert {one.lasts_s for one in log_ins} == {60.0}
    with serving(lambda *_: (200, [])) as server, pytest.raises(NotReady, match="no token in the reply"):
        log_in(server.url, 1, Pace(rate_per_s=1000, attempts=1))
