from __future__ import annotations

import json

import pytest

from tests.infra.services.rig import Service


def test_login_check_revoke(auth: Service) -> None:
    with auth.client() as client:
        reply = client.post("/login", json={"user": "ada", "password": "password-of-ada"})
        assert (reply.status_code, reply.json()["expires_s"]) == (200, 3600)
        bearer = {"Authorization": f"bearer {reply.json()['token']}"}
        assert client.post("/check", headers=bearer).json() == {"user": "ada"}
        assert client.post("/revoke", headers=bearer).status_code == 200
        for path in ("/check", "/revoke"):
            refused = client.post(path, headers=bearer)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get("/health").json() == {"alive": True}
    assert auth.metric("hw_revoked") >= 1


def test_logins_at_once_get_tokens_of_their_own(auth: Service) -> None:
    with auth.client() as client:
        login = {"user": "ada", "password": "password-of-ada"}
        assert len({client.post("/login", json=login).json()["token"] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"user": "ada", "password": "password-of-bob"}, 401),
        ({"user": "ada", "password": "\u00e9"}, 401),
        ({"user": "", "password": "password-of-"}, 400),
        ({"user": "ada"}, 400),
        ({"user": 1, "password": "password-of-1"}, 400),
        ({"user": "\ud800", "password": "password-of-\ud800"}, 400),
        ([], 400),
    ],
)
def test_bad_logins(auth: Service, body: object, status: int) -> None:
    with auth.client() as client:
        assert client.post("/login", content=json.dumps(body)).status_code == status


@pytest.mark.parametrize(
    "header", [b"", b"Bearer", b"Bearer x.y", b"Basic eA==", b"Bearer " + b"x" * 5000, b"Bearer \xe9"]
)
def test_bad_tokens(auth: Service, header: bytes) -> None:
    with auth.client() as client:
        assert client.post("/check", headers=[(b"Authorization", header)]).status_code == 401
