from __future__ import annotations

import asyncio
import signal
import time

import pytest
from starlette.requests import Request

from harness.wait import wait_until
from infra.services.gate import GRACE_S, Gate
from infra.services.replies import Refusal
from tests.infra.services.rig import MakeApi, Service

BODY = {"account": "ada", "amount": 5}


def login(auth: Service, user: str = "ada") -> str:
    with auth.client() as client:
        return str(client.post("/login", json={"user": user, "password": f"password-of-{user}"}).json()["token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def guarded(make_api: MakeApi, auth: Service) -> Service:
    return make_api(HW_AUTH_URL=auth.url)


def test_the_ledger_asks_auth_about_every_request(guarded: Service, auth: Service) -> None:
    token = login(auth)
    checks = auth.metric('hw_checks_total{result="good"}')
    with guarded.client() as client:
        assert client.get("/ledger/x").status_code == 401
        assert client.get("/ledger/x", headers=bearer("nonsense")).status_code == 401
        assert client.get("/ledger/x", headers={"Authorization": f"Basic {token}"}).status_code == 401
        assert client.get("/ledger/x", headers=[(b"Authorization", b"Bearer \xe9")]).status_code == 401
        for _ in range(3):
            assert client.get("/ledger/x", headers=bearer(token)).status_code == 404
        assert client.post("/ledger", json=BODY, headers={"Idempotency-Key": "g", **bearer(token)}).status_code == 201
    assert auth.metric('hw_checks_total{result="good"}') == checks + 4


def test_a_revoked_token_is_refused_at_once(guarded: Service, auth: Service) -> None:
    token = login(auth)
    with guarded.client() as client, auth.client() as auth_client:
        assert client.get("/ledger/x", headers=bearer(token)).status_code == 404
        assert auth_client.post("/revoke", headers=bearer(token)).status_code == 200
        assert client.get("/ledger/x", headers=bearer(token)).status_code == 401


def test_while_auth_hangs_known_tokens_pass_and_others_get_a_503(guarded: Service, auth: Service) -> None:
    known, unknown = login(auth), login(auth)
    with guarded.client() as client:
        assert client.get("/ledger/x", headers=bearer(known)).status_code == 404
        auth.signal(signal.SIGSTOP)
        try:
            refused, ready = guarded.at_once(["/ledger/x", "/ready"], **bearer(unknown))
            assert (refused.status_code, ready.status_code) == (503, 503)
            assert list(ready.json()["failing"]) == ["auth"]
            replies = guarded.at_once(["/ledger/x"] * 5, **bearer(known))
            assert [reply.status_code for reply in replies] == [404] * 5
            assert guarded.metric('hw_breaker_state{dependency="auth"}') > 0
            began_s = time.perf_counter()
            statuses = [client.get("/ledger/x", headers=bearer(known)).status_code for _ in range(5)]
            assert statuses == [404] * 5
            # One of them may have been the probe, which waits for its deadline.
            assert time.perf_counter() - began_s < 2.0
        finally:
            auth.signal(signal.SIGCONT)

        def answers() -> str | None:
            status = client.get("/ledger/x", headers=bearer(unknown)).status_code
            return None if status == 404 else str(status)

        assert wait_until("gate", answers, limit_s=10) < 2.0


def test_the_grace_ends(auth: Service) -> None:
    """A token confirmed long ago is not let in by a gate that cannot reach auth."""
    token = login(auth)
    clock = [0.0]
    request = Request({"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]})

    async def admitted(gate: Gate) -> int:
        try:
            await gate.admit(request)
        except Refusal as refusal:
            return refusal.status
        return 200

    async def play() -> list[int]:
        gate = Gate(auth.url, stuck_open=False, now_s=lambda: clock[0])
        seen = [await admitted(gate)]
        auth.stop()
        try:
            clock[0] = GRACE_S
            seen.append(await admitted(gate))
            clock[0] = GRACE_S + 0.1
            seen.append(await admitted(gate))
        finally:
            auth.start()
            await gate.close()
        return seen

    assert asyncio.run(play()) == [200, 200, 503]
