"""The only module that breaks through Toxiproxy, and the only one with milliseconds.

The client library has no deadlines, raises for few errors, sends no token and cannot
change a toxic, and the server accepts what it then ignores. So the library gets a
bounded session of ours, and every change is read back and compared.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import requests
import toxiproxy
import toxiproxy.api
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from chaos.canary.canary import Canary
from chaos.observed import Observed
from chaos.targets import LinkState, Toxic
from harness.errors import ChaosError, InjectionFailed

if TYPE_CHECKING:
    from chaos.faults.links.server import Restart

# Removing a toxic may take seconds on a busy link; a server that needs longer than this is wedged.
LIMIT_S = 10.0
# A whole server lists its proxies at once; getting out of a wedge must not take as long as getting into it.
_QUICK_S = 3.0
_MS = 1e3
_US = 1e6
_PER_KB = 1e-3
# The library raises for these itself; every other error it takes for an answer.
_RAISED_BY_LIBRARY = frozenset({400, 404, 409})
_NO_ANSWER_IN_TIME = 503

# What holds data back.
_HOLDING = frozenset({"latency", "bandwidth", "slicer"})
# Lets everything pass, also what is held. A rate is never changed in place: a connection that waits between two pieces
# cuts the next one by the new rate, beyond what it has, and the whole server ends (2.12, bandwidth.go).
_PASSING = {"toxicity": 0}

# Toxic to its attributes in SI, each with the server's name for it and how many of the server's units make one.
_UNITS: Mapping[str, Mapping[str, tuple[str, float]]] = {
    "noop": {},
    "latency": {"latency_s": ("latency", _MS), "jitter_s": ("jitter", _MS)},
    "bandwidth": {"bytes_per_s": ("rate", _PER_KB)},
    "slow_close": {"delay_s": ("delay", _MS)},
    "timeout": {"timeout_s": ("timeout", _MS)},
    "reset_peer": {"timeout_s": ("timeout", _MS)},
    "slicer": {
        "size_bytes": ("average_size", 1),
        "variation_bytes": ("size_variation", 1),
        "delay_s": ("delay", _US),
    },
    "limit_data": {"limit_bytes": ("bytes", 1)},
}


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


class Proxy:
    """One proxy of one server, which has `limit_s` for each answer."""

    def __init__(self, api_host: str, api_port: int, name: str, *, limit_s: float = LIMIT_S) -> None:
        self._host = api_host
        self._port = api_port
        self._name = name
        self._session = _BoundedSession(limit_s)
        self._quick_s = min(limit_s, _QUICK_S)
        self.address = f"{api_host}:{api_port}"

    @property
    def name(self) -> str:
        """The hop's name."""
        return self._name

    def add(self, name: str, toxic: Toxic) -> None:
        """Add a toxic to the link and compare what the server then says. Raises InjectionFailed."""
        wanted = _to_server(toxic)
        with self._library(f"toxic {name} not added", InjectionFailed) as server:
            self._find(server).add_toxic(
                type=toxic.kind, stream=toxic.stream, name=name, toxicity=toxic.toxicity, attributes=wanted
            )
        self._compare(name, toxic)

    def update(self, name: str, toxic: Toxic) -> None:
        """Change a toxic that is there to the attributes of `toxic`, of its kind and direction, and compare.

        Raises InjectionFailed.
        """
        if toxic.kind == "bandwidth" and name in self.state().toxics:
            self.remove(name)
            self.add(name, toxic)
            return
        changes = {"attributes": _to_server(toxic), "toxicity": toxic.toxicity}
        with self._library(f"toxic {name} not changed", InjectionFailed):
            self._change(name, changes)
        self._compare(name, toxic)

    def remove(self, name: str) -> None:
        """Remove a toxic. Raises ChaosError when the server does not answer or still has it.

        First it is made to hold nothing back: of a connection whose end has gone the server notices only when it
        writes to it, and while it removes a toxic it waits 5 s for each piece of data that is not read any more.
        """
        with self._library(f"toxic {name} not removed") as server:
            proxy = self._find(server)
            with contextlib.suppress(NotFound):
                if (toxic := proxy.get_toxic(name)) and toxic.type in _HOLDING:
                    self._change(name, _PASSING)
                proxy.destroy_toxic(name)
        if name in self.state().toxics:
            raise ChaosError(f"{self._name}: toxic {name} was removed and is still there")

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the one thing it sets
        """Open or close the listener, and compare. Raises ChaosError."""
        with self._library(f"not {'enabled' if enabled else 'disabled'}") as server:
            proxy = self._find(server)
            if enabled:
                proxy.enable()
            else:
                proxy.disable()
        if self.state().enabled is not enabled:
            raise ChaosError(f"{self._name}: asked for enabled={enabled}, the server has the opposite")

    def state(self) -> LinkState:
        """Read the proxy back. Raises ChaosError."""
        with self._library("its state cannot be read") as server:
            proxy = self._find(server)
            toxics = proxy.toxics()
        found = {name: (t.type, t.stream, _from_server(t.type, t.attributes)) for name, t in toxics.items()}
        return LinkState(bool(proxy.enabled), found)

    def ends(self) -> tuple[str, str]:
        """Return where the proxy listens and where it leads, HOST:PORT each. Raises ChaosError."""
        with self._library("its ends cannot be read") as server:
            proxy = self._find(server)
        return str(proxy.listen), str(proxy.upstream)

    def exists(self) -> bool:
        """Whether the server has the proxy. Raises ChaosError."""
        with self._library("the proxies cannot be listed") as server:
            return server.get_proxy(self._name) is not None

    def lists_in_time(self) -> bool:
        """Whether the server lists its proxies at once: its only sign of health, `/version` answers even when stuck."""
        with contextlib.suppress(requests.RequestException):
            return self._session.get(f"http://{self.address}/proxies", timeout=self._quick_s).ok
        return False

    def make_anew(self, listen: str, upstream: str) -> None:
        """Delete the proxy with all its toxics and connections, and create it, enabled, within seconds.

        Raises ChaosError.
        """
        proxies = f"http://{self.address}/proxies"
        wanted = {"name": self._name, "listen": listen, "upstream": upstream, "enabled": True}
        try:
            self._session.delete(f"{proxies}/{self._name}", timeout=self._quick_s)
            self._session.post(proxies, json=wanted, timeout=self._quick_s)
        except requests.RequestException as error:
            raise ChaosError(f"{self._name}: not created again: {error}") from error
        if not self.state().whole:
            raise ChaosError(f"{self._name}: was created again and is not whole")

    def _compare(self, name: str, toxic: Toxic) -> None:
        with self._library(f"toxic {name} not read back", InjectionFailed) as server:
            found = self._find(server).get_toxic(name)
        asked = (toxic.kind, toxic.stream, toxic.toxicity, _from_server(toxic.kind, _to_server(toxic)))
        has = (found.type, found.stream, found.toxicity, _from_server(found.type, found.attributes)) if found else None
        if has != asked:
            raise InjectionFailed(f"{self._name}: toxic {name}: asked for {asked}, the server has {has}")

    def _change(self, name: str, changes: Mapping[str, object]) -> None:
        """Change a toxic; the library has no such call of its own. Called while the library is lent."""
        APIConsumer.post(f"/proxies/{self._name}/toxics/{name}", json=changes)

    def _find(self, server: Any) -> Any:
        proxy = server.get_proxy(self._name)
        if proxy is None:
            raise ChaosError(f"{self._name}: the Toxiproxy server has no such proxy")
        return proxy

    @contextlib.contextmanager
    def _library(self, trouble: str, error_class: type[ChaosError] = ChaosError) -> Iterator[Any]:
        """Lend the library, which keeps one address and one session for all: both ours while inside."""
        with _LIBRARY:
            toxiproxy.api.requests = self._session
            server = toxiproxy.Toxiproxy()
            server.update_api_consumer(self._host, self._port)
            try:
                yield server
            except _FAILURES as error:
                raise error_class(f"{self._name}: {trouble}: {error}") from error


