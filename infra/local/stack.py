"""The local provider: the whole stack as child processes, for a machine without containers.

What depends on nothing starts side by side, then the api, which depends on all
of it; it knows its dependencies only by the addresses of their hops' proxies.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.errors import HeavyweatherError, InputError, StackError
from harness.probes import http_health, postgres_health, redis_health, toxiproxy_health
from harness.records import ProcessRef
from harness.root import ROOT
from harness.wait import wait_until
from infra.local.children import Children
from infra.local.installed import Installed, find_installed
from infra.local.postgres_server import DATABASE, SUPERUSER, postgres_program, temp_base
from infra.local.redis_server import redis_program
from infra.named import check_named_url, endpoint_of, listening_process, through
from infra.ports import free_ports
from infra.processes import Program, minimal_environment
from infra.stack import HOPS, INSTRUMENT, SERVICES, Endpoint, Handle, StackPlan
from infra.toxiproxy.server import toxiproxy_program

_INFRA = ROOT / "infra"
# Everything behind the hops is healthy by then; only the round trip is missing.
_REACHABLE_S = 10.0


class LocalStack:
    """The stack as processes; satisfies `infra.stack.Stack`. One that is not `reaped` outlives its runner."""

    provider = "local"

    def __init__(self, plan: StackPlan, *, reaped: bool = True) -> None:
        self._plan = plan
        self._reaped = reaped
        self._run_folder = plan.run_folder.resolve()
        self._children: Children | None = None
        self._installed: Installed | None = None
        self._absent: dict[str, str] = {}
        self._versions: dict[str, str] = {}
        self._password = secrets.token_urlsafe(16)
        self._token_secret = secrets.token_urlsafe(32)
        self._services: dict[str, Endpoint] = {}
        self._hops: dict[str, Endpoint] = {}

    def up(self) -> None:
        """Start everything but what the target names, and wait until each service proves healthy, hops included."""
        for service, url in self._plan.named.items():
            try:
                check_named_url(service, url, self._plan.allow)
            except ValueError as error:
                raise InputError("target", f"services.{service}.url", url, str(error)) from None
        self._installed = find_installed(self._plan.named)
        self._choose_addresses()
        try:
            self._run_folder.mkdir(parents=True, exist_ok=True)
            self._children = Children(
                self._plan.run_id,
                self._run_folder,
                temp_base(),
                addresses={**self._services, **{f"hop {name}": hop for name, hop in self._hops.items()}},
                reaped=self._reaped,
            )
            self._children.bring_up(self._start)
            self._verify_hops()
            self._versions = self._seen_versions()
        except BaseException as failure:
            # Also for Ctrl-C: nothing may outlive a stack that never came up.
            try:
                self.down()
            except HeavyweatherError as error:
                failure.add_note(f"and taking the stack down failed: {error}")
            raise

    def down(self) -> None:
        """End everything that was started, last first; the logs stay in the run folder."""
        if self._children:
            self._children.end_all()
            self._children = None

    def endpoint(self, service: str) -> Endpoint:
        """Return a service's own address, past the proxies."""
        return _known(self._services, service, "service")

    def proxy_endpoint(self, hop: str) -> Endpoint:
        """Return the address of a hop's proxy."""
        return _known(self._hops, hop, "hop")

    def postgres_dsn(self) -> str:
        """Return the DSN of the stack's database, past the proxies."""
        own = f"postgresql://{SUPERUSER}:{self._password}@{self.endpoint('postgres')}/{DATABASE}"
        return self._plan.named.get("postgres", own)

    def redis_url(self) -> str:
        """Return the URL of the stack's Redis, past the proxies."""
        return self._plan.named.get("redis", f"redis://{self.endpoint('redis')}/0")

    def services(self) -> tuple[ProcessRef, ...]:
        """Return each service's process; named ones whose process is not shown are left out."""
        marks = self._running().marks()
        refs = {service: ProcessRef(service, mark.process) for service, mark in marks.items()}
        for service in self._plan.named:
            if ref := listening_process(service, self.endpoint(service)):
                refs[service] = ref
        return tuple(refs[service] for service in SERVICES if service in refs)

    def handles(self) -> Mapping[str, Handle]:
        """Return the services that may be ended and paused, by name."""
        return {s: self._handle(s, mark.stop) for s, mark in self._running().marks().items() if s not in self.spared()}

    def spared(self) -> Mapping[str, str]:
        """Return the services that must not be, each with its reason: the run could not start a named one again."""
        named = dict.fromkeys(self._plan.named, "the target names it, and it is not ours to start again")
        return {**named, **self._absent, "toxiproxy": INSTRUMENT}

    def _handle(self, service: str, stop: str) -> Handle:
        def ref() -> ProcessRef:
            return ProcessRef(service, self._running().mark(service).process)

        return Handle(
            ref=ref,
            stop=stop,
            start_again=lambda: self._running().start_again(service),
            wait_healthy=lambda: self._wait_healthy(service),
            health=lambda: self._health(service),
        )

    def folders(self) -> Mapping[str, Path]:
        """Return the folder on whose disk each store that was started keeps its data."""
        return {} if "postgres" in self._plan.named else {"postgres": self._running().folder / "pg"}

    def absent(self) -> Mapping[str, str]:
        """Return the optional services that did not come up, each with its reason."""
        return dict(self._absent)

    def versions(self) -> Mapping[str, str]:
        """Return what runs: each service's version and where it is from."""
        return dict(self._versions)

    def _running(self) -> Children:
        if self._children is None:
            raise StackError("the local stack is not up")
        return self._children

    def _choose_addresses(self) -> None:
        ports = iter(free_ports(len(SERVICES) + len(HOPS)))
        named = {service: endpoint_of(url) for service, url in self._plan.named.items()}
        self._services = {s: named.get(s) or Endpoint("127.0.0.1", next(ports)) for s in SERVICES}
        fixed = self._plan.hops
        self._hops = {hop.name: Endpoint("127.0.0.1", fixed.get(hop.name) or next(ports)) for hop in HOPS}

    def _start(self) -> None:
        """Bring up what depends on nothing, all at once, then the api, which depends on all of it."""
        children = self._running()
        first = (self._start_postgres, self._start_redis, self._start_toxiproxy, self._start_auth)
        with ThreadPoolExecutor(max_workers=len(first)) as starters:
            done, _ = wait([starters.submit(step) for step in first], return_when=FIRST_EXCEPTION)
            if failures := [failure for step in done if (failure := step.exception())]:
                # The others' waits would be in vain.
                children.refuse_more()
                raise failures[0]
        self._start_api()

    def _start_postgres(self) -> None:
        children, port = self._running(), self.endpoint("postgres").port
        if install := self._find().postgres:
            folder = children.make_folder("pg")
            children.start(postgres_program(install, port=port, folder=folder, password=self._password))
        self._wait_healthy("postgres")

    def _start_redis(self) -> None:
        children, port = self._running(), self.endpoint("redis").port
        if install := self._find().redis:
            children.start(redis_program(install, port=port, folder=children.make_folder("redis")))
        self._wait_healthy("redis")

    def _start_toxiproxy(self) -> None:
        children, endpoint = self._running(), self.endpoint("toxiproxy")
        config = self._run_folder / "toxiproxy.json"
        proxies = [
            {
                "name": hop.name,
                "listen": str(self._hops[hop.name]),
                "upstream": str(self.endpoint(hop.callee)),
                "enabled": True,
            }
            for hop in HOPS
        ]
        config.write_text(json.dumps(proxies, indent=2) + "\n", encoding="utf-8")
        server = self._find().toxiproxy
        children.start(toxiproxy_program(server, port=endpoint.port, config=config, folder=self._run_folder))
        self._wait_healthy("toxiproxy")

    def _start_auth(self) -> None:
        children = self._running()
        try:
            if "auth" not in self._plan.named:
                children.start(self._service("auth"))
            self._wait_healthy("auth")
        except HeavyweatherError as error:
            if "auth" in self._plan.required:
                raise
            children.end("auth")
            self._absent["auth"] = str(error)

    def _start_api(self) -> None:
        children, url = self._running(), self.endpoint("api").url
        if "api" not in self._plan.named:
            hops = {
                "HW_POSTGRES_DSN": through(self.postgres_dsn(), self._hops["api_postgres"]),
                "HW_REDIS_URL": through(self.redis_url(), self._hops["api_redis"]),
                "HW_AUTH_URL": "" if "auth" in self._absent else self._hops["api_auth"].url,
            }
            children.start(self._service("api", **hops))
        self._wait_healthy("api")
        if "api" not in self._plan.named:
            # Ready, not just alive: it answers only when the hops behind it work.
            children.wait_healthy("api", lambda: http_health(f"{url}/ready"))

    def _wait_healthy(self, service: str) -> None:
        self._running().wait_healthy(service, lambda: self._health(service))

    def _health(self, service: str) -> str | None:
        """Ask a service once, past the proxies."""
        endpoint = self.endpoint(service)
        if service == "postgres":
            return postgres_health(self.postgres_dsn())
        if service == "redis":
            parts = urlsplit(self.redis_url())
            user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
            return redis_health(endpoint.host, endpoint.port, username=user, password=password)
        if service == "toxiproxy":
            return toxiproxy_health(endpoint.url, self._hops)
        return http_health(f"{endpoint.url}/health")

    def _service(self, name: str, **more: str) -> Program:
        environment = minimal_environment(
            HW_HOST="127.0.0.1",
            HW_PORT=str(self.endpoint(name).port),
            HW_TOKEN_SECRET=self._token_secret,
            HW_DEFECTS=",".join(self._plan.defects),
            HW_ALLOCATIONS="1" if self._plan.allocations else "",
            PYTHONUNBUFFERED="1",
            # glibc gives each thread an arena of its own and seldom gives one back:
            # with many, RSS grows for reasons that are no leak.
            MALLOC_ARENA_MAX="2",
            **more,
        )
        return Program(name, (sys.executable, "-m", f"services.{name}"), _INFRA, environment)

    def _verify_hops(self) -> None:
        """See the clients' way in work end to end; the api's readiness has shown the hops behind it."""
        for hop in ("client_api", *(() if "auth" in self._absent else ("client_auth",))):
            url = f"{self._hops[hop].url}/health"
            wait_until(f"hop {hop}", lambda url=url: http_health(url), limit_s=_REACHABLE_S)  # type: ignore[misc] # bound now
        for service in SERVICES:
            if trouble := self._running().trouble(service):
                raise StackError(trouble)

    def _find(self) -> Installed:
        if self._installed is None:
            raise StackError("the local stack is not up")
        return self._installed

    def _seen_versions(self) -> dict[str, str]:
        seen = self._find().versions(dsn=self.postgres_dsn(), redis_url=self.redis_url())
        versions = {service: version for service, version in seen.items() if service not in self._absent}
        measured = {ref.service for ref in self.services()}
        for service in set(self._plan.named).difference(self._absent):
            version = f"{versions[service]}, " if service in ("postgres", "redis") else ""
            note = "" if service in measured else ", not measured: its process is not visible from here"
            versions[service] = f"{version}named by the target{note}"
        return versions


def _known(table: Mapping[str, Endpoint], name: str, kind: str) -> Endpoint:
    if name not in table:
        raise StackError(f"no {kind} {name!r} in the local stack; it has: {', '.join(table) or 'nothing yet'}")
    return table[name]
