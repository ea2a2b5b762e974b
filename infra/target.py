"""A target file to a frozen Target: which services a run needs, which of them are the user's own, and its numbers.

The rules between its tables hold for what each table gives, right or wrong, so
that all that is wrong is reported at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ModelWrapValidatorHandler, model_validator

from harness.criteria import Budget
from harness.load import DeclaredOperations, LoadTable
from harness.tables import Broken, Gathered, Listed, Table, Text, keys_of, read, read_toml, rule, unknown_key
from infra.named import check_allowed_host, check_named_url
from infra.stack import HOPS, SERVICES

_HOPS = tuple(hop.name for hop in HOPS)
_HOPS_OF_API = tuple(name for name in _HOPS if name.startswith("api_"))


def _always(value: bool) -> bool:  # noqa: FBT001 - a validator's argument
    if not value:
        raise rule("must be true: only auth can be optional")
    return value


def _page(value: str) -> str:
    if not value.startswith("/") or not value.isprintable():
        raise rule("must be a path on the service, such as '/metrics'")
    return value


def _metric(value: str) -> str:
    if not value.isidentifier():
        raise rule("must be the name of a metric: letters, digits and _")
    return value


def _hop(value: str) -> str:
    if value not in _HOPS:
        raise unknown_key(value, _HOPS)
    return value


Page = Annotated[str, AfterValidator(_page)]
# Below 32768, where outgoing connections take theirs: one could sit on a proxy's port while its fault holds it closed.
Port = Annotated[int, Field(ge=1024, le=32767)]


class Service(Table):
    """A service that the run starts."""

    required: Annotated[bool, AfterValidator(_always)] = True
    """Whether a run refuses without it. Only auth can be optional: tests that need it are then skipped."""
    measured: bool = True
    """Whether its process can be measured; `false` only beside a `url`."""

    def check(self) -> Iterator[Broken]:
        """Yield what is wrong between the keys."""
        if not self.measured and not getattr(self, "url", ""):
            yield "measured", "must be true, unless there is a url: what a run starts, it measures"


class NamedService(Service):
    """A service that the run starts, or that the target names."""

    url: str = ""
    """Address of a service of your own, on this machine or an allowed host; otherwise one is started."""


class HttpService(NamedService):
    """One that speaks HTTP, and so may have a page of metrics."""

    metrics: Page = ""
    """Path of its Prometheus page."""
    gauges: Listed[Annotated[str, AfterValidator(_metric)]] = ()
    """Metrics of that page to record besides the known ones."""


class AuthService(HttpService):
    """The one that a run can do without: the reference api refuses work without its stores."""

    required: bool = False
    """Whether a run refuses without it."""


class ApiService(HttpService):
    """The way into the whole system."""

    ready: Page = ""
    """Path that answers 2xx only while all that the api needs works: recovery is dated by it."""


class Services(Table):
    """What the system under test is made of."""

    postgres: NamedService = NamedService()
    """The database."""
    redis: NamedService = NamedService()
    """The cache."""
    toxiproxy: Service = Service()
    """The proxies; cannot be named, for each hop gets one of its own."""
    auth: AuthService = AuthService()
    """Logins and tokens."""
    api: ApiService = ApiService()
    """The service under test."""


class Allow(Table):
    """What may be broken besides this machine."""

    hosts: Listed[Annotated[str, AfterValidator(check_allowed_host)]] = ()
    """Hosts on which named services may be, each written out. What runs there is not measured."""


class Target(Table):
    """What to test."""

    name: Annotated[Text, AfterValidator(str.strip)]
    """Name of the target in reports."""
    allow: Allow = Allow()
    """Hosts that may be broken besides this machine."""
    services: Services = Services()
    """Services of your own, and which may be absent."""
    hops: Mapping[Annotated[str, AfterValidator(_hop)], Port] = Field({})
    """Hop = port of its proxy, chosen free otherwise."""
    load: LoadTable = LoadTable()
    """Overrides the scenarios' load."""
    operations: DeclaredOperations = Field({})
    """HTTP operations of your own, by name."""
    budget: Budget = Budget()
    """Overrides the scenarios' budget."""

    @model_validator(mode="wrap")
    @classmethod
    def _between(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Read the tables, and check the rules between them."""
        found = Gathered(keys_of(cls))
        with found.at(value):
            made = handler(value)
        if isinstance(value, Mapping):
            _check_named(value, found)
        found.finish()
        return made

    @property
    def required(self) -> frozenset[str]:
        """The services without which a run refuses."""
        return frozenset(service for service, section in self._sections() if section.required)

    @property
    def named(self) -> Mapping[str, str]:
        """Service to URL, of those that the target names."""
        return self._given("url")

    @property
    def unmeasured(self) -> frozenset[str]:
        """The named services whose processes this machine cannot measure."""
        return frozenset(service for service, section in self._sections() if not section.measured)

    @property
    def metrics(self) -> Mapping[str, str]:
        """Service to the path of its Prometheus page."""
        return self._given("metrics")

    @property
    def ready(self) -> str:
        """The path that answers 2xx only while all that the api needs works; empty where none is named."""
        return self.services.api.ready

    @property
    def gauges(self) -> Mapping[str, tuple[str, ...]]:
        """Service to the metrics to record besides the known ones."""
        return self._given("gauges")

    def _sections(self) -> Iterator[tuple[str, Service]]:
        return ((service, getattr(self.services, service)) for service in SERVICES)

    def _given(self, key: str) -> dict[str, Any]:
        return {service: given for service, section in self._sections() if (given := getattr(section, key, None))}


def load_target(path: Path) -> Target:
    """Read a target file.

    Raises InputError when it is no readable TOML, and else an ExceptionGroup of an InputError for each rule broken.
    """
    return read(Target, str(path), read_toml(path))


def _check_named(table: Mapping[str, Any], found: Gathered) -> None:
    """Note the rules that named services and hops break together; `table` is as the file has it."""
    services, hops = _table(table, "services"), _table(table, "hops")
    hosts = _table(table, "allow").get("hosts", ())
    urls = {service: _table(services, service)["url"] for service in services if "url" in _table(services, service)}
    allowed = [host for host in hosts if isinstance(host, str)] if isinstance(hosts, list) else []
    for service in filter(keys_of(Services).__contains__, urls):
        if isinstance(urls[service], str) and service != "toxiproxy":
            try:
                check_named_url(service, urls[service], allowed)
            except ValueError as error:
                found.refuse(rule(str(error)), urls[service], "services", service, "url")
    if "api" in urls:
        if "postgres" not in urls:
            text = "needs services.postgres.url too: what that api acknowledged is read back from its own database"
            found.refuse(rule(text), urls["api"], "services", "api", "url")
        # Otherwise its links would be broken where none of its requests pass, and it would survive every fault.
        text = "must have a port: only what an api of yours calls through the proxies can be broken, so point it there"
        for name in _HOPS_OF_API:
            if name not in hops:
                found.refuse(rule(text, absent=True), None, "hops", name)
    ports = list(hops.values())
    for n, (name, port) in enumerate(hops.items()):
        if port in ports[:n]:
            found.refuse(rule("must be a port that no other hop has"), port, "hops", name)


def _table(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a table in another, an empty one where there is none."""
    inner = parent.get(key)
    return inner if isinstance(inner, Mapping) else {}
