"""Services that the target names instead of having them started: their URLs, and the process behind a port.

Only this machine's own are accepted, and those on hosts that the target allows
one by one. What a run breaks and floods must be the user's to break, and a
name typed wrong must not reach another's database.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import parse_qs, urlsplit

import psutil

from harness.identity import ProcessId
from harness.records import ProcessRef
from infra.stack import Endpoint

# Toxiproxy is not among them: its proxies are made for the run, each hop its own.
_SCHEMES = {
    "postgres": ("postgresql", "postgres"),
    "redis": ("redis",),
    "auth": ("http",),
    "api": ("http",),
}
_DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "http": 80}
# Options by which a client would go elsewhere than the address says, or which make it resolve the address.
_ELSEWHERE = frozenset({"host", "hostaddr", "port", "path", "service", "servicefile"})
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NAME_LENGTH = 253
# What holds a container's published port: its figures are not those of the service inside.
_FORWARDERS = ("docker", "rootlessport", "slirp4netns", "pasta", "podman", "gvproxy")


def check_named_url(service: str, url: str, allow: Collection[str] = ()) -> None:
    """Raise ValueError with the rule that `url` breaks as the address of `service`; the message never quotes it.

    `allow` are the hosts that the target allows besides this machine.
    """
    if service not in _SCHEMES:
        raise ValueError(f"cannot be named; only {', '.join(_SCHEMES)} can")
    rule = f"must be {_SCHEMES[service][0]}://HOST:PORT"
    try:
        parts = urlsplit(url)
        fine = parts.scheme in _SCHEMES[service] and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise ValueError(rule)
    if parts.netloc.count("@") > 1 or _ELSEWHERE.intersection(parse_qs(parts.query, keep_blank_values=True)):
        # Clients differ in what they then take for the host, and one of them could go to another than was checked.
        raise ValueError(f"{rule} with no other address in it: an @ of a password is written %40")
    if not (is_loopback(parts.hostname or "") or parts.hostname in allow):
        raise ValueError(f"{rule} with HOST this machine's own: localhost or 127.x.y.z, or one of allow.hosts")
    if parts.scheme == "http" and (parts.path not in ("", "/") or parts.query or parts.fragment):
        raise ValueError(f"{rule} and no path: paths are the load's")


def check_allowed_host(host: str) -> str:
    """Return a host that a target may allow: one host, spelt one way. Raises ValueError with the rule it breaks."""
    rule = "must be one host, as a name in lower case or an IPv4 address, with no port, scheme or wildcard"
    labels = host.split(".")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        try:
            address = ipaddress.IPv4Address(host)
        except ValueError:
            raise ValueError(rule) from None
        if address.is_unspecified or address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
            raise ValueError(f"{rule}: this address is no host's")
    elif len(host) > _NAME_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(rule)
    return host


def endpoint_of(url: str) -> Endpoint:
    """Return where a URL that passed `check_named_url` points."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return Endpoint("127.0.0.1" if host == "localhost" else host, parts.port or _DEFAULT_PORTS[parts.scheme])


def through(url: str, proxy: Endpoint) -> str:
    """Return the URL with its address replaced by that of a proxy; account, path and options stay."""
    parts = urlsplit(url)
    account, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{account}{at}{proxy}").geturl()


def listening_process(service: str, endpoint: Endpoint) -> ProcessRef | None:
    """Return the process that listens at `endpoint`; None when the system does not show it, or it only forwards."""
    if not is_loopback(endpoint.host):
        # What listens at that port here is another service.
        return None
    try:
        listeners = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == endpoint.port
        }
        processes = [psutil.Process(pid) for pid in listeners if pid is not None]
        # Workers share their parent's socket; the parent is the one that came first.
        oldest = min(processes, key=lambda process: process.create_time(), default=None)
        if oldest is None or any(word in oldest.name().lower() for word in _FORWARDERS):
            return None
        return ProcessRef(service, ProcessId.of(oldest))
    except psutil.Error:
        return None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its loopback, by its spelling alone."""
    try:
        return host == "localhost" or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False
