"""The auth service: logins in, tokens out, and a yes or no to whoever asks about one."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from .allocations import Allocations
from .metrics import Metrics
from .replies import REFUSALS, Json, Refusal, Unavailable, check_text, read_bearer, read_record, unauthorized
from .serve import serve
from .settings import AuthSettings, read_auth_settings
from .tokens import LIFETIME_S, RevocationsFull, Tokens

_TEXT_LIMIT = 200


class Auth:
    """The parts of one auth process."""

    def __init__(self, settings: AuthSettings) -> None:
        self._tokens = Tokens(settings.token_secret)
        self._metrics = Metrics()
        self._allocations = Allocations(traced=settings.allocations)
        self._good = self._bad = self._logins = 0
        self._metrics.watch("hw_logins_total", "Tokens issued.", lambda: self._logins)
        self._metrics.watch("hw_checks_total", "Tokens checked.", lambda: self._good, result="good")
        self._metrics.watch("hw_checks_total", "Tokens checked.", lambda: self._bad, result="bad")
        self._metrics.watch("hw_revoked", "Revocations remembered.", lambda: self._tokens.revoked)
        self._metrics.watch("hw_cache_bytes", "Bytes in caches of this process.", lambda: self._tokens.cache_bytes)

    def app(self) -> ASGIApp:
        """Return the application."""
        routes: list[BaseRoute] = [
            Route("/health", _health, methods=["GET"]),
            *self._metrics.routes(),
            *self._allocations.routes(),
            Route("/login", self._login, methods=["POST"]),
            Route("/check", self._check, methods=["POST"]),
            Route("/revoke", self._revoke, methods=["POST"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=REFUSALS)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._metrics.start()
        self._allocations.start()
        try:
            yield
        finally:
            self._allocations.stop()
            self._metrics.stop()

    async def _login(self, request: Request) -> Response:
        body = await read_record(request, user=str, password=str)
        user = check_text("user", body["user"], _TEXT_LIMIT)
        password = check_text("password", body["password"], 2 * _TEXT_LIMIT)
        # No store of users is under test, so a password that follows from its user will do.
        if not hmac.compare_digest(password.encode(), f"password-of-{user}".encode()):
            raise Refusal(401, "wrong user or password")
        self._logins += 1
        return Json({"token": self._tokens.issue(user), "expires_s": LIFETIME_S})

    async def _check(self, request: Request) -> Response:
        user = self._tokens.user_of(read_bearer(request))
        if user is None:
            self._bad += 1
            raise unauthorized("the token is not valid")
        self._good += 1
        return Json({"user": user})

    async def _revoke(self, request: Request) -> Response:
        try:
            revoked = self._tokens.revoke(read_bearer(request))
        except RevocationsFull as error:
            raise Unavailable("revocations", str(error)) from error
        if not revoked:
            raise unauthorized("the token is not valid")
        return Json({"revoked": True})


async def _health(_request: Request) -> Response:
    return Json({"alive": True})


def build(settings: AuthSettings) -> ASGIApp:
    """Return the auth application."""
    return Auth(settings).app()


if __name__ == "__main__":
    serve(read_auth_settings, build)
