"""The only module that breaks through Toxiproxy, and the only one with milliseconds.

The client library has no deadlines, raises for few errors and sends no token, and
the server accepts what it then ignores. So the library gets a bounded session
of ours, and every change is read back and compared.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import requests
import toxiproxy
import toxiproxy.api
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from chaos.canary import Canary, Sight
from chaos.faults import LinkState
from chaos.toxics import Toxic
from harness.errors import ChaosError, InjectionFailed

# Removing a toxic may take seconds on a busy link; a server that needs longer than this is wedged.
_LIMIT_S = 10.0
_MS = 1e3
# The library raises for these itself; every other error it takes for an answer.
_RAISED_BY_LIBRARY = frozenset({400, 404, 409})


class _BoundedSession(requests.Session):
    """A session whose every request ends in time, names us, carries the token, and raises for an error."""

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self._limit_s = limit_s
        self.trust_env = False
        # Without it, browsers' requests are refused and so would be ours by servers that look for one.
        self.headers["User-Agent"] = "heavyweather"
        if token := os.environ.get("TOXIPROXY_AUTH_TOKEN"):
            self.headers["Authorization"] = f"Bearer {token}"

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send with a deadline; raises requests.RequestException for an error as for no answer."""
        kwargs.setdefault("timeout", self._limit_s)
        response = super().request(*args, **kwargs)
        if response.status_code >= 400 and response.status_code not in _RAISED_BY_LIBRARY:
            raise requests.HTTPError(f"status {response.status_code}: {response.text[:200]}", response=response)
        return response


class ToxiproxyLink:
    """One proxy of one server, as the Link that faults break; the server has `limit_s` for each answer.

    One server a process: the library keeps its address.
    """

    def __init__(self, api_host: str, api_port: int, name: str, canary: Canary, *, limit_s: float = _LIMIT_S) -> None:
        toxiproxy.api.requests = _BoundedSession(limit_s)
        self._server = toxiproxy.Toxiproxy()
        self._server.update_api_consumer(api_host, api_port)
        self._name = name
        self._canary = canary

    @property
    def name(self) -> str:
        """The hop's name."""
        return self._name

    def add(self, name: str, toxic: Toxic) -> None:
        """Put a toxic on the link and compare what the server then says. Raises InjectionFailed."""
        wanted = _to_server(toxic.attributes)
        try:
            self._proxy().add_toxic(type=toxic.kind, stream=toxic.stream, name=name, toxicity=1.0, attributes=wanted)
        except _FAILURES as error:
            raise InjectionFailed(f"{self._name}: toxic {name} not added: {error}") from error
        found = self.state().toxics.get(name)
        asked = (toxic.kind, toxic.stream, _from_server(wanted))
        if found != asked:
            raise InjectionFailed(f"{self._name}: toxic {name}: asked for {asked}, the server has {found}")

    def remove(self, name: str) -> None:
        """Take a toxic off. Raises ChaosError when the server does not answer or still has it."""
        try:
            self._proxy().destroy_toxic(name)
        except NotFound:
            return
        except _FAILURES as error:
            raise ChaosError(f"{self._name}: toxic {name} not removed: {error}") from error
        if name in self.state().toxics:
            raise ChaosError(f"{self._name}: toxic {name} was removed and is still there")

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the one thing it sets
        """Open or close the listener, and compare. Raises ChaosError."""
        try:
            proxy = self._proxy()
            if enabled:
                proxy.enable()
            else:
                proxy.disable()
        except _FAILURES as error:
            raise ChaosError(f"{self._name}: not {'enabled' if enabled else 'disabled'}: {error}") from error
        if self.state().enabled is not enabled:
            raise ChaosError(f"{self._name}: asked for enabled={enabled}, the server has the opposite")

    def state(self) -> LinkState:
        """Read the proxy back. Raises ChaosError."""
        try:
            proxy = self._proxy()
            toxics = proxy.toxics()
        except _FAILURES as error:
            raise ChaosError(f"{self._name}: its state cannot be read: {error}") from error
        return LinkState(
            bool(proxy.enabled),
            {name: (t.type, t.stream, _from_server(t.attributes)) for name, t in toxics.items()},
        )

    def look(self) -> Sight:
        """Send a canary through the link."""
        return self._canary.look()

    def _proxy(self) -> Any:
        proxy = self._server.get_proxy(self._name)
        if proxy is None:
            raise ChaosError(f"{self._name}: the Toxiproxy server has no such proxy")
        return proxy


_FAILURES = (requests.RequestException, ValueError, InvalidToxic, NotFound, ProxyExists)


def _to_server(attributes: Mapping[str, float]) -> dict[str, int]:
    """Return attributes in the server's units: seconds `NAME_s` become whole milliseconds `NAME`."""
    return {key.removesuffix("_s"): round(value * _MS) for key, value in attributes.items()}


def _from_server(attributes: Mapping[str, int]) -> dict[str, float]:
    """Return the server's attributes in SI units; the reverse of `_to_server` for the toxics we have."""
    return {f"{key}_s": value / _MS for key, value in attributes.items()}
