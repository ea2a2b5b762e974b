from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.tokens import LIFETIME_S, RevocationsFull, Tokens


class Clock:
    def __init__(self) -> None:
        self.now_s = 1e9

    def __call__(self) -> float:
        return self.now_s


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_token_names_its_user(user: str) -> None:
    tokens = Tokens(b"secret")
    assert tokens.user_of(tokens.issue(user)) == user


@given(st.text(max_size=300))
def test_any_other_text_is_no_token(text: str) -> None:
    assert Tokens(b"secret").user_of(text) is None


TOKENS = Tokens(b"secret")
TOKEN = TOKENS.issue("ada")


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="utf-8"))
def test_one_changed_character_makes_it_bad(place: int, character: str) -> None:
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert TOKENS.user_of(changed) == ("ada" if changed == TOKEN else None)


def test_another_secret_does_not_know_it() -> None:
    assert Tokens(b"other").user_of(Tokens(b"secret").issue("ada")) is None


def test_a_payload_cannot_be_swapped_under_its_signature() -> None:
    tokens = Tokens(b"secret")
    _, _, signature = tokens.issue("ada").partition(".")
    forged = json.dumps({"user": "root", "expires_at_s": 9e9, "id": "x"}).encode()
    assert tokens.user_of(f"{base64.urlsafe_b64encode(forged).decode().rstrip('=')}.{signature}") is None


def test_it_expires() -> None:
    clock = Clock()
    tokens = Tokens(b"secret", now_s=clock)
    token = tokens.issue("ada")
    clock.now_s += LIFETIME_S - 1
    assert tokens.user_of(token) == "ada"
    clock.now_s += 1
    assert tokens.user_of(token) is None


def test_revoking_ends_one_token_only() -> None:
    tokens = Tokens(b"secret")
    first, second = tokens.issue("ada"), tokens.issue("ada")
    assert tokens.revoke(first)
    assert not tokens.revoke(first)
    assert not tokens.revoke("nonsense")
    assert (tokens.user_of(first), tokens.user_of(second)) == (None, "ada")


def test_revocations_are_bounded_and_expired_ones_make_room() -> None:
    clock = Clock()
    tokens = Tokens(b"secret", revoked_most=2, now_s=clock)
    early = [tokens.issue("ada") for _ in range(3)]
    assert tokens.revoke(early[0])
    assert tokens.revoke(early[1])
    with pytest.raises(RevocationsFull):
        tokens.revoke(early[2])
    assert tokens.user_of(early[0]) is None
    clock.now_s += LIFETIME_S
    assert tokens.revoke(tokens.issue("ada"))
    assert tokens.revoked == 1
