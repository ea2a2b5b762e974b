"""The container provider: the whole stack as one Compose project, named after its run.

Compose starts and stops. Whether a service is healthy is judged from the host,
by the same probes as for any other provider: the engine's own checks would have
to be frequent to be quick, and would burden what is measured. What a failure or
a Ctrl-C leaves half-made is removed by its project label, because Compose, once
interrupted, no longer knows what the engine went on to create.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import docker
from docker.errors import APIError

from harness.errors import HeavyweatherError, InputError, NotReady, StackError
from harness.identity import ProcessId
from harness.probes import http_health, postgres_health, redis_health, toxiproxy_health
from harness.records import ContainerRef
from harness.root import ROOT
from harness.wait import wait_until
from infra import engine
from infra.compose.projects import (
    SERVICE_LABEL,
    containers,
    death,
    leftover_projects,
    project_name,
    remove_project,
    save_logs,
    sweep,
)
from infra.images.choice import KINDS, Choice, choose, variable
from infra.images.supply import is_present, supply
from infra.ports import free_ports
from infra.stack import HOPS, INSTRUMENT, SERVICES, Endpoint, Handle, StackPlan

__all__ = ["COMPOSE_FILE", "ComposeStack", "leftover_projects", "remove_project"]

COMPOSE_FILE = ROOT / "docker-compose.yml"

# A service is healthy within seconds on two slow cores: by then it is one that will never be.
_HEALTHY_S = 60.0
_DIRECT_S = 1.0
_UP = ("up", "--detach", "--no-build", "--pull", "never")
# A first pull on a slow line, or a first build.
_FETCH_S = 1800.0
_COMMAND_S = 180.0
_GRACE_S = 5
_VERSION_COMMANDS = {"postgres": ["postgres", "--version"], "redis": ["redis-server", "--version"]}


def _port_variables() -> dict[str, str]:
    """Return what each published port is for (a service, or "hop NAME"), with the variable that sets it."""
    return {
        **{service: f"HW_PORT_{service.upper()}" for service in SERVICES},
        **{f"hop {hop.name}": f"HW_PORT_HOP_{hop.name.upper()}" for hop in HOPS},
    }


class ComposeStack:
    """The stack in containers; satisfies `infra.stack.Stack`. `files` are Compose files, later ones override."""

    provider = "compose"

    def __init__(self, plan: StackPlan, *, files: Iterable[Path] = (COMPOSE_FILE,)) -> None:
        self.project = project_name(plan.run_id)
        self._plan = plan
        self._files = tuple(files)
        self._docker: docker.DockerClient | None = None
        self._environment: dict[str, str] = {}
        self._ports: dict[str, int] = {}
        self._password = secrets.token_urlsafe(16)
        self._proxy_address: str | None = None
        self._absent: dict[str, str] = {}
        self._versions: dict[str, str] = {}

    @engine.answering()
    def up(self) -> None:
        """Start everything and wait until each service proves healthy through its proxies as well."""
        if self._plan.named:
            service, url = next(iter(self._plan.named.items()))
            rule = "the compose provider starts every service itself; name services with --stack local only"
            raise InputError("target", f"services.{service}.url", url, rule)
        compose = engine.compose_version()
        self._docker = self._connect_alone()
        self._absent = {}
        try:
            self._environment = self._fresh_environment()
            choices = self._fetch_images()
            self._start()
            self._versions = {**self._seen_versions(choices), "compose": compose}
        except BaseException as failure:
            # Also for Ctrl-C: containers must not outlive their run.
            try:
                # At once: a program still starting as a container's first process ignores SIGTERM.
                self._take_down(grace_s=0)
            except HeavyweatherError as error:
                failure.add_note(f"and taking the stack down failed: {error}")
            raise

    @engine.answering()
    def down(self) -> None:
        """Save every service's log, stop everything and remove it: containers, network and volume."""
        self._take_down(grace_s=_GRACE_S)

    def _take_down(self, *, grace_s: int) -> None:
        if (client := self._docker) is None:
            return
        # A paused container cannot act on a polite stop and would use up the whole grace period.
        for container in containers(client, self.project):
            if container.status == "paused":
                with contextlib.suppress(APIError):
                    container.unpause()
        # What Compose fails to do is done by the sweep, so its exit code decides nothing.
        with contextlib.suppress(StackError):
            self._compose("stop", "--timeout", str(grace_s), limit_s=_COMMAND_S)
        # After the stop, so that what a service wrote while it stopped is in its log.
        save_logs(client, self.project, self._plan.run_folder)
        with contextlib.suppress(StackError):
            self._compose("down", "--volumes", "--remove-orphans", "--timeout", "0", limit_s=_COMMAND_S)
        sweep(client, self.project)
        # Only now: cut short, it can be called again.
        self._docker = None
        client.close()

    def endpoint(self, service: str) -> Endpoint:
        """Return a service's own published address."""
        return Endpoint("127.0.0.1", self._port(service))

    def proxy_endpoint(self, hop: str) -> Endpoint:
        """Return where a hop's proxy listened at `up`: its container's own address, or else its published port.

        Behind a published port on the loopback stands a forwarder of Docker's that accepts
        for its own part: through it a refusal or a reset arrives as an orderly close.
        """
        published = self._port(f"hop {hop}")
        if self._proxy_address is None:
            return Endpoint("127.0.0.1", published)
        return Endpoint(self._proxy_address, next(each.port for each in HOPS if each.name == hop))

    def postgres_dsn(self) -> str:
        """Return the DSN of the stack's database, past the proxies."""
        return f"postgresql://heavyweather:{self._password}@{self.endpoint('postgres')}/heavyweather"

    def redis_url(self) -> str:
        """Return the URL of the stack's Redis, past the proxies."""
        return f"redis://{self.endpoint('redis')}/0"

    @engine.answering()
    def services(self) -> tuple[ContainerRef, ...]:
        """Return the containers as they are now: one that was made again has a new id."""
        found = {c.labels[SERVICE_LABEL]: str(c.id) for c in containers(self._client(), self.project)}
        where = engine.address()
        return tuple(ContainerRef(service, found[service], where) for service in SERVICES if service in found)

    def handles(self) -> Mapping[str, Handle]:
        """Return the services that may be ended and paused, by name: a container stays the same over both."""
        spared = self.spared()
        return {ref.service: self._handle(ref) for ref in self.services() if ref.service not in spared}

    def spared(self) -> Mapping[str, str]:
        """Return the services that must not be, each with its reason."""
        return {**self._absent, "toxiproxy": INSTRUMENT}

    def _handle(self, ref: ContainerRef) -> Handle:
        service = ref.service
        return Handle(
            ref=lambda: ref,
            stop="SIGTERM",
            start_again=lambda: self._start_again(ref),
            wait_healthy=lambda: self._wait_until(service, lambda: self._health(service)),
            health=lambda: self._health(service),
        )

    @engine.answering()
    def _start_again(self, ref: ContainerRef) -> None:
        self._client().containers.get(ref.container_id).start()

    def folders(self) -> Mapping[str, Path]:
        """Return nothing: the data is in volumes, and where those are is the engine's own."""
        return {}

    def absent(self) -> Mapping[str, str]:
        """Return the optional services that did not come up, each with its reason."""
        return dict(self._absent)

    def versions(self) -> Mapping[str, str]:
        """Return what runs: each service's version and image, the engine's and Compose's versions."""
        return dict(self._versions)

    def _connect_alone(self) -> docker.DockerClient:
        """Return a client, having made sure that a failure of ours cannot take down another user's stack."""
        client = engine.connect()
        if containers(client, self.project):
            client.close()
            raise StackError(
                f"project {self.project} exists already; `docker compose -p {self.project} down -v` ends it"
            )
        return client

    def _client(self) -> docker.DockerClient:
        if self._docker is None:
            raise StackError(f"stack {self.project} is not up")
        return self._docker

    def _port(self, name: str) -> int:
        if name not in self._ports:
            raise StackError(
                f"stack {self.project} publishes no {name!r}; it has: {', '.join(self._ports) or 'nothing'}"
            )
        return self._ports[name]

    def _fresh_environment(self) -> dict[str, str]:
        variables = _port_variables()
        self._ports = dict(zip(variables, free_ports(len(variables)), strict=True))
        return {
            **os.environ,
            **{variables[name]: str(port) for name, port in self._ports.items()},
            # We watch from outside, so nothing needs to wait for the engine's own checks, nor have many of them.
            "HW_START_AFTER": "service_started",
            "HW_HEALTH_INTERVAL": "30s",
            "HW_RUN_ID": self._plan.run_id,
            "HW_RUNNER": str(ProcessId.own()),
            "HW_DEFECTS": ",".join(self._plan.defects),
            "HW_ALLOCATIONS": "1" if self._plan.allocations else "",
            "HW_TOKEN_SECRET": secrets.token_urlsafe(32),
            "HW_POSTGRES_PASSWORD": self._password,
        }

    def _fetch_images(self) -> tuple[Choice, ...]:
        """Choose each image, bring it onto this machine, and let Compose use it."""
        client = self._client()
        services = json.loads(self._compose("config", "--format", "json", limit_s=_COMMAND_S))["services"]
        configured = {kind: services[users[0]]["image"] for kind, users in KINDS.items()}
        choices = choose(configured, os.environ, lambda image: is_present(client, image))
        for choice in choices:
            self._environment[variable(choice.kind)] = choice.image
            supply(client, choice, lambda command: self._compose(*command.split(), limit_s=_FETCH_S))
        return choices

    def _start(self) -> None:
        self._compose(*_UP, limit_s=_COMMAND_S)
        for service in SERVICES:
            try:
                self._wait_for(service)
            except (NotReady, StackError) as error:
                if service in self._plan.required or service != "auth":
                    raise
                self._go_on_without_auth(str(error))
        self._proxy_address = self._direct_proxy_address()

    def _go_on_without_auth(self, reason: str) -> None:
        self._absent["auth"] = reason
        self._environment["HW_AUTH_URL"] = ""
        self._compose("rm", "--stop", "--force", "auth", limit_s=_COMMAND_S)
        # Makes api again, as its environment has changed.
        self._compose(*_UP, *(service for service in SERVICES if service != "auth"), limit_s=_COMMAND_S)

    def _wait_for(self, service: str) -> None:
        """Wait until every check of a service passes; a container that has died fails it at once."""
        for what, check in self._checks(service).items():
            self._wait_until(service, check, what=what)

    @engine.answering()
    def _wait_until(self, service: str, check: Callable[[], str | None], *, what: str = "") -> None:
        def alive_and_well() -> str | None:
            seen = check()
            if seen is not None and (ended := death(self._client(), self.project, service)):
                raise StackError(f"{service} {ended}")
            return seen

        wait_until(what or service, alive_and_well, limit_s=_HEALTHY_S)

    def _health(self, service: str) -> str | None:
        """Ask a service once, past the proxies: whether it is alive, independent of its dependencies."""
        if service in {"api", "auth"}:
            return http_health(f"{self.endpoint(service).url}/health")
        return self._checks(service)[service]()

    def _checks(self, service: str) -> dict[str, Callable[[], str | None]]:
        endpoint = self.endpoint(service)
        if service == "postgres":
            return {service: lambda: postgres_health(self.postgres_dsn())}
        if service == "redis":
            return {service: lambda: redis_health(endpoint.host, endpoint.port)}
        if service == "toxiproxy":
            return {service: lambda: toxiproxy_health(endpoint.url, [hop.name for hop in HOPS])}
        # Api must be ready, not just alive: it is when the hops behind it work.
        path = "/ready" if service == "api" else "/health"
        hop = f"client_{service}"
        proxied = Endpoint("127.0.0.1", self._port(f"hop {hop}"))
        return {
            service: lambda: http_health(f"{endpoint.url}{path}"),
            f"hop {hop}": lambda: http_health(f"{proxied.url}{path}"),
        }

    def _direct_proxy_address(self) -> str | None:
        """Return the proxy container's own address if our proxies answer there: not where the engine is in a VM."""
        hops = [hop.name for hop in HOPS]
        for container in containers(self._client(), self.project):
            if container.labels[SERVICE_LABEL] == "toxiproxy":
                for network in container.attrs["NetworkSettings"]["Networks"].values():
                    address = Endpoint(network["IPAddress"], 8474)
                    if toxiproxy_health(address.url, hops, timeout_s=_DIRECT_S) is None:
                        return address.host
        return None

    def _seen_versions(self, choices: Iterable[Choice]) -> dict[str, str]:
        client = self._client()
        images = {service: choice for choice in choices for service in KINDS[choice.kind]}
        hops = (
            "by their containers' addresses" if self._proxy_address else "by published ports: resets arrive as closes"
        )
        seen = {"docker": str(client.version()["Version"]), "hops": f"reached {hops}"}
        for container in containers(client, self.project):
            service = container.labels[SERVICE_LABEL]
            choice = images[service]
            words = [f"{choice.image} ({choice.source})"]
            if command := _VERSION_COMMANDS.get(service):
                output = container.exec_run(command).output
                words.insert(0, output.decode(errors="replace").strip() if isinstance(output, bytes) else "unknown")
            seen[service] = ", ".join(words)
        return seen

    def _compose(self, *arguments: str, limit_s: float) -> str:
        """Run a Compose command for this project and return what it printed. Raises StackError."""
        files = [part for file in self._files for part in ("--file", str(file))]
        project = ["--project-name", self.project, "--project-directory", str(ROOT), *files]
        return engine.compose(project, arguments, self._environment, limit_s=limit_s)
