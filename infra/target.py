"""A target file to a frozen Target: which services a run needs, which of them are the user's own, and its numbers.

The schema is strict and everything wrong is reported at once: a misspelt key
that was ignored would silently test something else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError
from infra.named import check_allowed_host, check_named_url, redacted
from infra.stack import HOPS, SERVICES

# The reference api refuses work without its stores, so only auth can be done without.
_OPTIONAL = ("auth",)
_REQUIRED = frozenset(SERVICES).difference(_OPTIONAL)
_SECTIONS = ("name", "allow", "services", "hops", "load", "operations", "budget")
# Below 32768, where outgoing connections take theirs: one could sit on a proxy's port while its fault holds it closed.
_PORTS = range(1024, 32768)
# These speak HTTP, and so may have a page of metrics.
_HTTP = ("auth", "api")
_SERVICE_KEYS = ("required", "url", "measured", "metrics", "gauges", "ready")
# What waits for a whole system to work again asks its way in.
_WAY_IN = ("api",)


@dataclass(frozen=True, slots=True)
class Target:
    """What to test.

    `named` is service to URL, and `unmeasured` are those of them whose processes
    this machine cannot show; `ready` is the path at which the api says whether all that it needs works, empty where
    none is named; `metrics` is service to the path of its Prometheus page, and `gauges` are the names of
    what to keep of it besides what is known; `hops` are fixed ports for proxies; `load`, `operations` and `budget`
    are raw tables, parsed by those who use them. `allow` are the hosts besides this machine on which named services
    may be, and be broken.
    """

    name: str
    required: frozenset[str]
    named: Mapping[str, str]
    unmeasured: frozenset[str]
    metrics: Mapping[str, str]
    ready: str
    gauges: Mapping[str, tuple[str, ...]]
    hops: Mapping[str, int]
    load: Mapping[str, object]
    operations: Mapping[str, object]
    budget: Mapping[str, object]
    allow: frozenset[str] = frozenset()


def load_target(path: Path) -> Target:
    """Read a target file.

    Raises InputError when it is no readable TOML, and else an ExceptionGroup of an InputError for each rule broken.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), "file", path.name, f"must be readable ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), "file", path.name, f"must be TOML: {error}") from error
    return parse_target(str(path), table)


def parse_target(source: str, table: Mapping[str, object]) -> Target:
    """Return the target that a TOML table describes; `source` names it in errors. Raises as `load_target`."""
    errors: list[InputError] = []
    _refuse_unknown(source, "", table, _SECTIONS, errors)
    name = table.get("name")
    if not isinstance(name, str) or not name.strip():
        errors.append(InputError(source, "name", name, "must be a text that is not empty"))
    allow = _allow(source, _table(source, "allow", table, errors), errors)
    services = _table(source, "services", table, errors)
    required, named = _services(source, services, allow, errors)
    target = Target(
        name=str(name).strip(),
        required=required,
        named=named,
        unmeasured=_unmeasured(source, services, named, errors),
        metrics=_paths(source, services, errors, key="metrics", what="a Prometheus page", of=_HTTP),
        ready=_paths(source, services, errors, key="ready", what="a page that tells readiness", of=_WAY_IN).get(
            "api", ""
        ),
        gauges=_gauges(source, services, errors),
        hops=_hops(source, _table(source, "hops", table, errors), named, errors),
        load=_table(source, "load", table, errors),
        operations=_table(source, "operations", table, errors),
        budget=_table(source, "budget", table, errors),
        allow=allow,
    )
    if errors:
        raise ExceptionGroup(f"{source}: breaks {len(errors)} rule(s)", errors)
    return target


def _allow(source: str, table: Mapping[str, object], errors: list[InputError]) -> frozenset[str]:
    """Return the hosts that may be broken besides this machine, noting in `errors` what is wrong with them."""
    _refuse_unknown(source, "allow.", table, ("hosts",), errors)
    hosts = table.get("hosts", [])
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        errors.append(InputError(source, "allow.hosts", hosts, "must be a list of texts, each one host"))
        return frozenset()
    for host in hosts:
        try:
            check_allowed_host(host)
        except ValueError as error:
            errors.append(InputError(source, "allow.hosts", host, str(error)))
    return frozenset(hosts)


def _services(
    source: str, table: Mapping[str, object], allow: frozenset[str], errors: list[InputError]
) -> tuple[frozenset[str], dict[str, str]]:
    """Return (required, named) as the services' sections say; noting in `errors` what is wrong with them."""
    required, named = set(_REQUIRED), dict[str, str]()
    _refuse_unknown(source, "services.", table, SERVICES, errors)
    for service in (service for service in SERVICES if service in table):
        section, key = _table(source, f"services.{service}", table, errors, service), f"services.{service}"
        _refuse_unknown(source, f"{key}.", section, _SERVICE_KEYS, errors)
        if "required" in section:
            _note(errors, _set_required(source, service, section["required"], required))
        if "url" in section:
            _note(errors, _set_named(source, service, section["url"], allow, named))
    if "api" in named and "postgres" not in named:
        rule = "needs services.postgres.url beside it: what that api acknowledged is looked for in its own database"
        errors.append(InputError(source, "services.api.url", redacted(named["api"]), rule))
    return frozenset(required), named


