"""What a service is told by its environment: read once, checked whole, then frozen.

Nothing else reads the environment. Values that break a rule are reported
together in one line, because a container that restarts to show the next
mistake wastes a person's time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from .defects import parse_defects

T = TypeVar("T")

# PostgreSQL would refuse more long before; a larger number is a slip of the hand.
_POOL_CEILING = 1000


class SettingsError(ValueError):
    """One line that names every variable that breaks its rule; it never shows a secret."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What both services need; `defects` is defect name to its number, `allocations` whether they are traced."""

    host: str
    port: int
    defects: Mapping[str, int]
    allocations: bool


@dataclass(frozen=True, slots=True)
class AuthSettings(Settings):
    """What auth needs; `token_secret` signs its tokens."""

    token_secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiSettings(Settings):
    """What api needs; `auth_url` is empty in a stack without auth, whose tokens are not checked."""

    postgres_dsn: str = field(repr=False)
    redis_url: str = field(repr=False)
    auth_url: str
    pool_min: int
    pool_max: int


def read_auth_settings(environment: Mapping[str, str]) -> AuthSettings:
    """Return auth's settings. Raises SettingsError."""
    reader = _Reader(environment)
    settings = AuthSettings(*_shared(reader), token_secret=reader.read("HW_TOKEN_SECRET", None, _secret, b""))
    reader.check()
    return settings


def read_api_settings(environment: Mapping[str, str]) -> ApiSettings:
    """Return api's settings. Raises SettingsError."""
    reader = _Reader(environment)
    settings = ApiSettings(
        *_shared(reader),
        postgres_dsn=reader.read("HW_POSTGRES_DSN", None, _url("postgresql", "postgres"), ""),
        redis_url=reader.read("HW_REDIS_URL", None, _url("redis", "rediss"), ""),
        auth_url=reader.read("HW_AUTH_URL", "", _url_or_empty, "").rstrip("/"),
        pool_min=reader.read("HW_POOL_MIN", "5", _whole(0, _POOL_CEILING), 0),
        pool_max=reader.read("HW_POOL_MAX", "20", _whole(1, _POOL_CEILING), _POOL_CEILING),
    )
    if settings.pool_min > settings.pool_max:
        reader.errors.append(f"HW_POOL_MIN = {settings.pool_min} must not exceed HW_POOL_MAX = {settings.pool_max}")
    reader.check()
    return settings


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.errors: list[str] = []

    def read(self, name: str, default: str | None, parse: Callable[[str], T], fallback: T) -> T:
        """Return the variable parsed, or `fallback` after noting what is wrong; no `default` means required."""
        text = self._environment.get(name, default)
        if text is None:
            self.errors.append(f"{name} must be set")
            return fallback
        try:
            return parse(text)
        except ValueError as error:
            self.errors.append(f"{name}: {error}")
            return fallback

    def check(self) -> None:
        if self.errors:
            raise SettingsError("; ".join(self.errors))


def _shared(reader: _Reader) -> tuple[str, int, Mapping[str, int], bool]:
    host = reader.read("HW_HOST", "127.0.0.1", _not_empty, "")
    port = reader.read("HW_PORT", None, _whole(1, 65535), 0)
    no_defects: Mapping[str, int] = {}
    defects = reader.read("HW_DEFECTS", "", parse_defects, no_defects)
    return host, port, defects, reader.read("HW_ALLOCATIONS", "", _switch, fallback=False)


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _switch(text: str) -> bool:
    if text not in {"", "0", "1"}:
        raise ValueError(f"must be 1, 0 or empty, not {text[:20]!r}")
    return text == "1"


def _secret(text: str) -> bytes:
    return _not_empty(text).encode()


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}, not {text[:20]!r}")
        return int(text)

    return parse


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        rule = f"must be {schemes[0]}://HOST:PORT..."
        try:
            parts = urlsplit(text)
            fine = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fine = False
        if not fine:
            # The value may carry a password, so the rule alone must do.
            raise ValueError(rule)
        return text

    return parse


def _url_or_empty(text: str) -> str:
    return _url("http", "https")(text) if text else ""
