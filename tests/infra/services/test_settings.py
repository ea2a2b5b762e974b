from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.settings import SettingsError, read_api_settings, read_auth_settings

GOOD = {
    "HW_PORT": "8080",
    "HW_POSTGRES_DSN": "postgresql://ada:hush@127.0.0.1:5432/db",
    "HW_REDIS_URL": "redis://127.0.0.1:6379/0",
}


def test_defaults() -> None:
    settings = read_api_settings(GOOD)
    assert (settings.host, settings.port, settings.pool_min, settings.pool_max) == ("127.0.0.1", 8080, 5, 20)
    assert (settings.auth_url, dict(settings.defects), settings.allocations) == ("", {}, False)


@pytest.mark.parametrize(("text", "allocations"), [("", False), ("0", False), ("1", True)])
def test_allocations_are_traced_when_asked_for(text: str, allocations: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert read_api_settings(GOOD | {"HW_ALLOCATIONS": text}).allocations is allocations


def test_secrets_do_not_show() -> None:
    assert "hush" not in repr(read_api_settings(GOOD))
    assert "hush" not in repr(read_auth_settings({"HW_PORT": "1", "HW_TOKEN_SECRET": "hush"}))
    with pytest.raises(SettingsError) as refused:
        read_api_settings(GOOD | {"HW_POSTGRES_DSN": "mysql://ada:hush@h/db"})
    assert "hush" not in str(refused.value)


def test_every_mistake_is_told_at_once_in_one_line() -> None:
    with pytest.raises(SettingsError) as refused:
        read_api_settings(
            {
                "HW_PORT": "0",
                "HW_DEFECTS": "bogus",
                "HW_POOL_MIN": "30",
                "HW_AUTH_URL": "auth:80",
                "HW_ALLOCATIONS": "yes",
            }
        )
    told = str(refused.value)
    for name in (
        "HW_PORT",
        "HW_DEFECTS",
        "HW_POOL_MIN",
        "HW_AUTH_URL",
        "HW_POSTGRES_DSN",
        "HW_REDIS_URL",
        "HW_ALLOCATIONS",
    ):
        assert name in told
    assert "\n" not in told


@pytest.mark.parametrize("secret", [{}, {"HW_TOKEN_SECRET": " "}])
def test_auth_needs_a_secret(secret: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="HW_TOKEN_SECRET"):
        read_auth_settings({"HW_PORT": "1", **secret})


@given(st.dictionaries(st.sampled_from([*GOOD, "HW_HOST", "HW_AUTH_URL", "HW_POOL_MIN", "HW_DEFECTS"]), st.text()))
def test_any_environment_is_read_or_refused(environment: dict[str, str]) -> None:
    with contextlib.suppress(SettingsError):
        assert 0 < read_api_settings(GOOD | environment).port < 2**16