def _unmeasured(
    source: str, table: Mapping[str, object], named: Mapping[str, str], errors: list[InputError]
) -> frozenset[str]:
    """Return the services declared as not measured, noting in `errors` what is wrong with that."""
    sections = {service: section for service, section in table.items() if isinstance(section, dict)}
    declared = {service: section["measured"] for service, section in sections.items() if "measured" in section}
    for service, value in declared.items():
        if not isinstance(value, bool) or not (value or service in named):
            rule = "must be true or false, and false only beside a url: what a run starts, it measures"
            errors.append(InputError(source, f"services.{service}.measured", value, rule))
    return frozenset(service for service, value in declared.items() if value is False)


def _paths(
    source: str, table: Mapping[str, object], errors: list[InputError], *, key: str, what: str, of: tuple[str, ...]
) -> dict[str, str]:
    """Return the paths that services declare under a key, noting in `errors` what is wrong with them."""
    paths: dict[str, str] = {}
    for service, value in _declared(table, key):
        if service in of and isinstance(value, str) and value.startswith("/") and value.isprintable():
            paths[service] = value
        else:
            rule = f"must be the path of {what} such as '/{key}', of one of {', '.join(of)}"
            errors.append(InputError(source, f"services.{service}.{key}", value, rule))
    return paths


def _ready(source: str, table: Mapping[str, object], errors: list[InputError]) -> str:
    """Return where the api says that it tells its readiness, noting in `errors` what is wrong with that."""
    return _paths(source, table, errors, key="ready", what="a page that tells readiness", of=_WAY_IN).get("api", "")


def _gauges(source: str, table: Mapping[str, object], errors: list[InputError]) -> dict[str, tuple[str, ...]]:
    """Return which metrics to keep besides the known ones, noting in `errors` what is wrong with that."""
    names: dict[str, tuple[str, ...]] = {}
    for service, value in _declared(table, "gauges"):
        if service in _HTTP and isinstance(value, list) and all(isinstance(n, str) and n.isidentifier() for n in value):
            names[service] = tuple(value)
        else:
            rule = f"must be a list of names of metrics, of one of {', '.join(_HTTP)}"
            errors.append(InputError(source, f"services.{service}.gauges", value, rule))
    return names


def _declared(table: Mapping[str, object], key: str) -> list[tuple[str, object]]:
    return [
        (service, section[key]) for service, section in table.items() if isinstance(section, dict) and key in section
    ]


def _hops(
    source: str, table: Mapping[str, object], named: Mapping[str, str], errors: list[InputError]
) -> dict[str, int]:
    """Return the fixed ports of proxies, noting in `errors` what is wrong with them."""
    _refuse_unknown(source, "hops.", table, tuple(hop.name for hop in HOPS), errors)
    ports: dict[str, int] = {}
    for name, port in table.items():
        if isinstance(port, bool) or not isinstance(port, int) or port not in _PORTS or port in ports.values():
            rule = f"must be a port from {_PORTS.start} to {_PORTS.stop - 1} that no other hop has"
            errors.append(InputError(source, f"hops.{name}", port, rule))
        else:
            ports[name] = port
    if "api" in named:
        # Else its links would be broken where no request of its ever passes, and every fault be survived.
        rule = "needs a port: an api of yours is under test only where it calls through the proxies, so point it there"
        missing = [hop.name for hop in HOPS if hop.name.startswith("api_") and hop.name not in table]
        errors.extend(InputError(source, f"hops.{name}", None, rule) for name in missing)
    return ports


def _set_required(source: str, service: str, value: object, required: set[str]) -> InputError | None:
    key = f"services.{service}.required"
    if not isinstance(value, bool):
        return InputError(source, key, value, "must be true or false")
    if not value and service not in _OPTIONAL:
        return InputError(source, key, value, f"must be true: only {', '.join(_OPTIONAL)} can be done without")
    (required.add if value else required.discard)(service)
    return None


def _set_named(
    source: str, service: str, value: object, allow: frozenset[str], named: dict[str, str]
) -> InputError | None:
    key = f"services.{service}.url"
    if not isinstance(value, str):
        return InputError(source, key, value, "must be a text")
    try:
        check_named_url(service, value, allow)
    except ValueError as error:
        # Never the password that may be in it.
        return InputError(source, key, redacted(value), str(error))
    named[service] = value
    return None


def _note(errors: list[InputError], error: InputError | None) -> None:
    if error:
        errors.append(error)


def _table(
    source: str, key: str, parent: Mapping[str, object], errors: list[InputError], name: str | None = None
) -> Mapping[str, object]:
    """Return the table called `name` (or `key`) in `parent`, an empty one when it is absent or no table."""
    value = parent.get(name or key, {})
    if isinstance(value, dict):
        return value
    errors.append(InputError(source, key, value, f"must be a table: [{key}]"))
    return {}


def _refuse_unknown(
    source: str, prefix: str, table: Mapping[str, object], known: tuple[str, ...], errors: list[InputError]
) -> None:
    rule = f"no such key; one of {', '.join(known)}"
    errors.extend(InputError(source, prefix + key, table[key], rule) for key in table if key not in known)