class ToxiproxyLink(Proxy):
    """A proxy with a canary through it: the Link that faults break. `restart` is how its server is started again."""

    def __init__(
        self,
        api_host: str,
        api_port: int,
        name: str,
        canary: Canary,
        *,
        limit_s: float = LIMIT_S,
        restart: Restart | None = None,
    ) -> None:
        super().__init__(api_host, api_port, name, limit_s=limit_s)
        self.canary = canary
        self._restart = restart
        self._ends: tuple[str, str] | None = None

    @property
    def place(self) -> Mapping[str, object]:
        """What a step needs to find the link again, and to create it again. Raises ChaosError."""
        # Read once, before anything is broken: a wedged server does not answer.
        listen, upstream = self._ends = self._ends or self.ends()
        place = {"api": self.address, "proxy": self._name, "listen": listen, "upstream": upstream}
        return {**place, "restart": self._restart.as_args()} if self._restart else place

    def observe(self) -> Observed:
        """Send a canary through the link."""
        return self.canary.observe()


def unanswered(error: BaseException) -> bool:
    """Whether a call failed because the server did not answer it in time, or said that it could not."""
    cause = error.__cause__
    response = getattr(cause, "response", None)
    return isinstance(cause, requests.Timeout) or (response is not None and response.status_code == _NO_ANSWER_IN_TIME)


_LIBRARY = threading.RLock()
_FAILURES = (requests.RequestException, ValueError, InvalidToxic, NotFound, ProxyExists)


def _to_server(toxic: Toxic) -> dict[str, int]:
    """Return a toxic's attributes as the server has them, in whole units of its own."""
    units = _UNITS[toxic.kind]
    return {units[key][0]: round(value * units[key][1]) for key, value in toxic.attributes.items()}


def _from_server(kind: str, attributes: Mapping[str, int]) -> dict[str, float]:
    """Return the server's attributes in SI units; what is none of ours stays as it is."""
    names = {name: (key, scale) for key, (name, scale) in _UNITS.get(kind, {}).items()}
    found = {}
    for name, value in attributes.items():
        key, scale = names.get(name, (name, 1))
        found[key] = value / scale
    return found
